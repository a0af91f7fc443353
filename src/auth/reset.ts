// Setting a password by a link that an administrator had made: once, within its hour, and every session ends.

import { passwordProblem } from '../accounts/password-policy.ts'
import { hashPassword } from '../accounts/passwords.ts'
import { insertAuditOf } from '../audit/store.ts'
import { sha256 } from '../crypto.ts'
import { runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import { comingReset, deleteReset, parseReset, resetPassword, selectReset } from '../resets/store.ts'
import type { Exchange } from '../runtime.ts'
import type { Ended } from '../sessions/lifecycle.ts'
import { countAlive, parseCount, parseRaised } from '../sessions/store.ts'
import { readBody } from './body.ts'
import { announceEnded } from './effective.ts'
import type { Site } from './same-site.ts'
import { enforceTransport } from './same-site.ts'
import { enforceAddressLimit } from './sign-in.ts'

interface ResetForm {
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
  const form = await readForm(exchange.request)
  enforceTransport(site, 'token')
  await enforceAddressLimit(exchange)
  return announceEnded(exchange, await commitReset(exchange, form), [])
}

async function readForm(request: Request): Promise<ResetForm> {
  const { token, password } = await readBody(request, ['token', 'password'])
  if (token === undefined || password === undefined) throw refused('token and password are required')
  const problem = passwordProblem(password)
  if (problem !== null) throw refused(problem)
  return { token, password }
}

/** The link is looked at before the password is hashed, and by the statement that uses it up once more. */
async function commitReset({ runtime, requestId }: Exchange, { token, password }: ResetForm): Promise<Ended> {
  const { db, config } = runtime
  const tokenHash = sha256(token)
  const [found] = await runBatch(db, [selectReset(db, tokenHash)])
  const userId = parseReset(found?.[0])
  if (userId === null) throw overLink()
  const passwordHash = await hashPassword(password)
  const event = { actor: userId, action: 'password.reset', outcome: 'success', requestId, details: {} } as const
  const [alive, , raised] = await runBatch(db, [
    countAlive(db, userId, config.sessions.idleTimeout),
    insertAuditOf(db, event, comingReset(tokenHash)),
    resetPassword(db, tokenHash, passwordHash),
    deleteReset(db, tokenHash),
  ])
  const user = parseRaised(raised?.[0])
  if (user === null) throw overLink()
  return { ended: parseCount(alive?.[0]), raised: [user] }
}

function overLink(): Denial {
  return refused('the link is over, or has been used')
}

function refused(detail: string): Denial {
  return new Denial('invalid_request', { reason: 'reset', members: { detail } })
}
