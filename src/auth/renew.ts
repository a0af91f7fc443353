// In-line renewal: a good session cookie mints the access token that the request lacks (DESIGN §6).

import type { Exchange, Runtime } from '../runtime.ts'
import { formatSessionToken } from '../sessions/session-token.ts'
import type { SessionToken } from '../sessions/session-token.ts'
import type { RaisedVersion, SessionState } from '../sessions/store.ts'
import { accessCookie, cookieNames, sessionCookie } from './cookies.ts'
import { accessExpiry, mintFor } from './issue.ts'
import type { Living } from './present.ts'
import { presentFor } from './present.ts'

export interface Renewal {
  readonly session: SessionState
  readonly accessToken: string
  readonly cookies: YoungCookies
}

/** `Set-Cookie` lines that an answer may carry while they are young: a slow one must not bring back a dead cookie. */
export interface YoungCookies {
  readonly lines: readonly string[]
  /** Unix seconds. */
  readonly youngUntil: number
  /** Of the session that they are of, as D1 had it. */
  readonly user: RaisedVersion
}

/** The lines that an answer may still carry: none once this isolate knows that the user has changed, signed out perhaps. */
export function youngLines({ markers, now }: Runtime, { lines, youngUntil, user }: YoungCookies): readonly string[] {
  const isChanged = (markers.known(user.userId) ?? 0) > user.tokenVersion
  return now() <= youngUntil && !isChanged ? lines : []
}

/** Presents the session cookie, which may rotate it, and mints. One round trip. @throws Denial `session_ended` */
export async function renewSession(exchange: Exchange, token: SessionToken): Promise<Renewal> {
  const presented = await presentFor(exchange, 'c', token)
  const { accessToken, cookies } = await renewAccess(exchange, presented.session)
  return { session: presented.session, accessToken, cookies: withSessionCookie(exchange, presented, cookies) }
}

/** A fresh access token of a session that D1 has just called alive, and the cookie that carries it. Rotates nothing. */
export async function renewAccess({ runtime }: Exchange, session: SessionState): Promise<Renewal> {
  const { config } = runtime
  const now = runtime.now()
  const accessToken = await mintFor(runtime, session, now)
  const line = accessCookie(cookieNames(config.insecureCookies), accessToken, accessExpiry(config, session, now) - now)
  return {
    session,
    accessToken,
    cookies: { lines: [line], youngUntil: now + config.sessions.reuseGrace / 2, user: session },
  }
}

/** The successor's cookie, the same for every parallel request, counted young from the rotation on. */
function withSessionCookie({ runtime }: Exchange, { outcome, session }: Living, renewed: YoungCookies): YoungCookies {
  if (outcome === 'current') return renewed
  const token = formatSessionToken(runtime.sessionKeys, 'c', session)
  const names = cookieNames(runtime.config.insecureCookies)
  return {
    ...renewed,
    lines: [sessionCookie(names, token, session.endsAt - session.readAt), ...renewed.lines],
    youngUntil: renewed.youngUntil - (session.readAt - session.rotatedAt),
  }
}
