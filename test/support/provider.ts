// A real OpenID provider (oidc-provider) on 127.0.0.1, behind a front that counts who asks for keys and misbehaves on demand.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer } from 'node:http'

import type { JWK } from 'jose'
import { CompactSign, decodeJwt, exportJWK, generateKeyPair, importJWK } from 'jose'
import { Provider } from 'oidc-provider'
import { afterAll } from 'vitest'

import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'

/** The API that its access tokens are for, who asks for them, and what they may. */
export const API = 'https://gateway.test'
export const CLIENT = 'reporting'
export const PERSON = 'ada'
export const SCOPES = 'orders:read orders:write'

export interface OpenIdProvider {
  readonly issuer: string
  readonly jwksUri: string
  /** The private key that signs now. */
  readonly key: () => JWK
  /** The JWK set that it publishes now. */
  readonly publicJwks: () => { readonly keys: readonly JsonObject[] }
  /** An access token for the API by client_credentials (RFC 6749 §4.4, RFC 8707), as the provider makes it. */
  readonly accessToken: (scope?: string) => Promise<string>
  /** What a person is given who signs in by authorization code; `opaque` is the access token for the provider itself. */
  readonly signIn: () => Promise<{ readonly access: string; readonly id: string; readonly opaque: string }>
  /** An access token by the provider's key, with changes that the provider would not make; `undefined` leaves out. */
  readonly sign: (claims?: JsonObject, header?: JsonObject) => Promise<string>
  /** Puts a new key in the place of the one that it has. */
  readonly rotate: () => Promise<void>
  /** How it answers whoever asks for its metadata and keys from now on. */
  readonly behave: (behaviour: Behaviour) => void
  /** How often it was asked since the last call. */
  readonly asked: () => { readonly discovery: number; readonly jwks: number }
}

/** Starts one that stops when the test file is through. */
export async function startProvider(alg: 'ES256' | 'RS256' = 'ES256'): Promise<OpenIdProvider> {
  const counts = { discovery: 0, jwks: 0 }
  const issuer = await listen((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (path === OPENID_METADATA) counts.discovery += 1
    if (path === JWKS) counts.jwks += 1
    void respond(state, path, request, response)
  })
  const state: State = { behaviour: 'well', ...(await install(issuer, alg)) }
  return {
    issuer,
    jwksUri: `${issuer}${JWKS}`,
    key: () => state.key,
    publicJwks: () => ({ keys: [publicHalf(state.key)] }),
    accessToken: (scope = SCOPES) => requestAccessToken(issuer, scope),
    signIn: () => signIn(issuer),
    sign: async (claims = {}, header = {}) =>
      sign(state.key, { ...decodeJwt(await requestAccessToken(issuer, SCOPES)), ...claims }, header),
    rotate: async () => void Object.assign(state, await install(issuer, alg)),
    behave: (behaviour) => void Object.assign(state, { behaviour }),
    asked: () => {
      const now = { ...counts }
      Object.assign(counts, { discovery: 0, jwks: 0 })
      return now
    },
  }
}

const OPENID_METADATA = '/.well-known/openid-configuration'
const JWKS = '/jwks'
const KEY_PATHS = new Set([OPENID_METADATA, JWKS])

/** Where a redirect leads: the same, answered well. */
const ELSEWHERE = '/elsewhere'

export type Behaviour = 'well' | 'with OAuth metadata only' | keyof typeof MISBEHAVIOURS

/** Answers from which no key can be had. */
const MISBEHAVIOURS = {
  'hanging up': (_, response) => void response.socket?.destroy(),
  'answering 500': (_, response) => void response.writeHead(500).end('{"keys":[]}'),
  'answering 404': (_, response) => void response.writeHead(404).end(),
  'answering HTML': (_, response) => void response.setHeader('Content-Type', 'text/html').end('<title>Welcome</title>'),
  'answering nothing': (_, response) => void response.setHeader('Content-Type', 'application/json').end(),
  'answering other JSON': (_, response) => void response.setHeader('Content-Type', 'application/json').end('{"a":1}'),
  redirecting: (path, response) => void response.writeHead(302, { Location: `${ELSEWHERE}${path}` }).end(),
  'never answering': () => undefined,
  'never ending': (_, response) => void response.setHeader('Content-Type', 'application/json').write('{"keys":['),
  'answering too much': (_, response) => void response.end(`{"keys":[],"x":"${'x'.repeat(300 * 1024)}"}`),
} as const satisfies Readonly<Record<string, Misbehaviour>>

type Misbehaviour = (path: string, response: ServerResponse) => void

interface State {
  readonly behaviour: Behaviour
  readonly provider: Provider
  readonly key: JWK
}

/** Metadata and keys as it behaves now, everything else by the provider. */
async function respond(state: State, path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { behaviour, provider } = state
  const misbehave = KEY_PATHS.has(path) ? findMisbehaviour(behaviour, path) : null
  if (misbehave !== null) return misbehave(path, response)
  if (path.startsWith('/interaction/')) return letIn(provider, request, response)
  if (path.startsWith(ELSEWHERE)) request.url = path.slice(ELSEWHERE.length)
  return provider.callback()(request, response)
}

function findMisbehaviour(behaviour: Behaviour, path: string): Misbehaviour | null {
  if (behaviour === 'well') return null
  if (behaviour !== 'with OAuth metadata only') return MISBEHAVIOURS[behaviour]
  return path === OPENID_METADATA ? MISBEHAVIOURS['answering 404'] : null
}

/** The origin of a server that stops when the test file is through. */
export async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return `http://127.0.0.1:${address.port}`
}

/** A provider with a new key; to whoever knows its address, the same one. */
async function install(issuer: string, alg: string): Promise<Pick<State, 'provider' | 'key'>> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const key = { ...(await exportJWK(privateKey)), kid: randomBytes(9).toString('base64url'), alg, use: 'sig' }
  return { provider: new Provider(issuer, configuration(key, alg)), key }
}

const SECRET = randomBytes(32).toString('base64url')
const CALLBACK = 'https://app.test/callback'

function configuration(key: JWK, alg: string): JsonObject {
  const client = {
    client_id: CLIENT,
    client_secret: SECRET,
    redirect_uris: [CALLBACK],
    grant_types: ['client_credentials', 'authorization_code'],
    id_token_signed_response_alg: alg,
  }
  const getResourceServerInfo = () => ({
    scope: SCOPES,
    accessTokenFormat: 'jwt',
    accessTokenTTL: 300,
    jwt: { sign: { alg } },
  })
  return {
    jwks: { keys: [key] },
    clients: [client],
    cookies: { keys: [SECRET] },
    adapter: createAdapter(),
    ttl: Object.fromEntries(KEPT.map((model) => [model, 300])),
    findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, getResourceServerInfo },
    },
  }
}

export const KEPT = ['AccessToken', 'ClientCredentials', 'Grant', 'IdToken', 'Interaction', 'Session']

/** What a provider keeps, in memory; of a memory of its own it would warn. */
export function createAdapter() {
  const kept = new Map<string, JsonObject>()
  return (model: string) => ({
    upsert: async (id: string, payload: JsonObject) => void kept.set(`${model} ${id}`, payload),
    find: async (id: string) => kept.get(`${model} ${id}`),
    findByUid: async (uid: string) => [...kept.values()].find((payload) => payload['uid'] === uid),
    consume: async (id: string) => void kept.set(`${model} ${id}`, { ...kept.get(`${model} ${id}`), consumed: 1 }),
    destroy: async (id: string) => void kept.delete(`${model} ${id}`),
    revokeByGrantId: async (grantId: string) => {
      for (const [key, payload] of kept) if (payload['grantId'] === grantId) kept.delete(key)
    },
  })
}

/** Signs the person in and consents for them, where a provider would show its pages. */
async function letIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const grant = new provider.Grant({ accountId: PERSON, clientId: CLIENT })
  grant.addOIDCScope('openid')
  grant.addResourceScope(API, SCOPES)
  const consent = { grantId: await grant.save() }
  await provider.interactionFinished(request, response, { login: { accountId: PERSON }, consent })
}

async function requestAccessToken(issuer: string, scope: string): Promise<string> {
  const answer = await requestToken(issuer, { grant_type: 'client_credentials', scope, resource: API })
  return textOf(answer, 'access_token')
}

async function signIn(issuer: string): Promise<{ access: string; id: string; opaque: string }> {
  const [own, forApi] = [await authorize(issuer, {}), await authorize(issuer, { resource: API })]
  const [openid, api] = [await requestToken(issuer, own), await requestToken(issuer, { ...forApi, resource: API })]
  return {
    access: textOf(api, 'access_token'),
    id: textOf(openid, 'id_token'),
    opaque: textOf(openid, 'access_token'),
  }
}

/** Goes where a browser would be sent, from the authorization request to the client's callback. */
async function authorize(issuer: string, parameters: Record<string, string>): Promise<Record<string, string>> {
  const verifier = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({
    client_id: CLIENT,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: `openid ${SCOPES}`,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...parameters,
  })
  const callback = await follow(new URL(`${issuer}/auth?${query.toString()}`))
  const code = callback.searchParams.get('code') ?? ''
  return { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier }
}

async function follow(start: URL): Promise<URL> {
  const cookies = new Map<string, string>()
  let url = start
  while (url.origin === start.origin) {
    const Cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { Cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    const next = response.headers.get('Location')
    if (next === null) throw new Error(`${url.pathname} answered ${response.status}`)
    url = new URL(next, url)
  }
  return url
}

async function requestToken(issuer: string, parameters: Record<string, string>): Promise<unknown> {
  const Authorization = `Basic ${Buffer.from(`${CLIENT}:${SECRET}`).toString('base64')}`
  const body = new URLSearchParams(parameters)
  return (await fetch(`${issuer}/token`, { method: 'POST', headers: { Authorization }, body })).json()
}

function textOf(answer: unknown, name: string): string {
  const value = isObject(answer) ? answer[name] : undefined
  if (typeof value !== 'string') throw new TypeError(`no ${name} in ${JSON.stringify(answer)}`)
  return value
}

async function sign(key: JWK, claims: JsonObject, header: JsonObject): Promise<string> {
  const { alg = '', kid = '' } = key
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ typ: 'at+jwt', kid, ...header, alg })
    .sign(await importJWK(key, alg))
}

function publicHalf({ kty, crv, n, e, x, y, kid, alg, use }: JWK): JsonObject {
  return { kty, crv, n, e, x, y, kid, alg, use }
}
