// Revocation (RFC 7009): the token's session ends, or every token of the client that it is of.

import { tellerFor } from '../auth/teller.ts'
import { endClientTokens } from '../clients/lifecycle.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import { endOne, findSession } from '../sessions/lifecycle.ts'
import { publish } from '../sessions/publish.ts'
import type { RaisedVersion } from '../sessions/store.ts'
import { findCallingClient, PUBLIC_CLIENT } from './client.ts'
import { answerOrRefuseClient, OAuthError } from './errors.ts'
import { readParameters, requireParameter } from './parameters.ts'
import { findPresented } from './presented-token.ts'

/**
 * `POST /auth/revoke`. 200 only once D1 has committed, and for a token that there is not (§2.2); 503 where it cannot be
 * told, and repeating is safe.
 */
export function revokeToken(exchange: Exchange): Promise<Response> {
  return answerOrRefuseClient(exchange, async () => {
    const form = await readParameters(exchange)
    const token = requireParameter(form, 'token')
    const client = await findCallingClient(exchange, form)
    const grant = await findGrant(exchange, token)
    if (grant === null) return revoked()
    if (grant.clientId !== (client?.id ?? PUBLIC_CLIENT)) {
      throw new OAuthError('invalid_grant', { reason: 'token of another client' })
    }
    const raised = await endGrant(exchange, grant)
    await Promise.all(raised.map((user) => publish(exchange.runtime, user)))
    return revoked()
  })
}

/** What a token comes from, and with it every other token that does. */
interface Grant {
  readonly clientId: string
  /** `null`: a client's own tokens. */
  readonly sessionId: string | null
}

async function findGrant(exchange: Exchange, text: string): Promise<Grant | null> {
  const presented = await findPresented(exchange, text)
  if (presented === null) return null
  if (presented.kind === 'refresh') return findGrantOfSession(exchange.runtime, presented.token.sessionId)
  const { session, claims } = presented.identity
  return { clientId: String(claims['client_id']), sessionId: session }
}

async function findGrantOfSession({ db, config }: Runtime, sessionId: string): Promise<Grant | null> {
  const session = await findSession(db, sessionId, config.sessions.idleTimeout)
  return session === null ? null : { clientId: session.clientId, sessionId }
}

async function endGrant(exchange: Exchange, { clientId, sessionId }: Grant): Promise<readonly RaisedVersion[]> {
  const { db } = exchange.runtime
  if (sessionId === null) return endClientTokens(db, clientId)
  return (await endOne(db, sessionId, 'revoked', tellerFor(exchange, clientId === PUBLIC_CLIENT ? null : clientId)))
    .raised
}

function revoked(): Response {
  return new Response(null, { status: 200, headers: { 'Cache-Control': 'no-store' } })
}
