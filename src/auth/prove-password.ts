// A password is proved: counted against guessing before it is looked at, with equal work whoever the user is.

import type { Taken, Ticket } from '../accounts/attempts.ts'
import type { Passwords } from '../accounts/hashing.ts'
import type { UserRow } from '../accounts/store.ts'
import { failedAttempt } from '../accounts/store.ts'
import { digestAccount } from '../audit/account-digest.ts'
import { insertRefusalOf } from '../audit/refusals-store.ts'
import type { AuditDetails } from '../audit/store.ts'
import { STRANGER } from '../audit/store.ts'
import { runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'

export interface Proved {
  readonly user: UserRow
  readonly ticket: Ticket
  /** The stored hash is of older parameters. */
  readonly outdated: boolean
}

/** What a password is for. */
export interface Purpose {
  /** What the audit trail calls the attempt. */
  readonly action: 'sign_in' | 'password.change'
  /** A scope that the user must hold as well. */
  readonly scope?: string
}

/**
 * A wrong password, an unknown user, a disabled one and one without the scope get one answer after the same work, which
 * comes when the trail has the refusal. Only the trail and the log distinguish them.
 * @throws Denial `rate_limited`, `invalid_sign_in`
 */
export async function provePassword(
  exchange: Exchange,
  passwords: Passwords,
  taken: Taken,
  password: string,
  purpose: Purpose,
): Promise<Proved> {
  const { ticket } = taken
  const refused = { account: digestAccount(exchange.runtime.sessionKeys, ticket.account), address: ticket.address }
  if (taken.outcome === 'blocked') {
    throw new Denial('rate_limited', { refused, headers: { 'Retry-After': String(taken.retryAfter) } })
  }
  const { user } = taken
  const verdict = await passwords.verify(password, user?.passwordHash ?? null)
  if (user === null || verdict.outcome === 'wrong' || user.disabledAt !== null) {
    await recordRefusal(exchange, taken, purpose.action, refused.account, {})
    throw new Denial('invalid_sign_in', { refused })
  }
  if (purpose.scope !== undefined && !user.scopes.includes(purpose.scope)) {
    await recordRefusal(exchange, taken, purpose.action, refused.account, { missing: [purpose.scope] })
    throw new Denial('invalid_sign_in', { refused, reason: 'a right password without the scope' })
  }
  return { user, ticket: taken.ticket, outdated: verdict.outdated }
}

/** The same work for accounts that exist and those that do not. */
async function recordRefusal(
  { runtime, requestId }: Exchange,
  { ticket, user }: Extract<Taken, { readonly outcome: 'taken' }>,
  action: Purpose['action'],
  account: string,
  details: AuditDetails,
): Promise<void> {
  const event = { actor: STRANGER, action, requestId, details }
  const refused = { account, address: ticket.address, isKnown: user !== null }
  const source = failedAttempt(ticket, user?.id ?? null)
  await runBatch(runtime.db, [insertRefusalOf(runtime.db, event, source, refused)])
}
