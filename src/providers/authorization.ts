// The authorization request: the URL that a browser is sent to (OpenID Connect Core 1.0 §3.1.2.1, RFC 7636 §4.3).

import type { Provider } from '../config/config.ts'
import { sha256 } from '../crypto.ts'
import type { Metadata } from './metadata.ts'

export interface AuthorizationRequest {
  readonly redirectUri: string
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
  /** True where the provider must ask for the person again, whoever is signed in there, and say when it did (§3.1.2.1). */
  readonly isAgain: boolean
}

/** Of the code verifier the URL has the S256 challenge. What the endpoint's own query has stays, unless it is ours to say. */
export function authorizationUrl(metadata: Metadata, provider: Provider, request: AuthorizationRequest): string {
  const url = new URL(metadata.authorizationEndpoint)
  const parameters = {
    response_type: 'code',
    client_id: provider.clientId,
    redirect_uri: request.redirectUri,
    scope: provider.scopes.join(' '),
    state: request.state,
    nonce: request.nonce,
    code_challenge: sha256(request.codeVerifier),
    code_challenge_method: 'S256',
    ...(request.isAgain && { prompt: 'login', max_age: '0' }),
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}
