// How a client proves itself, and what somebody learns who is not it.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { createClient, endClient, rotateSecret } from '../../src/clients/lifecycle.ts'
import { newClientSecret } from '../../src/clients/secrets.ts'
import { makeKey } from '../support/forge.ts'
import { assertionOf, basic, byAssertion, makeClient, makeKeyClient, postForm, told } from '../support/oauth.ts'
import type { TestClient } from '../support/oauth.ts'
import { createWorld } from '../support/world.ts'
import type { World } from '../support/world.ts'

const OWN = { grant_type: 'client_credentials' }
const INVALID = [401, { error: 'invalid_client' }]
const NOBODY = 'cli_0000000000000000000000'
const ask = (world: World, client: TestClient): Promise<Response> => postForm(world, '/auth/token', OWN, basic(client))
const statusOf = async (world: World, client: TestClient): Promise<number> => (await ask(world, client)).status

const limited = (calls: string[], success: () => boolean) => ({
  SIGN_IN_LIMIT: {
    limit: async ({ key }: { key: string }) => {
      calls.push(key)
      return { success: success() }
    },
  },
})

const byKeys = (...keys: unknown[]): object => ({ proof: { by: 'keys', jwks: { keys } } })

describe('a secret', () => {
  it('is a text that scanners find, and stored as nothing that could be sent', async () => {
    const { id, secret } = await makeClient()
    expect(secret).toMatch(/^gth_cs_[A-Za-z0-9_-]{49}$/)
    const row = await env.DB.prepare('SELECT * FROM clients WHERE id = ?1').bind(id).first()
    expect(JSON.stringify(row)).not.toContain(secret.slice(7, 30))
  })

  it('is one of two while it is rotated, the older one until its time is over', async () => {
    const world = await createWorld()
    const { id, secret } = await makeClient()
    const next = (await rotateSecret(env.DB, id, 3600)) ?? ''
    expect([await statusOf(world, { id, secret }), await statusOf(world, { id, secret: next })]).toEqual([200, 200])
    await env.DB.prepare('UPDATE clients SET previous_until = unixepoch() WHERE id = ?1').bind(id).run()
    expect([await statusOf(world, { id, secret }), await statusOf(world, { id, secret: next })]).toEqual([401, 200])
  })

  it('that leaked is rotated without an overlap', async () => {
    const world = await createWorld()
    const { id, secret } = await makeClient()
    await rotateSecret(env.DB, id, 0)
    expect(await statusOf(world, { id, secret })).toBe(401)
  })

  it('of two rotations ago is over, whatever overlap there was', async () => {
    const world = await createWorld()
    const { id, secret } = await makeClient()
    await rotateSecret(env.DB, id, 3600)
    await rotateSecret(env.DB, id, 3600)
    expect(await statusOf(world, { id, secret })).toBe(401)
  })

  it('is not given to a client that has been ended, or never was', async () => {
    const { id } = await makeClient()
    await endClient(env.DB, id)
    expect([await rotateSecret(env.DB, id, 0), await rotateSecret(env.DB, NOBODY, 0)]).toEqual([null, null])
  })

  it('proves its own client and no other', async () => {
    const world = await createWorld()
    const [one, two] = [await makeClient(), await makeClient()]
    expect(await told(await ask(world, { id: one.id, secret: two.secret }))).toEqual(INVALID)
  })

  it('proves no client that has keys only', async () => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await makeKey())
    for (const secret of [newClientSecret(), '.'.repeat(43), '']) {
      expect((await ask(world, { id, secret })).status).toBe(401)
    }
  })

  it('is given by no rotation to a client that has keys', async () => {
    const { id } = await makeKeyClient(await makeKey())
    expect(await rotateSecret(env.DB, id, 0)).toBeNull()
  })

  it('that is wrong, and a client that is not there, get the same answer after the same look at D1', async () => {
    const world = await createWorld()
    const { id } = await makeClient()
    world.count()
    const wrong = await ask(world, { id, secret: newClientSecret() })
    const costOfWrong = world.count()
    const unknown = await ask(world, { id: NOBODY, secret: newClientSecret() })
    expect(world.count()).toEqual(costOfWrong)
    expect([...unknown.headers]).toEqual([...wrong.headers])
    expect(await told(unknown)).toEqual(await told(wrong))
  })

  it.each([
    ['an id of a user', { id: 'usr_0000000000000000000001', secret: newClientSecret() }],
    ['an id that could be SQL', { id: "cli_' OR 1=1 --", secret: newClientSecret() }],
    ['a secret of another form', { id: NOBODY, secret: 'hunter2' }],
    [
      'a secret with a wrong checksum',
      { id: NOBODY, secret: newClientSecret().replace(/.$/, (c) => (c === 'A' ? 'B' : 'A')) },
    ],
    ['the public client', { id: 'gatehouse', secret: newClientSecret() }],
  ])('with %s does not reach D1', async (_, client) => {
    const world = await createWorld()
    expect(await told(await ask(world, client))).toEqual(INVALID)
    expect(world.count().roundTrips).toBe(0)
  })

  it('is in no log line, nor is what was sent in its place', async () => {
    const world = await createWorld()
    const { id } = await makeClient()
    const secret = newClientSecret()
    await ask(world, { id, secret })
    expect(world.logged).toMatchObject([{ event: 'denial', code: 'invalid_client', status: 401, reason: 'secret' }])
    expect(JSON.stringify(world.logged)).not.toContain(secret.slice(7, 20))
  })
})

describe('the limit of guesses', () => {
  it('is asked before D1 is, by address and apart from people', async () => {
    const calls: string[] = []
    const world = await createWorld({ bindings: limited(calls, () => false) })
    const client = await makeClient()
    world.count()
    const response = await postForm(world, '/auth/token', OWN, { ...basic(client), 'CF-Connecting-IP': '192.0.2.7' })
    expect(response.headers.get('Retry-After')).toBe('60')
    expect(await told(response)).toEqual([429, { error: 'temporarily_unavailable' }])
    expect([calls, world.count().roundTrips]).toEqual([['client 192.0.2.7'], 0])
  })

  it('lets through who was proved from there lately, and neither another client nor another address', async () => {
    const calls: string[] = []
    const world = await createWorld({ bindings: limited(calls, () => calls.length === 1) })
    const [client, other] = [await makeClient(), await makeClient()]
    const from = async (address: string, asked: TestClient): Promise<number> =>
      (await postForm(world, '/auth/token', OWN, { ...basic(asked), 'CF-Connecting-IP': address })).status
    expect(await from('192.0.2.7', client)).toBe(200)
    expect(await from('192.0.2.7', client)).toBe(200)
    expect(await from('192.0.2.8', client)).toBe(429)
    expect(await from('192.0.2.7', other)).toBe(429)
  })

  it('is not needed: where nothing is bound, clients still authenticate', async () => {
    const world = await createWorld({ vars: { PASSWORDS: { sign_in: false } }, bindings: { SIGN_IN_LIMIT: undefined } })
    expect(await statusOf(world, await makeClient())).toBe(200)
  })

  it('that fails is 503', async () => {
    const bindings = { SIGN_IN_LIMIT: { limit: () => Promise.reject(new Error('down')) } }
    const world = await createWorld({ bindings })
    expect(await statusOf(world, await makeClient())).toBe(503)
  })

  it('counts assertions too', async () => {
    const calls: string[] = []
    const world = await createWorld({ bindings: limited(calls, () => false) })
    const key = await makeKey()
    const { id } = await makeKeyClient(key)
    const fields = { ...OWN, ...byAssertion(await assertionOf(key, id)) }
    expect((await postForm(world, '/auth/token', fields)).status).toBe(429)
    expect(calls).toHaveLength(1)
  })
})

describe('a client to come', () => {
  const profile = { name: 'x', roles: [], scopes: [], claims: {} }
  const madeBy = async (changes: object): Promise<string> =>
    (await createClient(env.DB, { ...profile, proof: { by: 'secret' }, ...changes })).outcome

  it('is made with an id that nobody can guess', async () => {
    expect((await makeClient()).id).toMatch(/^cli_[A-Za-z0-9_-]{22}$/)
  })

  it.each([
    ['a scope with a space', { scopes: ['a b'] }],
    ['a role with a comma', { roles: ['a,b'] }],
    ['a claim with a reserved name', { claims: { sub: 'x' } }],
    ['more than could be minted', { claims: { x: 'x'.repeat(2000) } }],
    ['no keys', byKeys()],
  ])('is not made with %s', async (_, changes) => {
    expect(await madeBy(changes)).toBe('refused')
  })

  it('is made with public keys, each of which can serve', async () => {
    const [one, two] = [await makeKey('ES256', 'a'), await makeKey('EdDSA', 'b')]
    const { kid: _kid, ...nameless } = one.publicJwk
    expect(await madeBy(byKeys(one.publicJwk, two.publicJwk))).toBe('created')
    const refused = [
      byKeys(one.privateJwk),
      byKeys(one.publicJwk, one.publicJwk),
      byKeys(nameless),
      byKeys({ kty: 'oct', k: 'AAAA', kid: 'a', alg: 'HS256' }),
      byKeys({ ...one.publicJwk, use: 'enc' }),
      byKeys(one.publicJwk, 'x'),
      byKeys(...Array.from({ length: 11 }, (_, at) => ({ ...one.publicJwk, kid: String(at) }))),
    ]
    expect(await Promise.all(refused.map(madeBy))).toEqual(refused.map(() => 'refused'))
  })
})
