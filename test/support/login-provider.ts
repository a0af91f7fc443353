// A real OpenID provider (oidc-provider) on 127.0.0.1 that people sign in with: it lets everybody in, and logs out both ways.
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

import type { JsonObject } from '../../src/json.ts'
import { createAdapter, KEPT, listen } from './provider.ts'

const CLIENT = 'gatehouse'
export const SECRET = 'a secret: of+the%client'
export const PERSON = 'ada'

/** The gateway as this provider's client knows it. */
export interface Registered {
  readonly callback: string
  readonly backchannelLogout: string
  readonly postLogout: string
  /** Takes what the provider posts to the back-channel logout URI. */
  readonly deliver: (body: string) => Promise<number>
}

export interface LoginProvider {
  readonly issuer: string
  /** Logout tokens that it has sent, with the status that each was answered. */
  readonly delivered: { readonly body: string; readonly status: number }[]
}

/** Starts one that stops when the test file is through. `id_token_signed_response_alg` is `alg`. */
export async function startLoginProvider(
  registered: Registered,
  alg: 'RS256' | 'ES256' | 'EdDSA',
): Promise<LoginProvider> {
  const delivered: { body: string; status: number }[] = []
  const state: { provider?: Provider } = {}
  const issuer = await listen((request, response) => {
    if (state.provider !== undefined) void respond(state.provider, request, response)
  })
  const deliver = async (_: unknown, { body }: { readonly body: URLSearchParams | string }) => {
    const status = await registered.deliver(String(body))
    delivered.push({ body: String(body), status })
    return new Response(null, { status })
  }
  state.provider = new Provider(issuer, { ...(await configuration(registered, alg)), fetch: deliver })
  return { issuer, delivered }
}

async function configuration(registered: Registered, alg: string): Promise<JsonObject> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const key = { ...(await exportJWK(privateKey)), kid: 'one', alg, use: 'sig' }
  const client = {
    client_id: CLIENT,
    client_secret: SECRET,
    redirect_uris: [registered.callback],
    post_logout_redirect_uris: [registered.postLogout],
    backchannel_logout_uri: registered.backchannelLogout,
    backchannel_logout_session_required: true,
    id_token_signed_response_alg: alg,
  }
  return {
    jwks: { keys: [key] },
    clients: [client],
    cookies: { keys: [randomBytes(16).toString('hex')] },
    adapter: createAdapter(),
    ttl: Object.fromEntries([...KEPT, 'AuthorizationCode'].map((model) => [model, 300])),
    enabledJWA: { idTokenSigningAlgValues: [alg] },
    findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
  }
}

/** Signs the person in and consents for them, where a provider would show its pages. */
async function respond(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url?.startsWith('/interaction/') !== true) return provider.callback()(request, response)
  const grant = new provider.Grant({ accountId: PERSON, clientId: CLIENT })
  grant.addOIDCScope('openid')
  const consent = { grantId: await grant.save() }
  await provider.interactionFinished(request, response, { login: { accountId: PERSON, amr: ['pwd'] }, consent })
}
