// Setting a password by a link that an administrator had made: once, within its hour, and every session ends.

import { passwordProblem } from '../accounts/password-policy.ts'
import { tell } from '../audit/tell.ts'
import { sha256 } from '../crypto.ts'
import { findBrokenColumn, runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { Suspended } from '../identities/store.ts'
import { addedWaysIn, parseAllSuspended, suspendWaysIn } from '../identities/store.ts'
import { comingReset, deleteReset, parseReset, requireReset, resetPassword, selectReset } from '../resets/store.ts'
import type { Exchange } from '../runtime.ts'
import type { Ended } from '../sessions/lifecycle.ts'
import { countAlive, endOfOldEpoch, parseCount, parseRaised } from '../sessions/store.ts'
import type { Body } from './body.ts'
import { readBody } from './body.ts'
import { announceEnded } from './effective.ts'
import type { Site } from './same-site.ts'
import { enforceTransport } from './same-site.ts'
import { enforceAddressLimit } from './sign-in.ts'
import { tellerFor } from './teller.ts'

export interface ResetForm {
  readonly token: string
  readonly password: string
}

/**
 * `POST /auth/reset`: `{ "token", "password" }`. Signs nobody in.
 * A link that never was, that is over and that was used get one answer, which tells nothing of users.
 * @throws Denial `invalid_request`, `too_large`, `cross_site_request`, `rate_limited`
 */
export async function resetByLink(exchange: Exchange, site: Site): Promise<Response> {
  if (!exchange.runtime.config.passwords.signIn) throw new Denial('no_route')
  await enforceAddressLimit(exchange)
  const form = await parseResetForm(await readBody(exchange.request, ['token', 'password']))
  enforceTransport(site, 'token')
  const ended = await useLink(exchange, form)
  if (ended === null) throw refused('the link is over, or has been used')
  return announceEnded(exchange, ended, [], async () => ({ suspended: ended.suspended }))
}

/** @throws Denial `invalid_request`, with `detail` for a password that is refused */
export async function parseResetForm({ token, password }: Body): Promise<ResetForm> {
  if (token === undefined || password === undefined)
    throw new Denial('invalid_request', { reason: 'token or password' })
  const problem = await passwordProblem(password)
  if (problem !== null) throw refused(problem)
  return { token, password }
}

/**
 * Sets the password, ends every session and suspends the ways in that were added to the account; `null` where the link is not good. It is looked at before the password is hashed,
 * and by the statement that uses it up once more.
 * Does NOT publish.
 * @throws Denial `rate_limited`, `unavailable`
 */
export async function useLink(exchange: Exchange, { token, password }: ResetForm): Promise<Reset | null> {
  await enforceAddressLimit(exchange)
  const { db, hashing } = exchange.runtime
  const tokenHash = sha256(token)
  const [found] = await runBatch(db, [selectReset(db, tokenHash)])
  const userId = parseReset(found?.[0])
  if (userId === null) return null
  const passwordHash = await hashing.admit(exchange, (passwords) => passwords.hash(password))
  return commitReset(exchange, userId, { tokenHash, passwordHash })
}

/** What a reset has ended, and the ways in that it has suspended. */
export interface Reset extends Ended {
  readonly suspended: readonly Suspended[]
}

async function commitReset(
  exchange: Exchange,
  userId: string,
  { tokenHash, passwordHash }: { readonly tokenHash: string; readonly passwordHash: string },
): Promise<Reset | null> {
  const { db, config } = exchange.runtime
  const teller = tellerFor(exchange, null)
  try {
    const [alive, , raised = [], suspended = []] = await runBatch(db, [
      countAlive(db, userId, config.sessions.idleTimeout),
      requireReset(db, tokenHash),
      tell(db, teller, 'password.reset', {}, comingReset(tokenHash)),
      resetPassword(db, tokenHash, passwordHash),
      [endOfOldEpoch(db, userId, 'reset')],
      tell(db, teller, 'identity.suspend', { reason: 'reset' }, addedWaysIn(userId)),
      suspendWaysIn(db, userId),
      deleteReset(db, tokenHash),
    ])
    const users = raised.map(parseRaised).filter((user) => user !== null)
    return { ended: parseCount(alive?.[0]), raised: users, suspended: parseAllSuspended(suspended) }
  } catch (cause) {
    if (findBrokenColumn(cause) === 'users.token_version') return null
    throw cause
  }
}

function refused(detail: string): Denial {
  return new Denial('invalid_request', { reason: 'reset', members: { detail } })
}
