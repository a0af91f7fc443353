// The token endpoint: a refresh token keeps a session going, a client gets a token for itself (RFC 6749 §4.4, §6).

import { answerJson } from '../auth/answer.ts'
import type { Body } from '../auth/body.ts'
import { issueTokens } from '../auth/issue.ts'
import { presentRefreshToken } from '../auth/refresh.ts'
import type { Site } from '../auth/same-site.ts'
import { enforceTransport } from '../auth/same-site.ts'
import type { ClientRow } from '../clients/store.ts'
import { isGatewayScope } from '../gateway-scopes.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import { findSession } from '../sessions/lifecycle.ts'
import { parseSessionToken } from '../sessions/session-token.ts'
import { mintClientToken } from '../tokens/mint.ts'
import { findCallingClient, requireClient } from './client.ts'
import { answerOrRefuseClient, OAuthError } from './errors.ts'
import { readParameters, readScopes, requireParameter } from './parameters.ts'

/** `POST /auth/token`. Refuses in the form of RFC 6749 §5.2. */
export function issueToken(exchange: Exchange, site: Site): Promise<Response> {
  return answerOrRefuseClient(exchange, async () => {
    const form = await readParameters(exchange)
    const grant = requireParameter(form, 'grant_type')
    if (grant === 'refresh_token') return refreshSession(exchange, site, form)
    if (grant === 'client_credentials') return grantToClient(exchange, form)
    throw new OAuthError('unsupported_grant_type')
  })
}

/** By the rules of `POST /auth/refresh`. A session's tokens carry what its user may do: no request makes that less or more. */
async function refreshSession(exchange: Exchange, site: Site, form: Body): Promise<Response> {
  enforceTransport(site, 'token')
  const refreshToken = requireParameter(form, 'refresh_token')
  const asked = readScopes(form)
  const client = await findCallingClient(exchange, form)
  if (client !== null) await enforceOwnSession(exchange.runtime, client, refreshToken)
  const { session, successor } = await presentRefreshToken(exchange, refreshToken)
  if (asked !== null && !isSameSet(asked, session.scopes)) throw invalidScope('refresh does not change the scope')
  return issueTokens(exchange.runtime, session, successor, 200)
}

/** Before the token is presented: whose it is not must not use it up, nor end its session. */
async function enforceOwnSession(
  { db, config, sessionKeys }: Runtime,
  { id }: ClientRow,
  refreshToken: string,
): Promise<void> {
  const token = parseSessionToken(sessionKeys, 'r', refreshToken)
  const session = token === null ? null : await findSession(db, token.sessionId, config.sessions.idleTimeout)
  if (session?.clientId !== id) throw new OAuthError('invalid_grant', { reason: 'refresh token of another client' })
}

/** No refresh token: the client has its credential (RFC 6749 §4.4.3). */
async function grantToClient(exchange: Exchange, form: Body): Promise<Response> {
  const { config, keys, now } = exchange.runtime
  const asked = readScopes(form)
  const client = await requireClient(exchange, form)
  // Most tokens go to upstreams, so what the gateway itself obeys has to be asked for by name.
  const scopes = asked ?? client.scopes.filter((scope) => !isGatewayScope(scope))
  if (!scopes.every((scope) => client.scopes.includes(scope))) throw invalidScope('beyond what the client may have')
  const { id, roles, claims, tokenVersion: version } = client
  const { accessTtl } = config.tokens
  const issuedAt = now()
  const who = { issuer: config.issuer, audience: config.audience, subject: id, clientId: id }
  const times = { issuedAt, expiresAt: issuedAt + accessTtl }
  const token = await mintClientToken(keys, { ...who, ...times, scopes, roles, claims, version })
  return answerJson({ access_token: token, token_type: 'Bearer', expires_in: accessTtl, scope: scopes.join(' ') })
}

function isSameSet(left: readonly string[], right: readonly string[]): boolean {
  return left.length === new Set(right).size && left.every((name) => right.includes(name))
}

function invalidScope(reason: string): OAuthError {
  return new OAuthError('invalid_scope', { reason })
}
