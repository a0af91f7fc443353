// Changing one's password: the current one is asked for, and every other session ends.

import { forgetAttempts, takeTicketOfUser } from '../accounts/attempts.ts'
import { passwordProblem } from '../accounts/password-policy.ts'
import { Denial } from '../denial.ts'
import { addressBlock } from '../rate-limit.ts'
import type { Exchange } from '../runtime.ts'
import type { PasswordChanged } from '../sessions/lifecycle.ts'
import { changePassword } from '../sessions/lifecycle.ts'
import type { SessionState } from '../sessions/store.ts'
import type { Body } from './body.ts'
import { readBody } from './body.ts'
import type { Caller } from './caller.ts'
import { usesCookies } from './caller.ts'
import { announceEnded } from './effective.ts'
import { credentialsOf } from './issue.ts'
import { provePassword } from './prove-password.ts'
import type { Site } from './same-site.ts'
import { enforceTransport } from './same-site.ts'
import { requireLiving } from './session.ts'
import { enforceAddressLimit } from './sign-in.ts'
import { tellerFor } from './teller.ts'

export interface PasswordChangeForm {
  readonly current: string
  readonly next: string
}

/**
 * `POST /auth/password`. The session that asks lives on with a new credential, which the answer carries: no copy of the
 * one before is honoured (ASVS 7.2.4).
 * @throws Denial `invalid_request`, `cross_site_request`, `rate_limited`, `invalid_sign_in` (a wrong current one),
 *   `credential_required`, `invalid_token`, `session_ended`
 */
export async function replaceOwnPassword(exchange: Exchange, site: Site, caller: Caller | null): Promise<Response> {
  if (!exchange.runtime.config.passwords.signIn) throw new Denial('no_route')
  await enforceAddressLimit(exchange)
  const form = await parsePasswordChange(await readBody(exchange.request, ['current', 'new']))
  enforceTransport(site, usesCookies(caller) ? 'cookie' : 'token')
  const living = await requireLiving(exchange, caller)
  const changed = await changeOwnPassword(exchange, living.session, form)
  const transport = usesCookies(caller) ? 'cookie' : 'token'
  const { cookies, members } = await credentialsOf(exchange.runtime, changed.session, transport)
  return announceEnded(exchange, changed, cookies, async () => members)
}

/**
 * Proves the current password and sets the new one; the other sessions end, and this one has a new credential. Does NOT publish.
 * @throws Denial `rate_limited`, `invalid_sign_in`, `unavailable`
 */
export async function changeOwnPassword(
  exchange: Exchange,
  session: SessionState,
  { current, next }: PasswordChangeForm,
): Promise<PasswordChanged> {
  const { db, config, hashing } = exchange.runtime
  const { user, ticket, to } = await hashing.admit(exchange, async (passwords) => {
    const taken = await takeTicketOfUser(db, session.userId, addressBlock(exchange.clientAddress))
    const proved = await provePassword(exchange, passwords, taken, current, { action: 'password.change' })
    return { ...proved, to: await passwords.hash(next) }
  })
  const change = { sessionId: session.sessionId, from: user.passwordHash ?? '', to }
  const { idleTimeout } = config.sessions
  const teller = tellerFor(exchange, null)
  const ended = await changePassword(db, user.id, change, idleTimeout, forgetAttempts(db, ticket), teller)
  if (ended === null) throw new Denial('invalid_sign_in', { reason: 'changed since it was checked' })
  return ended
}

/** @throws Denial `invalid_request` (with `detail` for a password that is refused) */
export async function parsePasswordChange({ current, new: next }: Body): Promise<PasswordChangeForm> {
  if (current === undefined || next === undefined) throw new Denial('invalid_request', { reason: 'current or new' })
  const problem = await passwordProblem(next)
  if (problem !== null) throw new Denial('invalid_request', { reason: 'password', members: { detail: problem } })
  return { current, next }
}
