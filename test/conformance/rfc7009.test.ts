import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { newClientSecret } from '../../src/clients/secrets.ts'
import { revokeToken } from '../../src/oauth/revoke.ts'
import { loadRuntime } from '../../src/runtime.ts'
import { basic, makeClient, postForm, told, tokenOf } from '../support/oauth.ts'
import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'

const version = () => env.DB.prepare('SELECT token_version FROM users').first<number>('token_version')
const routes = [{ path: '/*', upstream: UPSTREAM, revocation: 'session' }]

describe('RFC 7009, §2.1 Revocation Request', () => {
  it('a refresh token ends its session, with every token of it', async () => {
    const world = await createWorld({ routes })
    const { access, refresh } = await world.signInForTokens()
    const response = await postForm(world, '/auth/revoke', { token: refresh })
    expect(await told(response)).toEqual([200, null])
    expect((await world.bearer(access, '/x')).status).toBe(401)
    expect((await world.post('/auth/refresh', { refresh_token: refresh })).status).toBe(401)
  })

  it('an access token ends its session', async () => {
    const world = await createWorld({ routes })
    const { access, refresh } = await world.signInForTokens()
    expect((await postForm(world, '/auth/revoke', { token: access, client_id: 'gatehouse' })).status).toBe(200)
    expect((await world.bearer(access, '/x')).status).toBe(401)
    expect((await world.post('/auth/refresh', { refresh_token: refresh })).status).toBe(401)
  })

  it.each(['access_token', 'refresh_token', 'nonsense'])('the hint %s changes nothing', async (hint) => {
    const world = await createWorld({ routes })
    const { refresh } = await world.signInForTokens()
    await postForm(world, '/auth/revoke', { token: refresh, token_type_hint: hint })
    expect((await world.post('/auth/refresh', { refresh_token: refresh })).status).toBe(401)
  })

  it('other sessions of the user go on', async () => {
    const world = await createWorld({ routes })
    const [one, other] = [await world.signInForTokens(), await world.signInForTokens()]
    await postForm(world, '/auth/revoke', { token: one.refresh })
    expect((await world.bearer(other.access, '/x')).status).toBe(200)
  })

  it('the marker is put before the answer', async () => {
    const world = await createWorld()
    const { refresh } = await world.signInForTokens()
    world.count()
    await postForm(world, '/auth/revoke', { token: refresh })
    expect(world.count()).toMatchObject({ puts: 1 })
    const { results } = await env.DB.prepare('SELECT end_reason FROM sessions').all()
    expect(results).toEqual([{ end_reason: 'revoked' }])
  })

  it('the token of a client ends every token that the client has, and the next one is good', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const [one, other] = [await tokenOf(world, client), await tokenOf(world, client)]
    expect((await postForm(world, '/auth/revoke', { token: one }, basic(client))).status).toBe(200)
    const next = await tokenOf(world, client)
    const statuses = [one, other, next].map(async (token) => (await world.bearer(token, '/x')).status)
    expect(await Promise.all(statuses)).toEqual([401, 401, 200])
  })

  it('the client must authenticate, if it says that it is one', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const token = await tokenOf(world, client)
    const forged = await postForm(world, '/auth/revoke', { token }, basic({ ...client, secret: newClientSecret() }))
    expect(await told(forged)).toEqual([401, { error: 'invalid_client' }])
    const named = await postForm(world, '/auth/revoke', { token, client_id: client.id })
    expect(await told(named)).toEqual([401, { error: 'invalid_client' }])
    expect((await world.bearer(token, '/x')).status).toBe(200)
  })

  it('tokens of another client are refused, and live on', async () => {
    const world = await createWorld({ routes })
    const [client, other] = [await makeClient(), await makeClient()]
    const { access, refresh } = await world.signInForTokens()
    const theirs = await tokenOf(world, client)
    const refused = [
      postForm(world, '/auth/revoke', { token: theirs }, basic(other)),
      postForm(world, '/auth/revoke', { token: theirs }),
      postForm(world, '/auth/revoke', { token: access }, basic(other)),
      postForm(world, '/auth/revoke', { token: refresh }, basic(other)),
    ]
    for (const answer of refused) expect(await told(await answer)).toEqual([400, { error: 'invalid_grant' }])
    expect((await world.bearer(theirs, '/x')).status).toBe(200)
    expect((await world.bearer(access, '/x')).status).toBe(200)
    expect((await world.post('/auth/refresh', { refresh_token: refresh })).status).toBe(200)
  })

  it('a request without token is invalid_request', async () => {
    const world = await createWorld()
    expect(await told(await postForm(world, '/auth/revoke', {}))).toMatchObject([400, { error: 'invalid_request' }])
  })
})

describe('RFC 7009, §2.2 Revocation Response', () => {
  it.each(['x', 'ey.J.x', `gth_r_ses_${'A'.repeat(22)}.1.${'A'.repeat(43)}`])(
    'the unknown token %s is 200, without a look at D1',
    async (token) => {
      const world = await createWorld()
      world.count()
      expect((await postForm(world, '/auth/revoke', { token })).status).toBe(200)
      expect(world.count().roundTrips).toBe(0)
    },
  )

  it('repeating it is 200 and raises nothing', async () => {
    const world = await createWorld()
    const { refresh } = await world.signInForTokens()
    await postForm(world, '/auth/revoke', { token: refresh })
    const before = await version()
    expect((await postForm(world, '/auth/revoke', { token: refresh })).status).toBe(200)
    expect(await version()).toBe(before)
  })
})

describe('RFC 7009, §2.2.1 Error Response', () => {
  it.each(['access', 'refresh'] as const)(
    '503 with Retry-After where D1 fails: the %s token is alive',
    async (kind) => {
      const world = await createWorld({ routes })
      const tokens = await world.signInForTokens()
      const DB = { prepare: (sql: string) => env.DB.prepare(sql), batch: () => Promise.reject(new Error('down')) }
      const body = new URLSearchParams({ token: tokens[kind] })
      const response = await world.sendIn({ ...world.env, DB }, '/auth/revoke', { method: 'POST', body })
      expect(response.headers.get('Retry-After')).toBe('5')
      expect(await told(response)).toEqual([503, { error: 'temporarily_unavailable' }])
      expect((await world.bearer(tokens.access, '/x')).status).toBe(200)
    },
  )

  it('503 where the token could not even be looked at', async () => {
    const world = await createWorld()
    const loaded = await loadRuntime(world.env)
    if (loaded.outcome !== 'ready') throw new Error(loaded.problems.join(', '))
    const broken = {
      find: () => {
        throw new Error('broken')
      },
      remember: () => undefined,
    }
    const request = new Request(`${ISSUER}/auth/revoke`, { method: 'POST', body: new URLSearchParams({ token: 'x' }) })
    const response = await revokeToken({
      request,
      head: request,
      requestId: 'test',
      clientAddress: null,
      runtime: { ...loaded.runtime, tokens: broken },
      waitUntil: () => undefined,
    })
    expect(await told(response)).toEqual([503, { error: 'temporarily_unavailable' }])
  })
})
