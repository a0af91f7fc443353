// What the OAuth endpoints can do, for clients that ask (RFC 8414).

import type { Config } from '../config/config.ts'
import { ASYMMETRIC } from '../config/issuers.ts'
import { urlOf } from './endpoints.ts'

/** How a client may authenticate; the public one only where nothing is asked but to have the token. */
const METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
const WITH_PUBLIC = [...METHODS, 'none']

/** A cache may keep it as long as the key set that it names. */
const HEADERS = { 'Cache-Control': 'public, max-age=300' }

/** `GET /.well-known/oauth-authorization-server`. There is no authorization endpoint, so there are no response types. */
export function showMetadata(config: Config): Response {
  const metadata = {
    issuer: config.issuer,
    jwks_uri: `${config.issuer}/.well-known/jwks.json`,
    response_types_supported: [],
    grant_types_supported: ['refresh_token', 'client_credentials'],
    token_endpoint: urlOf(config, 'token'),
    token_endpoint_auth_methods_supported: WITH_PUBLIC,
    token_endpoint_auth_signing_alg_values_supported: ASYMMETRIC,
    revocation_endpoint: urlOf(config, 'revoke'),
    revocation_endpoint_auth_methods_supported: WITH_PUBLIC,
    revocation_endpoint_auth_signing_alg_values_supported: ASYMMETRIC,
    introspection_endpoint: urlOf(config, 'introspect'),
    introspection_endpoint_auth_methods_supported: METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: ASYMMETRIC,
  }
  return Response.json(metadata, { headers: HEADERS })
}
