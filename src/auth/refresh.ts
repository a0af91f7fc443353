// Refreshing: a refresh token, or the session cookie, becomes fresh credentials in its own transport.

import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import { formatSessionToken, parseSessionToken } from '../sessions/session-token.ts'
import type { SessionState } from '../sessions/store.ts'
import { answerJson } from './answer.ts'
import { readBody } from './body.ts'
import { cookieNames, readCookies } from './cookies.ts'
import { accessExpiry, describeSession, issueTokens } from './issue.ts'
import { presentFor } from './present.ts'
import { renewSession, youngLines } from './renew.ts'
import type { Site } from './same-site.ts'
import { enforceTransport } from './same-site.ts'

/**
 * `POST /auth/refresh`. Safe to repeat: a lost answer is asked for again with the same token.
 * @throws Denial `invalid_request`, `cross_site_request`, `credential_required`, `session_ended`
 */
export async function refresh(exchange: Exchange, site: Site): Promise<Response> {
  const { refresh_token: refreshToken } = await readBody(exchange.request, ['refresh_token'])
  enforceTransport(site, refreshToken === undefined ? 'cookie' : 'token')
  return refreshToken === undefined ? refreshCookies(exchange) : refreshTokens(exchange, refreshToken)
}

async function refreshTokens(exchange: Exchange, refreshToken: string): Promise<Response> {
  const { session, successor } = await presentRefreshToken(exchange, refreshToken)
  return issueTokens(exchange.runtime, session, successor, 200)
}

/** A session that a refresh token has kept alive, and the token to go on with; `null`: the one that was presented. */
export interface Refreshed {
  readonly session: SessionState
  readonly successor: string | null
}

/**
 * Late in the window a successor that nobody has presented is kept back: a parallel request may reach D1 after the window's
 * end, and kill it. The client keeps what it has, which is good until the successor is presented.
 * @throws Denial `session_ended`
 */
export async function presentRefreshToken(exchange: Exchange, refreshToken: string): Promise<Refreshed> {
  const { sessionKeys, config } = exchange.runtime
  const token = parseSessionToken(sessionKeys, 'r', refreshToken)
  if (token === null) throw new Denial('session_ended', { reason: 'refresh token is not ours' })
  const { outcome, session } = await presentFor(exchange, 'r', token)
  const isLate = session.readAt - session.rotatedAt > config.sessions.reuseGrace / 2
  const mayDie = outcome === 'replayed' && isLate && !session.successorPresented
  return { session, successor: mayDie ? null : formatSessionToken(sessionKeys, 'r', session) }
}

/** A forged cookie is as if absent. */
async function refreshCookies(exchange: Exchange): Promise<Response> {
  const { request, runtime } = exchange
  const names = cookieNames(runtime.config.insecureCookies)
  const cookie = readCookies(request.headers.get('Cookie'), names).session
  const token = cookie === null ? null : parseSessionToken(runtime.sessionKeys, 'c', cookie)
  if (token === null) throw new Denial('credential_required')
  const { session, cookies } = await renewSession(exchange, token)
  const expiresAt = accessExpiry(runtime.config, session, runtime.now())
  return answerJson(describeSession(session, expiresAt), youngLines(runtime, cookies))
}
