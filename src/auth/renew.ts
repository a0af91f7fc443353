// In-line renewal: a good session cookie mints the access token that the request lacks (DESIGN §6).

import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import { findSession } from '../sessions/lifecycle.ts'
import type { SessionToken } from '../sessions/session-token.ts'
import type { SessionState } from '../sessions/store.ts'
import { accessCookie, clearingCookies, cookieNames } from './cookies.ts'
import { accessExpiry, mintFor } from './issue.ts'

export interface Renewal {
  readonly accessToken: string
  /** `Set-Cookie` lines for the answer. */
  readonly cookies: readonly string[]
}

/**
 * The session of a session cookie, as D1 holds it now. One round trip.
 * @throws Denial `session_ended`, which clears both cookies, where it is definitely dead.
 */
export async function findCookieSession({ runtime }: Exchange, token: SessionToken): Promise<SessionState> {
  const { config, db } = runtime
  const session = await findSession(db, token.sessionId, config.sessions.idleTimeout)
  if (session !== null && session.alive && session.generation === token.generation) return session
  throw sessionEnded(config.insecureCookies)
}

/** A fresh access token of a living session, and the cookie that carries it. */
export async function renewAccess({ runtime }: Exchange, session: SessionState): Promise<Renewal> {
  const now = runtime.now()
  const accessToken = await mintFor(runtime, session, now)
  const names = cookieNames(runtime.config.insecureCookies)
  const maxAge = accessExpiry(runtime.config, session, now) - now
  return { accessToken, cookies: [accessCookie(names, accessToken, maxAge)] }
}

/** The refusal of a dead session: 401, and both cookies go. */
export function sessionEnded(insecureCookies: boolean): Denial {
  return new Denial('session_ended', { cookies: clearingCookies(cookieNames(insecureCookies)) })
}
