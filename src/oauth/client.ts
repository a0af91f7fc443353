// Which client asks: one that has proved itself, or the public one that sessions are opened for.

import type { Body } from '../auth/body.ts'
import { findClient, useAssertion } from '../clients/lifecycle.ts'
import { hashSecret, isClientSecret } from '../clients/secrets.ts'
import type { ClientRow } from '../clients/store.ts'
import { equalInConstantTime } from '../crypto.ts'
import { Denial } from '../denial.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { AssertionProof } from '../tokens/claims.ts'
import { verifyAssertion } from '../tokens/client-assertion.ts'
import type { ClientCredential } from './client-credential.ts'
import { readClientCredential } from './client-credential.ts'
import { enforceClientLimit, rememberPlace } from './client-limit.ts'
import { urlOf } from './endpoints.ts'
import { OAuthError } from './errors.ts'

/** `client_id` of the gateway's own sessions: a public client, of which there is nothing to prove. */
export const PUBLIC_CLIENT = 'gatehouse'

/**
 * The client that has authenticated, or `null` for the public one. D1 is asked, so one that was ended is refused at once.
 * @throws OAuthError `invalid_request`, `invalid_client`; Denial `rate_limited`
 */
export async function findCallingClient(exchange: Exchange, form: Body): Promise<ClientRow | null> {
  const credential = readClientCredential(exchange.head, form)
  if (credential.method !== 'none') return authenticateClient(exchange, credential)
  if (credential.clientId === null || credential.clientId === PUBLIC_CLIENT) return null
  throw refused('a client that does not authenticate')
}

/** @throws OAuthError like `findCallingClient`, and `invalid_client` for the public client */
export async function requireClient(exchange: Exchange, form: Body): Promise<ClientRow> {
  const client = await findCallingClient(exchange, form)
  if (client === null) throw refused('no client authentication')
  return client
}

type Proof = Exclude<ClientCredential, { readonly method: 'none' }>

/** What no client can have is refused unasked: neither its ids nor its secrets are guessed by form. */
async function authenticateClient(exchange: Exchange, credential: Proof): Promise<ClientRow> {
  const { clientId } = credential
  if (!/^cli_[A-Za-z0-9_-]{22}$/.test(clientId)) throw refused('no id of a client')
  if (credential.method === 'secret' && !isClientSecret(credential.secret)) throw refused('no secret of a client')
  await enforceClientLimit(exchange, clientId)
  const client = await findClient(exchange.runtime.db, clientId)
  const proved = await (credential.method === 'secret'
    ? proveSecret(client, credential.secret)
    : proveAssertion(exchange.runtime, client, credential.assertion))
  rememberPlace(exchange, clientId)
  return proved
}

/** Equals no hash. */
const NO_HASH = '.'.repeat(43)

/** The same work whether there is such a client or not, and whichever of its secrets it is. */
async function proveSecret(client: ClientRow | null, secret: string): Promise<ClientRow> {
  const hash = hashSecret(secret)
  const isCurrent = equalInConstantTime(client?.secretHash ?? NO_HASH, hash)
  const isPrevious = equalInConstantTime(client?.previousSecretHash ?? NO_HASH, hash)
  if (client === null || !(isCurrent || isPrevious)) throw refused('secret')
  return client
}

/** RFC 7523 §3: nobody proves himself by an assertion that has come before. */
async function proveAssertion(runtime: Runtime, client: ClientRow | null, assertion: string): Promise<ClientRow> {
  const proof = await verifyFor(runtime, client, assertion)
  if (client === null || proof === null) throw refused('no such client, or one without keys')
  if (!(await useAssertion(runtime.db, client.id, proof))) throw refused('assertion has come before')
  return client
}

/** Seconds of D1's and the Worker's clocks are as good as each other's, within `clock_skew`. */
async function verifyFor(
  { config, now }: Runtime,
  client: ClientRow | null,
  assertion: string,
): Promise<AssertionProof | null> {
  if (client === null || client.jwks === null) return null
  const audiences = [config.issuer, urlOf(config, 'token')]
  const rules = { clientId: client.id, jwks: client.jwks, audiences, now: now(), clockSkew: config.tokens.clockSkew }
  try {
    return await verifyAssertion(assertion, rules)
  } catch (error) {
    if (!(error instanceof Denial) || error.code !== 'invalid_token') throw error
    throw refused(`assertion ${error.details.reason ?? ''}`, error)
  }
}

function refused(reason: string, cause?: unknown): OAuthError {
  return new OAuthError('invalid_client', { reason, cause })
}
