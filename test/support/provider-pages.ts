// A real OpenID provider (oidc-provider) with pages of its own, for people in a browser.

import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

import type { JsonObject } from '../../src/json.ts'
import { createAdapter, KEPT, listen } from './provider.ts'

export interface ProviderWithPages {
  readonly issuer: string
  /** Of the gateway, its client. */
  readonly secret: string
}

export const CLIENT_ID = 'gatehouse'
const PERSON = 'ada'

/** Starts one for a gateway that knows it as `id`; it stops when the test file is through. */
export async function startProviderWithPages(gateway: string, id: string): Promise<ProviderWithPages> {
  const secret = randomBytes(32).toString('base64url')
  const provider = Promise.withResolvers<Provider>()
  const issuer = await listen(
    (request, response) => void provider.promise.then((each) => answer(each, request, response)),
  )
  provider.resolve(new Provider(issuer, await configuration(`${gateway}/auth`, id, secret)))
  return { issuer, secret }
}

async function configuration(auth: string, id: string, secret: string): Promise<JsonObject> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const client = {
    client_id: CLIENT_ID,
    client_secret: secret,
    redirect_uris: [`${auth}/providers/${id}/callback`],
    post_logout_redirect_uris: [`${auth}/sign-in`],
    backchannel_logout_uri: `${auth}/providers/${id}/backchannel-logout`,
    backchannel_logout_session_required: true,
    grant_types: ['authorization_code'],
    id_token_signed_response_alg: 'ES256',
  }
  return {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'one', alg: 'ES256', use: 'sig' }] },
    clients: [client],
    cookies: { keys: [secret] },
    adapter: createAdapter(),
    ttl: Object.fromEntries([...KEPT, 'AuthorizationCode'].map((model) => [model, 300])),
    findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    fetch: fetchLoopback,
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: askToSignOut, postLogoutSuccessSource: saySignedOut },
    },
  }
}

interface Answering {
  body: unknown
}

function askToSignOut(context: Answering, form: string): void {
  const button = '<button form="op.logoutForm" name="logout" value="yes">Sign out of the provider</button>'
  context.body = `<!doctype html><html lang="en"><title>The provider</title><h1>Sign out?</h1>${form}${button}</html>`
}

function saySignedOut(context: Answering): void {
  context.body = '<!doctype html><html lang="en"><title>The provider</title><h1>Signed out</h1></html>'
}

/** The library's own dispatcher refuses to call this machine. */
function fetchLoopback(url: string, options: RequestInit): Promise<Response> {
  const own = { ...options, dispatcher: undefined }
  return fetch(url, own)
}

/** Its own page, and everything else by the library. */
async function answer(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url = '', method = '' } = request
  if (!url.startsWith('/interaction/')) return provider.callback()(request, response)
  if (method === 'GET') return showForm(response)
  return url.endsWith('/no') ? sayNo(provider, request, response) : letIn(provider, request, response)
}

function showForm(response: ServerResponse): void {
  response.setHeader('Content-Type', 'text/html')
  response.end(`<!doctype html><html lang="en"><title>The provider</title><h1>The provider</h1>
    <form method="post"><button>I am ${PERSON}</button></form>
    <form method="post" id="no"><button>No</button></form>
    <script>document.getElementById('no').action = location.pathname + '/no'</script></html>`)
}

async function letIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const grant = new provider.Grant({ accountId: PERSON, clientId: CLIENT_ID })
  grant.addOIDCScope('openid email')
  const consent = { grantId: await grant.save() }
  await provider.interactionFinished(request, response, { login: { accountId: PERSON }, consent })
}

async function sayNo(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.url = request.url?.replace(/\/no$/, '') ?? ''
  await provider.interactionFinished(request, response, { error: 'access_denied' })
}
