// Who am I: the caller's session as D1 holds it now.

import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import { findSession } from '../sessions/lifecycle.ts'
import type { SessionToken } from '../sessions/session-token.ts'
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
  const { config, db, ended } = exchange.runtime
  if (caller === null) throw new Denial('credential_required')
  if (caller.via === 'session') return renewLiving(exchange, caller)
  const isEnded = ended.has(caller.sessionId)
  const session = isEnded ? null : await findSession(db, caller.sessionId, config.sessions.idleTimeout)
  if (session?.alive === true) return requireCurrent(exchange, caller, session)
  if (!isEnded) ended.remember(caller.sessionId)
  throw caller.via === 'cookies' ? sessionEnded(config.insecureCookies) : tokenRefused('session over')
}

/** An access token from before the session's credentials were replaced proves nothing; the cookie beside it may. */
function requireCurrent(
  exchange: Exchange,
  caller: Exclude<Caller, { readonly via: 'session' }>,
  session: SessionState,
): Promise<LivingCaller> | LivingCaller {
  const { expiresAt, version } = caller.access
  if (version >= session.leastVersion) return { session, accessExpiresAt: expiresAt, cookies: [] }
  if (caller.via === 'cookies') return renewLiving(exchange, caller)
  throw tokenRefused('credential replaced')
}

function tokenRefused(reason: string): Denial {
  return new Denial('invalid_token', { reason })
}

/** The session cookie by itself: what it proves stands, and a copy of one that was replaced is refused. */
async function renewLiving(exchange: Exchange, token: SessionToken): Promise<LivingCaller> {
  const { session, cookies } = await renewSession(exchange, token)
  const accessExpiresAt = accessExpiry(exchange.runtime.config, session, exchange.runtime.now())
  return { session, accessExpiresAt, cookies: youngLines(exchange.runtime, cookies) }
}
