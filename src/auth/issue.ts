// A living session becomes credentials, in the transport that was asked for (DESIGN §6).

import type { Config } from '../config/config.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import { formatSessionToken } from '../sessions/session-token.ts'
import type { SessionState } from '../sessions/store.ts'
import { mintAccessToken } from '../tokens/mint.ts'
import { answerJson } from './answer.ts'
import { accessCookie, cookieNames, sessionCookie } from './cookies.ts'

export type Transport = 'cookie' | 'token'

/** Unix seconds at which an access token minted now expires: never after its session. */
export function accessExpiry({ tokens }: Config, session: SessionState, now: number): number {
  return Math.min(now + tokens.accessTtl, session.endsAt)
}

/** An access token of the session, with the roles, scopes and claims that its user has in D1. */
export function mintFor({ config, keys }: Runtime, session: SessionState, now: number): Promise<string> {
  return mintAccessToken(keys, {
    issuer: config.issuer,
    audience: config.audience,
    subject: session.userId,
    clientId: session.clientId,
    issuedAt: now,
    expiresAt: accessExpiry(config, session, now),
    authTime: session.authTime,
    amr: session.amr,
    scopes: session.scopes,
    roles: session.roles,
    session: session.sessionId,
    version: session.tokenVersion,
    claims: session.claims,
  })
}

/** The answer that gives a session's credentials out: cookies and who one is, or tokens in the body. */
export async function issue(
  { runtime }: Exchange,
  session: SessionState,
  transport: Transport,
  status: 200 | 201,
): Promise<Response> {
  return transport === 'token'
    ? issueTokens(runtime, session, formatSessionToken(runtime.sessionKeys, 'r', session), status)
    : issueCookies(runtime, session, status)
}

/** What an answer carries of a session whose credential was replaced: cookies, or members for its body. */
export interface Credentials {
  readonly cookies: readonly string[]
  readonly members: Readonly<Record<string, unknown>>
}

/** The credentials of a session beside whatever else an answer says. */
export async function credentialsOf(
  runtime: Runtime,
  session: SessionState,
  transport: Transport,
): Promise<Credentials> {
  if (transport === 'token') {
    const refreshToken = formatSessionToken(runtime.sessionKeys, 'r', session)
    return { cookies: [], members: await tokensOf(runtime, session, refreshToken) }
  }
  const now = runtime.now()
  return { cookies: cookiesFor(runtime, session, await mintFor(runtime, session, now), now), members: {} }
}

/** RFC 6749 §5.1. Without a refresh token the client keeps the one that it has (§6). */
export async function issueTokens(
  runtime: Runtime,
  session: SessionState,
  refreshToken: string | null,
  status: 200 | 201,
): Promise<Response> {
  return answerJson(await tokensOf(runtime, session, refreshToken), [], status)
}

async function tokensOf(
  runtime: Runtime,
  session: SessionState,
  refreshToken: string | null,
): Promise<Readonly<Record<string, unknown>>> {
  const now = runtime.now()
  return {
    access_token: await mintFor(runtime, session, now),
    token_type: 'Bearer',
    expires_in: accessExpiry(runtime.config, session, now) - now,
    ...(refreshToken !== null && { refresh_token: refreshToken }),
    scope: session.scopes.join(' '),
  }
}

async function issueCookies(runtime: Runtime, session: SessionState, status: number): Promise<Response> {
  const now = runtime.now()
  const cookies = cookiesFor(runtime, session, await mintFor(runtime, session, now), now)
  return answerJson(describeSession(session, accessExpiry(runtime.config, session, now)), cookies, status)
}

/** The `Set-Cookie` lines of a session and of its access token. */
export function cookiesFor(
  { config, sessionKeys }: Runtime,
  session: SessionState,
  accessToken: string,
  now: number,
): readonly string[] {
  const names = cookieNames(config.insecureCookies)
  const token = formatSessionToken(sessionKeys, 'c', session)
  const accessAge = accessExpiry(config, session, now) - now
  return [sessionCookie(names, token, session.endsAt - now), accessCookie(names, accessToken, accessAge)]
}

/** Who one is, as `GET /auth/session` answers; never a token. */
export function describeSession(session: SessionState, expiresAt: number | null): Readonly<Record<string, unknown>> {
  return {
    subject: session.userId,
    session: session.sessionId,
    scope: session.scopes.join(' '),
    roles: session.roles,
    claims: session.claims,
    expires_at: expiresAt,
    session_expires_at: session.endsAt,
  }
}
