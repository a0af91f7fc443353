// RP-initiated logout: the URL at which a browser also signs out of its provider (OpenID Connect RP-Initiated Logout 1.0 §2).

import type { Provider } from '../config/config.ts'
import type { Metadata } from './metadata.ts'

export interface EndSessionRequest {
  /** The ID token that the session began with, if it was kept. */
  readonly idToken: string | null
  readonly postLogoutRedirectUri: string
}

/** `null` where the provider has no such page. */
export function endSessionUrl(metadata: Metadata, provider: Provider, request: EndSessionRequest): string | null {
  if (metadata.endSessionEndpoint === null) return null
  const url = new URL(metadata.endSessionEndpoint)
  if (request.idToken !== null) url.searchParams.set('id_token_hint', request.idToken)
  url.searchParams.set('client_id', provider.clientId)
  url.searchParams.set('post_logout_redirect_uri', request.postLogoutRedirectUri)
  return url.href
}
