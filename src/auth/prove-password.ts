// A password is proved: counted against guessing before it is looked at, with equal work whoever the user is.

import type { Taken, Ticket } from '../accounts/attempts.ts'
import { verifyPassword } from '../accounts/passwords.ts'
import type { UserRow } from '../accounts/store.ts'
import { Denial } from '../denial.ts'

export interface Proved {
  readonly user: UserRow
  readonly ticket: Ticket
  /** The stored hash is of older parameters. */
  readonly outdated: boolean
}

/** @throws Denial `rate_limited`; `invalid_sign_in` for a wrong password, an unknown user and a disabled one alike */
export async function provePassword(taken: Taken, password: string): Promise<Proved> {
  if (taken.outcome === 'blocked') {
    throw new Denial('rate_limited', { headers: { 'Retry-After': String(taken.retryAfter) } })
  }
  const { user, ticket } = taken
  const verdict = await verifyPassword(password, user?.passwordHash ?? null)
  if (user === null || verdict.outcome === 'wrong' || user.disabledAt !== null) throw new Denial('invalid_sign_in')
  return { user, ticket, outdated: verdict.outdated }
}
