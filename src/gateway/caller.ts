// Who calls one of the gateway's own URLs: an access token or a session cookie, as good as it proves itself.

import type { Caller, ProvedAccess } from '../auth/caller.ts'
import { cookieNames } from '../auth/cookies.ts'
import type { Exchange } from '../runtime.ts'
import { parseSessionToken } from '../sessions/session-token.ts'
import type { Identity } from '../tokens/identity.ts'
import { findAccess } from './authenticate.ts'
import type { Credential } from './credential.ts'
import { readCredential } from './credential.ts'
import { verifyRemembered } from './verified.ts'

/** Tokens of other issuers have no session here. */
const OWN_TOKENS = { acceptsSelf: true, issuers: [] }
const KINDS: ReadonlySet<'bearer' | 'cookie'> = new Set(['bearer', 'cookie'])

/**
 * The caller, or `null` where no credential came or a cookie is not ours. Does NOT ask whether the session is alive.
 * @throws Denial `invalid_token`, `ambiguous_credential`
 */
export async function findCaller(exchange: Exchange): Promise<Caller | null> {
  const { request, runtime } = exchange
  const credential = readCredential(request, KINDS, cookieNames(runtime.config.insecureCookies))
  if (credential.kind === 'bearer') return findBearer(exchange, credential.token)
  return credential.kind === 'cookie' ? findCookie(exchange, credential) : null
}

async function findBearer(exchange: Exchange, token: string): Promise<Caller | null> {
  const { identity } = await verifyRemembered(exchange, token, OWN_TOKENS)
  const { session } = identity
  return session === null ? null : { via: 'bearer', sessionId: session, access: accessOf(identity) }
}

async function findCookie(
  exchange: Exchange,
  { access, session: cookie }: Extract<Credential, { kind: 'cookie' }>,
): Promise<Caller | null> {
  const token = cookie === null ? null : parseSessionToken(exchange.runtime.sessionKeys, 'c', cookie)
  if (token === null) return null
  const remembered = await findAccess(exchange, token, access)
  if (remembered === null) return { via: 'session', ...token }
  return { via: 'cookies', ...token, access: accessOf(remembered.identity) }
}

function accessOf({ expiresAt, version }: Identity): ProvedAccess {
  return { expiresAt, version: version ?? 0 }
}
