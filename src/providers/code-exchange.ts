// From the provider's answer in the browser to its ID token: RFC 6749 §4.1.2 and §4.1.3, RFC 9207, RFC 7636 §4.5; the only user of oauth4webapi.

import * as oauth from 'oauth4webapi'

import type { Provider } from '../config/config.ts'
import { Denial } from '../denial.ts'
import type { Fetch } from '../outbound.ts'
import { fetchWhole, unavailable } from './http.ts'
import type { Metadata } from './metadata.ts'

export interface CodeExchange {
  readonly fetch: Fetch
  readonly metadata: Metadata
  readonly provider: Provider
  readonly clientSecret: string
  /** Seconds. */
  readonly clockSkew: number
}

/** What was sent with the authorization request. */
export interface Sent {
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
  readonly redirectUri: string
}

/**
 * The ID token that the code is good for; its claims have been compared with what was sent.
 * Does NOT verify its signature; tokens/id-token does, and believes nothing before.
 * @throws Denial `invalid_request` for an answer that is not this provider's (RFC 9207 §2.4), `invalid_sign_in` where it refuses
 * or its ID token fails a check, `issuer_unavailable`, `misconfigured` where it does not know the client
 */
export async function exchangeCode(exchange: CodeExchange, parameters: URLSearchParams, sent: Sent): Promise<string> {
  const { metadata, provider, clockSkew } = exchange
  const server = describeServer(metadata)
  const client = { client_id: provider.clientId, [oauth.clockTolerance]: clockSkew }
  const answer = checkAnswer(server, client, parameters, sent.state)
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    authenticate(exchange),
    answer,
    sent.redirectUri,
    sent.codeVerifier,
    {
      [oauth.customFetch]: (url, { method, headers, body }) =>
        fetchWhole(exchange.fetch, url, { method, headers, body }),
      [oauth.allowInsecureRequests]: metadata.tokenEndpoint.startsWith('http:'),
    },
  )
  return readIdToken(server, client, response, sent.nonce)
}

/** Every algorithm that keys may have here; the key decides which of them it is. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

function describeServer({ issuer, tokenEndpoint, namesIssuer }: Metadata): oauth.AuthorizationServer {
  return {
    issuer,
    token_endpoint: tokenEndpoint,
    authorization_response_iss_parameter_supported: namesIssuer,
    id_token_signing_alg_values_supported: ALGORITHMS,
  }
}

/** RFC 6749 §2.3.1. */
function authenticate({ metadata, clientSecret }: CodeExchange): oauth.ClientAuth {
  return metadata.clientAuthentication === 'client_secret_basic'
    ? oauth.ClientSecretBasic(clientSecret)
    : oauth.ClientSecretPost(clientSecret)
}

function checkAnswer(
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  parameters: URLSearchParams,
  state: string,
): URLSearchParams {
  try {
    return oauth.validateAuthResponse(server, client, parameters, state)
  } catch (cause) {
    if (cause instanceof oauth.AuthorizationResponseError) throw refusalOf(cause.error, cause)
    throw new Denial('invalid_request', { reason: 'the answer is not of this provider', cause })
  }
}

async function readIdToken(
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  response: Response,
  expectedNonce: string,
): Promise<string> {
  try {
    const options = { expectedNonce, requireIdToken: true }
    const { id_token: idToken } = await oauth.processAuthorizationCodeResponse(server, client, response, options)
    if (idToken !== undefined) return idToken
  } catch (cause) {
    if (cause instanceof oauth.ResponseBodyError) throw refusalOf(cause.error, cause)
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (code === oauth.WWW_AUTHENTICATE_CHALLENGE) throw refusalOf('invalid_client', cause)
    if (NO_ANSWER.has(code)) throw unavailable(code, cause)
    throw new Denial('invalid_sign_in', { reason: `provider:${code}`, cause })
  }
  throw new Denial('invalid_sign_in', { reason: 'provider:no ID token' })
}

/** What is no answer of a token endpoint at all. */
const NO_ANSWER: ReadonlySet<string> = new Set([
  oauth.RESPONSE_IS_NOT_JSON,
  oauth.RESPONSE_IS_NOT_CONFORM,
  oauth.PARSE_ERROR,
])

/** RFC 6749 §4.1.2.1 and §5.2; a code that is no word of theirs is not repeated, not even in the log. */
function refusalOf(error: string, cause: unknown): Denial {
  if (error === 'server_error' || error === 'temporarily_unavailable') return unavailable(error, cause)
  if (error === 'invalid_client' || error === 'unauthorized_client') {
    return new Denial('misconfigured', { reason: `provider:${error}`, cause })
  }
  return new Denial('invalid_sign_in', { reason: 'provider:refused', cause })
}
