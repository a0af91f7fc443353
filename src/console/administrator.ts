// Who is in front of the console: its own cookie, judged by D1 at each request.

import { cookieNames, readCookies, sessionCookie } from '../auth/cookies.ts'
import { presentFor } from '../auth/present.ts'
import { Denial } from '../denial.ts'
import { ADMIN_SCOPE } from '../gateway-scopes.ts'
import type { Exchange } from '../runtime.ts'
import { formatSessionToken, parseSessionToken } from '../sessions/session-token.ts'
import type { SessionState } from '../sessions/store.ts'

export interface Administrator {
  readonly session: SessionState
  /** The `Set-Cookie` line of a rotation, if there was one. */
  readonly cookies: readonly string[]
}

/**
 * The administrator who asks, with the scopes that he has now; one round trip. No access token is made of the console's
 * session, so there is none that could be taken elsewhere.
 * @throws Denial `credential_required`, `session_ended`, `ambiguous_credential`, `insufficient_scope`
 */
export async function requireAdministrator(exchange: Exchange): Promise<Administrator> {
  const { runtime, head } = exchange
  const { session: cookie } = readCookies(head.headers.get('Cookie'), cookieNames(runtime.config.insecureCookies))
  const token = cookie === null ? null : parseSessionToken(runtime.sessionKeys, 'a', cookie)
  if (token === null) throw new Denial('credential_required')
  const { outcome, session } = await presentFor(exchange, 'a', token)
  if (!session.scopes.includes(ADMIN_SCOPE))
    throw new Denial('insufficient_scope', { members: { missing: [ADMIN_SCOPE] } })
  return { session, cookies: outcome === 'current' ? [] : [cookieOf(exchange, session)] }
}

/** The `Set-Cookie` line of a console's session. */
export function cookieOf({ runtime }: Exchange, session: SessionState): string {
  const token = formatSessionToken(runtime.sessionKeys, 'a', session)
  return sessionCookie(cookieNames(runtime.config.insecureCookies), token, session.endsAt - session.readAt)
}

/** @throws Denial `cross_site_request` unless the browser says that a page of the console sent the form (RFC 6454 §7) */
export function enforceOwnForm({ head, runtime }: Exchange): void {
  if (head.headers.get('Origin') === runtime.config.console?.origin) return
  throw new Denial('cross_site_request', { reason: 'not from ADMIN_ORIGIN' })
}
