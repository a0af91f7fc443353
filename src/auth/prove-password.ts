// A password is proved: counted against guessing before it is looked at, with equal work whoever the user is.

import type { Taken, Ticket } from '../accounts/attempts.ts'
import { verifyPassword } from '../accounts/passwords.ts'
import type { UserRow } from '../accounts/store.ts'
import { failedAttempt } from '../accounts/store.ts'
import { insertRefusalOf, STRANGER } from '../audit/store.ts'
import { runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'

export interface Proved {
  readonly user: UserRow
  readonly ticket: Ticket
  /** The stored hash is of older parameters. */
  readonly outdated: boolean
}

/**
 * A wrong password, an unknown user and a disabled one get one answer, which comes when the trail has the refusal.
 * @throws Denial `rate_limited`, `invalid_sign_in`
 */
export async function provePassword(
  exchange: Exchange,
  taken: Taken,
  password: string,
  action: 'sign_in' | 'password.change',
): Promise<Proved> {
  if (taken.outcome === 'blocked') {
    throw new Denial('rate_limited', { headers: { 'Retry-After': String(taken.retryAfter) } })
  }
  const { user, ticket } = taken
  const verdict = await verifyPassword(password, user?.passwordHash ?? null)
  if (user === null || verdict.outcome === 'wrong' || user.disabledAt !== null) {
    await recordRefusal(exchange, ticket, action, user)
    throw new Denial('invalid_sign_in')
  }
  return { user, ticket, outdated: verdict.outdated }
}

/** The same work for users and for those who are none. */
async function recordRefusal(
  { runtime, requestId }: Exchange,
  ticket: Ticket,
  action: 'sign_in' | 'password.change',
  user: UserRow | null,
): Promise<void> {
  const event = { actor: STRANGER, action, requestId, details: {} }
  await runBatch(runtime.db, [insertRefusalOf(runtime.db, event, failedAttempt(ticket, user?.id ?? null))])
}
