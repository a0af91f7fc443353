// Introspection (RFC 7662): what a token is worth now, by D1, for a client that may ask.

import { answerJson } from '../auth/answer.ts'
import { judgeStanding } from '../gateway/revocation.ts'
import type { JsonObject } from '../json.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import { findHonoured } from '../sessions/rotation.ts'
import type { SessionToken } from '../sessions/session-token.ts'
import type { Identity } from '../tokens/identity.ts'
import { requireClient } from './client.ts'
import { answerOrRefuseClient, OAuthError } from './errors.ts'
import { readParameters, requireParameter } from './parameters.ts'
import { findPresented } from './presented-token.ts'

/** Whoever has it may learn of every token whether it is good, and whose. */
const SCOPE = 'gatehouse:introspect'

/** `POST /auth/introspect`. A token that is not good is `{ "active": false }`, and nothing says why (§2.2). */
export function introspectToken(exchange: Exchange): Promise<Response> {
  return answerOrRefuseClient(exchange, async () => {
    const form = await readParameters(exchange)
    const token = requireParameter(form, 'token')
    const { scopes } = await requireClient(exchange, form)
    if (!scopes.includes(SCOPE)) throw new OAuthError('insufficient_scope', { description: `${SCOPE} is missing` })
    const described = await describeToken(exchange, token)
    return answerJson(described === null ? { active: false } : { ...described, active: true })
  })
}

async function describeToken(exchange: Exchange, text: string): Promise<JsonObject | null> {
  const presented = await findPresented(exchange, text)
  if (presented === null) return null
  if (presented.kind === 'refresh') return describeRefresh(exchange.runtime, presented.token)
  return describeAccess(exchange, presented.identity)
}

/** The token's claims, with the roles and scopes that its subject has now: what a route would go by. */
async function describeAccess(exchange: Exchange, identity: Identity): Promise<JsonObject | null> {
  const standing = await judgeStanding(exchange, identity, { revocation: 'session', onOutage: 'deny' })
  return standing.outcome === 'refreshed' ? { ...standing.identity.claims, token_type: 'Bearer' } : null
}

async function describeRefresh({ db, config }: Runtime, token: SessionToken): Promise<JsonObject | null> {
  const { idleTimeout, reuseGrace: grace } = config.sessions
  const session = await findHonoured(db, { ...token, idleTimeout, grace })
  if (session === null) return null
  return {
    iss: config.issuer,
    sub: session.userId,
    client_id: session.clientId,
    sid: session.sessionId,
    scope: session.scopes.join(' '),
    exp: session.endsAt,
  }
}
