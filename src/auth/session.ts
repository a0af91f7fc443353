// Who am I: the caller's session as D1 holds it now.

import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import { findSession } from '../sessions/lifecycle.ts'
import type { SessionState } from '../sessions/store.ts'
import { answerJson } from './answer.ts'
import type { Caller } from './caller.ts'
import { accessExpiry, describeSession } from './issue.ts'
import { sessionEnded } from './present.ts'
import { renewSession, youngLines } from './renew.ts'

/** A caller whose session is alive, and the `Set-Cookie` lines of a renewal that finding it out took. */
export interface LivingCaller {
  readonly session: SessionState
  /** Unix seconds at which the caller's access token expires. */
  readonly accessExpiresAt: number
  readonly cookies: readonly string[]
}

/** `GET /auth/session`. @throws Denial `credential_required`, `invalid_token`, `session_ended` */
export async function showSession(exchange: Exchange, caller: Caller | null): Promise<Response> {
  const { session, accessExpiresAt, cookies } = await requireLiving(exchange, caller)
  return answerJson(describeSession(session, accessExpiresAt), cookies)
}

/**
 * The caller's session, alive. One round trip; a browser without a good access token is renewed by it.
 * @throws Denial `credential_required` without a credential; `invalid_token` (bearer) or `session_ended` (cookie, which clears it) of a dead session
 */
export async function requireLiving(exchange: Exchange, caller: Caller | null): Promise<LivingCaller> {
  const { config, db, ended, now } = exchange.runtime
  if (caller === null) throw new Denial('credential_required')
  if (caller.via === 'session') {
    const { session, cookies } = await renewSession(exchange, caller)
    const accessExpiresAt = accessExpiry(config, session, now())
    return { session, accessExpiresAt, cookies: youngLines(exchange.runtime, cookies) }
  }
  const isEnded = ended.has(caller.sessionId)
  const session = isEnded ? null : await findSession(db, caller.sessionId, config.sessions.idleTimeout)
  if (session?.alive === true) return { session, accessExpiresAt: caller.accessExpiresAt, cookies: [] }
  if (!isEnded) ended.remember(caller.sessionId)
  throw caller.via === 'cookies'
    ? sessionEnded(config.insecureCookies)
    : new Denial('invalid_token', { reason: 'session over' })
}
