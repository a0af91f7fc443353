// The admin API for machines: OAuth clients, API keys, and subjects of other issuers.
import { describe, expect, it } from 'vitest'

import { administer, everything, trail } from '../support/admin.ts'
import type { Ask } from '../support/admin.ts'
import { createWorld, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const IDP = 'https://idp.example.com/'
const routes = [{ path: '/*', upstream: UPSTREAM, credentials: ['bearer', 'api-key'], revocation: 'session' }]
const vars = { ISSUERS: [{ issuer: IDP, audience: ['https://api.example.com'], jwks_uri: `${IDP}jwks.json` }] }

async function start(): Promise<{ readonly world: World; readonly ask: Ask }> {
  const world = await createWorld({ routes, vars })
  return { world, ask: await administer(world) }
}

function askForToken(world: World, id: string, secret: string, scope = 'orders:read'): Promise<Response> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret, scope })
  return world.send('/auth/token', { method: 'POST', body })
}

const MACHINE = { name: 'billing', scopes: ['orders:read'], roles: ['robot'], claims: { tenant: 'acme' } }

describe('a client', () => {
  it('is made with a secret that is shown once, and gets tokens by it', async () => {
    const { world, ask } = await start()
    const { status, body } = await ask('POST', '/clients', MACHINE)
    expect([status, body['secret']]).toEqual([201, expect.stringMatching(/^gth_cs_/)])
    const response = await askForToken(world, String(body['id']), String(body['secret']))
    expect(response.status).toBe(200)
    const listed = await ask('GET', '/clients')
    expect(listed.body['clients']).toMatchObject([{ ...MACHINE, id: body['id'], proof: 'secret', ended_at: null }])
    expect(JSON.stringify([listed.body, await everything()])).not.toContain(body['secret'])
  })

  it('may administer, where it has the scope, until it is ended', async () => {
    const { world, ask } = await start()
    const { body } = await ask('POST', '/clients', { name: 'tool', scopes: ['gatehouse:admin'] })
    const answer = await askForToken(world, String(body['id']), String(body['secret']), 'gatehouse:admin')
    const { access_token: token } = await answer.json<{ readonly access_token: string }>()
    expect((await world.bearer(token, '/auth/admin/users')).status).toBe(200)
    expect((await ask('DELETE', `/clients/${String(body['id'])}`)).body['ended']).toBe(1)
    expect((await world.bearer(token, '/auth/admin/users')).status).toBe(401)
    expect((await ask('DELETE', `/clients/${String(body['id'])}`)).status).toBe(404)
  })

  it('has two secrets for the overlap of a rotation', async () => {
    const { world, ask } = await start()
    const { body } = await ask('POST', '/clients', MACHINE)
    const id = String(body['id'])
    const rotated = await ask('POST', `/clients/${id}/rotate`, { overlap: 60 })
    const secrets = [String(body['secret']), String(rotated.body['secret'])]
    const statuses = await Promise.all(secrets.map(async (secret) => (await askForToken(world, id, secret)).status))
    expect(statuses).toEqual([200, 200])
    expect((await trail()).map(({ action, target }) => [action, target])).toEqual([
      ['client.create', id],
      ['client.rotate', id],
    ])
  })

  it.each([
    ['no name', { scopes: ['a'] }],
    ['a reserved claim', { name: 'a', claims: { sub: 'x' } }],
    ['keys that are none', { name: 'a', jwks: { keys: [{ kty: 'oct' }] } }],
  ])('is not made with %s', async (_, body) => {
    const { ask } = await start()
    const before = await everything()
    expect((await ask('POST', '/clients', body)).body['code']).toBe('invalid_request')
    expect(await everything()).toEqual(before)
  })
})

describe('an API key', () => {
  it('is shown once, opens a route, and is closed when it is ended', async () => {
    const { world, ask } = await start()
    const { status, body } = await ask('POST', '/keys', MACHINE)
    expect(status).toBe(201)
    const [id, key] = [String(body['id']), String(body['key'])]
    const use = async (text: string) => (await world.bearer(text, '/x')).status
    expect(await use(key)).toBe(200)
    expect((await ask('GET', '/keys')).body['keys']).toMatchObject([{ ...MACHINE, id, alive: true, expires_at: null }])
    expect((await ask('DELETE', `/keys/${id}`)).body['ended']).toBe(1)
    expect(await use(key)).toBe(401)
    expect((await ask('DELETE', `/keys/${id}`)).status).toBe(404)
    expect((await trail()).map(({ action }) => action)).toEqual(['key.create', 'key.delete'])
  })

  it('does not administer, whatever its scopes', async () => {
    const { world, ask } = await start()
    const { body } = await ask('POST', '/keys', { name: 'a', scopes: ['gatehouse:admin'] })
    const key = String(body['key'])
    expect((await world.bearer(key, '/auth/admin/users')).status).toBe(401)
    const response = await world.send('/auth/admin/users', { headers: { 'X-API-Key': key } })
    expect(response.status).toBe(401)
  })

  it('is not rotated while two secrets live, and that is no event', async () => {
    const { ask } = await start()
    const { body } = await ask('POST', '/keys', MACHINE)
    const rotate = (overlap: number) => ask('POST', `/keys/${String(body['id'])}/rotate`, { overlap })
    expect([(await rotate(60)).status, (await rotate(60)).status, (await rotate(0)).status]).toEqual([200, 409, 200])
    expect((await trail()).map(({ action }) => action)).toEqual(['key.create', 'key.rotate', 'key.rotate'])
  })

  it.each([[-1], [1.5], ['60'], [2_592_001]])('is not rotated with the overlap %j', async (overlap) => {
    const { ask } = await start()
    const { body } = await ask('POST', '/keys', MACHINE)
    expect((await ask('POST', `/keys/${String(body['id'])}/rotate`, { overlap })).status).toBe(400)
  })
})

describe('a machine that several end at the same time', () => {
  it.each(['clients', 'keys'])('of the %s is ended once, and that is one event', async (kind) => {
    const { ask } = await start()
    const { body } = await ask('POST', `/${kind}`, { name: 'nightly' })
    const answers = await Promise.all([1, 2, 3].map(() => ask('DELETE', `/${kind}/${String(body['id'])}`)))
    expect(answers.filter((answer) => answer.body['ended'] === 1)).toHaveLength(1)
    expect((await trail()).filter(({ action }) => action.endsWith('.delete'))).toHaveLength(1)
  })
})

describe('what is not there', () => {
  it.each([
    ['POST', '/clients/cli_nothing/rotate', { overlap: 0 }],
    ['DELETE', '/clients/cli_nothing', undefined],
    ['POST', '/keys/key_nothing/rotate', { overlap: 0 }],
    ['DELETE', '/keys/key_nothing', undefined],
    ['POST', '/revoked-subjects', { issuer: 'https://other.example.com/', subject: 's' }],
  ])('is not found by %s %s, and nothing is written', async (method, path, body) => {
    const { ask } = await start()
    const before = await everything()
    expect((await ask(method, path, body)).body['code']).toBe('no_route')
    expect(await everything()).toEqual(before)
  })

  it('is a client under the path of keys, and a key under that of clients', async () => {
    const { ask } = await start()
    const client = await ask('POST', '/clients', MACHINE)
    const key = await ask('POST', '/keys', MACHINE)
    expect((await ask('DELETE', `/keys/${String(client.body['id'])}`)).status).toBe(404)
    expect((await ask('DELETE', `/clients/${String(key.body['id'])}`)).status).toBe(404)
  })
})
