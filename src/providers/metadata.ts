// What a provider says of itself (OpenID Connect Discovery 1.0 §3), as far as signing in and out by it needs it.

import type { JsonObject } from '../json.ts'
import { mayBelongTo } from '../outbound.ts'
import { unavailable } from './http.ts'

export interface Metadata {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  /** OpenID Connect RP-Initiated Logout 1.0 §2.1; `null`: none. */
  readonly endSessionEndpoint: string | null
  readonly clientAuthentication: 'client_secret_basic' | 'client_secret_post'
  /** RFC 9207 §3: every authorization response names the issuer. */
  readonly namesIssuer: boolean
}

/**
 * The metadata of the provider whose issuer this is, compared byte for byte (§4.3).
 * @throws Denial `issuer_unavailable`
 */
export function parseMetadata(document: JsonObject, issuer: string): Metadata {
  if (document['issuer'] !== issuer) throw unavailable('issuer_mismatch')
  const endSession = document['end_session_endpoint']
  return {
    issuer,
    authorizationEndpoint: requireEndpoint(document, 'authorization_endpoint', issuer),
    tokenEndpoint: requireEndpoint(document, 'token_endpoint', issuer),
    endSessionEndpoint: endSession === undefined ? null : requireEndpoint(document, 'end_session_endpoint', issuer),
    clientAuthentication: parseClientAuthentication(document['token_endpoint_auth_methods_supported']),
    namesIssuer: document['authorization_response_iss_parameter_supported'] === true,
  }
}

/** RFC 6749 §3.1 and §3.2: it may have a query, and no fragment. */
function requireEndpoint(document: JsonObject, name: string, issuer: string): string {
  const endpoint = document[name]
  if (typeof endpoint !== 'string' || endpoint.includes('#') || !mayBelongTo(endpoint, issuer)) throw unavailable(name)
  return endpoint
}

/** Where nothing is said it is `client_secret_basic`. */
function parseClientAuthentication(methods: unknown = ['client_secret_basic']): Metadata['clientAuthentication'] {
  const known: readonly unknown[] = Array.isArray(methods) ? methods : []
  if (known.includes('client_secret_basic')) return 'client_secret_basic'
  if (known.includes('client_secret_post')) return 'client_secret_post'
  throw unavailable('token_endpoint_auth_methods_supported')
}
