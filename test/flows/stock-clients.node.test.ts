// Clients that others wrote, over real sockets: they find the endpoints by discovery, and believe what they are told.
import { exportJWK } from 'jose'
import * as oauth from 'oauth4webapi'
import { beforeAll, describe, expect, it } from 'vitest'

import { createClient } from '../../src/clients/lifecycle.ts'
import type { NewClient } from '../../src/clients/lifecycle.ts'
import { ISSUER, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream()
const gateway = await startGateway({
  vars: {
    PASSWORDS: { sign_in: true, sign_up: true },
    ROUTES: [{ path: '/*', upstream: upstream.origin, revocation: 'session' }],
  },
  rateLimits: ['SIGN_IN_LIMIT'],
})

interface Sent {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: URLSearchParams | undefined
}

/** What the client would send to ISSUER goes to the gateway's own socket. */
const options = {
  [oauth.customFetch]: async (url: string, init: Sent): Promise<Response> => {
    const { pathname, search, origin } = new URL(url)
    expect(origin).toBe(ISSUER)
    const { method, headers } = init
    const body = init.body === undefined ? {} : { body: init.body.toString() }
    const answer = await gateway.send(`${pathname}${search}`, { method, headers, ...body })
    const lines = answer.headers.map(([name, value]): [string, string] => [name, value])
    return new Response(new Uint8Array(answer.body), { status: answer.status, headers: lines })
  },
}

const found: { server?: oauth.AuthorizationServer } = {}
const server = (): oauth.AuthorizationServer => found.server ?? { issuer: 'not found yet' }
beforeAll(async () => {
  const issuer = new URL(ISSUER)
  const response = await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' })
  found.server = await oauth.processDiscoveryResponse(issuer, response)
})

async function makeClient(changes: Partial<NewClient> = {}): Promise<{ client: oauth.Client; secret: string }> {
  const profile = { name: 'stock', roles: [], scopes: ['jobs:run', 'gatehouse:introspect'], claims: {} }
  const created = await createClient(gateway.db, { ...profile, proof: { by: 'secret' }, ...changes })
  if (created.outcome === 'refused') throw new Error(created.problem)
  return { client: { client_id: created.id }, secret: created.secret ?? '' }
}

async function grant(client: oauth.Client, authentication: oauth.ClientAuth): Promise<string> {
  const response = await oauth.clientCredentialsGrantRequest(server(), client, authentication, {}, options)
  return (await oauth.processClientCredentialsResponse(server(), client, response)).access_token
}

async function introspect(token: string): Promise<oauth.IntrospectionResponse> {
  const { client, secret } = await makeClient()
  const authentication = oauth.ClientSecretBasic(secret)
  const response = await oauth.introspectionRequest(server(), client, authentication, token, options)
  return oauth.processIntrospectionResponse(server(), client, response)
}

async function signUp(): Promise<{ access: string; refresh: string }> {
  const answer = await gateway.send('/auth/sign-up', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      email: `${crypto.randomUUID()}@example.com`,
      password: 'correct horse battery',
      transport: 'token',
    }),
  })
  const { access_token: access, refresh_token: refresh } = JSON.parse(answer.body.toString())
  return { access, refresh }
}

async function statusOf(token: string): Promise<number> {
  return (await gateway.send('/x', { headers: { Authorization: `Bearer ${token}` } })).status
}

const PUBLIC: oauth.Client = { client_id: 'gatehouse' }

describe('oauth4webapi', () => {
  it('finds the endpoints at the issuer', () => {
    expect(server()).toMatchObject({ issuer: ISSUER, token_endpoint: `${ISSUER}/auth/token` })
  })

  it.each([
    ['client_secret_basic', oauth.ClientSecretBasic],
    ['client_secret_post', oauth.ClientSecretPost],
  ])('gets a client its token by %s', async (_, by) => {
    const { client, secret } = await makeClient()
    expect(await statusOf(await grant(client, by(secret)))).toBe(200)
  })

  it('gets a client its token by private_key_jwt', async () => {
    const { publicKey, privateKey } = await oauth.generateKeyPair('ES256', { extractable: true })
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] }
    const { client } = await makeClient({ proof: { by: 'keys', jwks } })
    expect(await statusOf(await grant(client, oauth.PrivateKeyJwt(privateKey)))).toBe(200)
    expect(await statusOf(await grant(client, oauth.PrivateKeyJwt({ key: privateKey, kid: 'k1' })))).toBe(200)
  })

  it('is told of a wrong secret by a challenge', async () => {
    const [one, two] = [await makeClient(), await makeClient()]
    const refused = grant(one.client, oauth.ClientSecretBasic(two.secret))
    await expect(refused).rejects.toMatchObject({ code: oauth.WWW_AUTHENTICATE_CHALLENGE })
  })

  it('is told of a scope that is not its own', async () => {
    const { client, secret } = await makeClient()
    const by = oauth.ClientSecretBasic(secret)
    const response = await oauth.clientCredentialsGrantRequest(server(), client, by, { scope: 'all' }, options)
    const refused = oauth.processClientCredentialsResponse(server(), client, response)
    await expect(refused).rejects.toMatchObject({ error: 'invalid_scope', status: 400 })
  })

  it('refreshes a session, whose token the gateway takes', async () => {
    const { refresh } = await signUp()
    const response = await oauth.refreshTokenGrantRequest(server(), PUBLIC, oauth.None(), refresh, options)
    const tokens = await oauth.processRefreshTokenResponse(server(), PUBLIC, response)
    expect(tokens.refresh_token).toBe(refresh)
    expect(await statusOf(tokens.access_token)).toBe(200)
  })

  it('revokes a refresh token, and is told that it is invalid_grant from then on', async () => {
    const { access, refresh } = await signUp()
    const revocation = await oauth.revocationRequest(server(), PUBLIC, oauth.None(), refresh, options)
    await oauth.processRevocationResponse(revocation)
    expect(await statusOf(access)).toBe(401)
    const response = await oauth.refreshTokenGrantRequest(server(), PUBLIC, oauth.None(), refresh, options)
    const refused = oauth.processRefreshTokenResponse(server(), PUBLIC, response)
    await expect(refused).rejects.toMatchObject({ error: 'invalid_grant', status: 400 })
  })

  it('asks what a token is worth, before and after it is revoked', async () => {
    const { client, secret } = await makeClient()
    const token = await grant(client, oauth.ClientSecretPost(secret))
    expect(await introspect(token)).toMatchObject({ active: true, client_id: client.client_id, scope: 'jobs:run' })
    const by = oauth.ClientSecretPost(secret)
    await oauth.processRevocationResponse(await oauth.revocationRequest(server(), client, by, token, options))
    expect(await introspect(token)).toEqual({ active: false })
  })
})
