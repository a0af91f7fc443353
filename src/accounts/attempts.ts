// Guesses at an account are counted before the password is checked, so D1 decides between parallel ones.

import { sha256 } from '../crypto.ts'
import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import { networkOf } from '../rate-limit.ts'
import {
  deleteAttempts,
  insertAttempt,
  parseCounted,
  parseUser,
  parseWait,
  selectUserByEmail,
  selectUserById,
  selectWait,
  takeBackAttempt,
} from './store.ts'
import type { Attempt, UserRow } from './store.ts'

/** An attempt that was counted, and may be forgotten when the password is right. */
export interface Ticket extends Attempt {
  /** The rows of more than an address that it counted in: not those that were blocked while this address was known. */
  readonly countedIn: readonly string[]
}

export type Taken =
  | { readonly outcome: 'blocked'; readonly ticket: Attempt; /** Seconds. */ readonly retryAfter: number }
  | { readonly outcome: 'taken'; readonly ticket: Ticket; readonly user: UserRow | null }

/**
 * Takes a ticket to try one password for an e-mail from an address, and finds the user: one round trip.
 * `email` is what `parseEmail` gave, `address` what a session that opens is stored with.
 * Does NOT tell known users from unknown ones, but by `user`. A blocked attempt is not counted.
 */
export function takeTicket(db: Database, email: string, address: string): Promise<Taken> {
  return take(db, attemptAt(sha256(email), address), email, selectUserByEmail(db, email))
}

/** The same for somebody who is signed in and gives his password once more; counted apart from signing in. */
export function takeTicketOfUser(db: Database, userId: string, address: string): Promise<Taken> {
  return take(db, attemptAt(sha256(`user ${userId}`), address), '', selectUserById(db, userId))
}

function attemptAt(account: string, address: string): Attempt {
  return { account, address, network: networkOf(address) }
}

async function take(db: Database, attempt: Attempt, email: string, find: D1PreparedStatement): Promise<Taken> {
  const [counted = [], wait, users] = await runBatch(db, [
    insertAttempt(db, attempt, email),
    selectWait(db, attempt),
    find,
  ])
  if (counted.length === 0)
    return { outcome: 'blocked', ticket: attempt, retryAfter: Math.max(1, parseWait(wait?.[0])) }
  const countedIn = counted.map(parseCounted).filter((row) => row !== attempt.address)
  return { outcome: 'taken', ticket: { ...attempt, countedIn }, user: parseUser(users?.[0]) }
}

/** The statements that a right password adds to its batch: the address starts from none, wider rows lose this attempt. */
export function forgetAttempts(db: Database, ticket: Ticket): readonly D1PreparedStatement[] {
  const ofAddress = deleteAttempts(db, ticket)
  if (ticket.countedIn.length === 0) return [ofAddress]
  return [ofAddress, takeBackAttempt(db, ticket.account, ticket.countedIn)]
}
