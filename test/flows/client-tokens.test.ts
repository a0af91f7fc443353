// A client that acts for itself, on its way through the gateway: what its token is good for, and until when.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { endClient, endClientTokens } from '../../src/clients/lifecycle.ts'
import { isObject } from '../../src/json.ts'
import { basic, makeClient, postForm, tokenOf } from '../support/oauth.ts'
import { cookieHeader, createWorld, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
  { path: '/read/*', upstream: UPSTREAM, scopes: ['jobs:read'] },
  { path: '/recent/*', upstream: UPSTREAM, max_auth_age: '10m' },
  { path: '/allow/*', upstream: UPSTREAM, on_outage: 'allow' },
]

const down = (): Promise<never> => Promise.reject(new Error('down'))
const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
const statusOf = async (world: World, token: string, path: string): Promise<number> =>
  (await world.bearer(token, path)).status

/** What an administrator does to a client's users row. */
async function change(id: string, column: 'roles' | 'scopes', names: readonly string[]): Promise<void> {
  await env.DB.prepare(
    `UPDATE users SET ${column} = ?2, token_version = max(token_version + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER)),
       changed_at = unixepoch() WHERE id = ?1`,
  )
    .bind(id, JSON.stringify(names))
    .run()
}

describe('the access token of a client', () => {
  it('names the client as subject and as client, and no session (RFC 9068 §2.2)', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const claims = claimsOf(await tokenOf(world, client))
    expect(claims).toMatchObject({ sub: client.id, client_id: client.id, tenant: 'acme', roles: ['robot'] })
    expect(claims).toMatchObject({ scope: 'jobs:run jobs:read', ver: expect.any(Number) })
    for (const name of ['sid', 'auth_time', 'amr']) expect(claims).not.toHaveProperty(name)
  })

  it('tells the upstream who it is, like the token of a user', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    await world.bearer(await tokenOf(world, client), '/x')
    const headers = world.seen[0]?.headers
    expect(headers?.get('Gatehouse-Subject')).toBe(client.id)
    expect(headers?.get('Gatehouse-Scope')).toBe('jobs:run jobs:read')
    expect(headers?.get('Gatehouse-Roles')).toBe('robot')
    expect(headers?.get('Gatehouse-Session')).toBeNull()
    expect(claimsOf(headers?.get('Gatehouse-Assertion') ?? '')).toMatchObject({ sub: client.id })
  })

  it('asks nobody where the marker is as old as the token', async () => {
    const world = await createWorld({ routes })
    const token = await tokenOf(world, await makeClient())
    await world.runCron()
    world.count()
    const response = await world.sendFresh('/x', { headers: { Authorization: `Bearer ${token}` } })
    expect([response.status, world.count()]).toEqual([200, { roundTrips: 0, gets: 1, puts: 0 }])
  })

  it('asks D1 once where there is no marker, and then knows', async () => {
    const world = await createWorld({ routes })
    const token = await tokenOf(world, await makeClient())
    world.count()
    await world.bearer(token, '/x')
    await world.bearer(token, '/x')
    expect(world.count()).toEqual({ roundTrips: 1, gets: 1, puts: 0 })
  })

  it('costs one look at D1 to be made', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    world.count()
    await tokenOf(world, client)
    expect(world.count()).toEqual({ roundTrips: 1, gets: 0, puts: 0 })
  })

  it('never grows beyond what was asked for, whatever the client may have by now', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const token = await tokenOf(world, client, { scope: 'jobs:run' })
    await change(client.id, 'roles', ['other'])
    expect(await statusOf(world, token, '/strict/x')).toBe(200)
    expect(await statusOf(world, token, '/read/x')).toBe(403)
    expect(world.seen[0]?.headers.get('Gatehouse-Scope')).toBe('jobs:run')
    expect(world.seen[0]?.headers.get('Gatehouse-Roles')).toBe('other')
  })

  it('loses at once what the client loses', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const token = await tokenOf(world, client)
    expect(await statusOf(world, token, '/read/x')).toBe(200)
    await change(client.id, 'scopes', ['jobs:run'])
    await world.runCron()
    expect(await statusOf(world, token, '/read/x')).toBe(403)
  })

  it('has no gatehouse: scope that was not asked for by name', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient({ scopes: ['jobs:run', 'gatehouse:admin'] })
    expect(claimsOf(await tokenOf(world, client))['scope']).toBe('jobs:run')
    expect(claimsOf(await tokenOf(world, client, { scope: 'gatehouse:admin' }))['scope']).toBe('gatehouse:admin')
  })

  it('is no recent sign-in: nobody has signed in', async () => {
    const world = await createWorld({ routes })
    expect(await statusOf(world, await tokenOf(world, await makeClient()), '/recent/x')).toBe(401)
  })

  it('is nobody at the URLs of people', async () => {
    const world = await createWorld({ routes })
    const token = await tokenOf(world, await makeClient())
    expect(await statusOf(world, token, '/auth/session')).toBe(401)
    expect(await statusOf(world, token, '/auth/sessions')).toBe(401)
    const response = await world.bearer(token, '/auth/sign-out-everywhere', { method: 'POST' })
    expect(response.status).toBe(401)
  })

  it('counts for nothing as an access cookie, beside whatever session', async () => {
    const world = await createWorld({ routes })
    const token = await tokenOf(world, await makeClient())
    const cookies = await world.signInForCookies()
    const Cookie = cookies.replace(/access=[^;]+/, `access=${token}`)
    const response = await world.send('/x', { headers: { Cookie, 'Sec-Fetch-Site': 'same-origin' } })
    expect(response.status).toBe(200)
    expect(world.seen[0]?.headers.get('Gatehouse-Subject')).toMatch(/^usr_/)
    expect(cookieHeader(response)).toContain('access=ey')
  })
})

describe('a client that is ended', () => {
  it('is refused at once where D1 is asked', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const token = await tokenOf(world, client)
    expect(await statusOf(world, token, '/strict/x')).toBe(200)
    await endClient(env.DB, client.id)
    expect(await statusOf(world, token, '/strict/x')).toBe(401)
  })

  it('is refused where the marker is read, in an isolate that knows its token', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const token = await tokenOf(world, client)
    expect(await statusOf(world, token, '/x')).toBe(200)
    await endClient(env.DB, client.id)
    await world.runCron()
    expect(await statusOf(world, token, '/x')).toBe(401)
  })

  it('gets no other token', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    await endClient(env.DB, client.id)
    const response = await postForm(world, '/auth/token', { grant_type: 'client_credentials' }, basic(client))
    expect([response.status, await response.json()]).toEqual([401, { error: 'invalid_client' }])
  })

  it('as a user is disabled like one, and comes back like one', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const token = await tokenOf(world, client)
    await env.DB.prepare('UPDATE users SET disabled_at = unixepoch() WHERE id = ?1').bind(client.id).run()
    const response = await postForm(world, '/auth/token', { grant_type: 'client_credentials' }, basic(client))
    expect([response.status, await statusOf(world, token, '/strict/x')]).toEqual([401, 401])
    await env.DB.prepare('UPDATE users SET disabled_at = NULL WHERE id = ?1').bind(client.id).run()
    expect(await statusOf(world, await tokenOf(world, client), '/strict/x')).toBe(200)
  })

  it('has nothing left to authenticate by, and stays a name', async () => {
    const client = await makeClient()
    await endClient(env.DB, client.id)
    const row = await env.DB.prepare('SELECT name, secret_hash, jwks FROM clients WHERE id = ?1')
      .bind(client.id)
      .first()
    expect(row).toEqual({ name: 'nightly', secret_hash: null, jwks: null })
    expect(await endClient(env.DB, client.id)).toEqual([])
  })
})

describe('tokens of a client that are ended, and not the client', () => {
  it('are refused for good: neither a later change nor another isolate brings them back', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const token = await tokenOf(world, client)
    await change(client.id, 'roles', ['one'])
    expect(await statusOf(world, token, '/strict/x')).toBe(200)
    const raised = await endClientTokens(env.DB, client.id)
    expect(raised).toHaveLength(1)
    await change(client.id, 'roles', ['two'])
    expect(await statusOf(world, token, '/strict/x')).toBe(401)
    const fresh = await world.sendFresh('/strict/x', { headers: { Authorization: `Bearer ${token}` } })
    expect(fresh.status).toBe(401)
    expect(await statusOf(world, await tokenOf(world, client), '/strict/x')).toBe(200)
  })

  it('are refused where the marker is read', async () => {
    const world = await createWorld({ routes })
    const client = await makeClient()
    const token = await tokenOf(world, client)
    expect(await statusOf(world, token, '/x')).toBe(200)
    await postForm(world, '/auth/revoke', { token }, basic(client))
    expect(await statusOf(world, token, '/x')).toBe(401)
    const fresh = await world.sendFresh('/x', { headers: { Authorization: `Bearer ${token}` } })
    expect(fresh.status).toBe(401)
  })
})

describe('the token of a client, when something is down', () => {
  it.each([
    ['/x', 503],
    ['/strict/x', 503],
    ['/allow/x', 200],
  ])('KV and D1: %s is %i', async (path, status) => {
    const world = await createWorld({ routes })
    const token = await tokenOf(world, await makeClient())
    const broken = {
      ...world.env,
      DB: { prepare: (sql: string) => env.DB.prepare(sql), batch: down },
      MARKERS: { get: down, put: down },
    }
    const response = await world.sendIn(broken, path, { headers: { Authorization: `Bearer ${token}` } })
    expect(response.status).toBe(status)
  })
})

describe('what an upstream says of a client', () => {
  it.each(['open', 'change', 'end-all'])(
    '%s is refused: a client is nobody to sign in, change or sign out',
    async (action) => {
      const client = await makeClient()
      const world = await createWorld({
        routes: [{ path: '/login', upstream: UPSTREAM, access: 'public', session_control: true }],
        upstream: (request) => {
          const control = request.headers.get('Gatehouse-Control') ?? ''
          const said = `${action};sub="${client.id}";control="${control}"`
          return new Response('ok', { headers: { 'Gatehouse-Session': said } })
        },
      })
      const response = await world.send('/login', { method: 'POST', headers: { 'Sec-Fetch-Site': 'same-origin' } })
      const body: unknown = await response.json()
      expect([response.status, isObject(body) ? body['code'] : null]).toEqual([502, 'invalid_session_control'])
      expect(world.logged.at(-1)).toMatchObject({ reason: 'sub' })
    },
  )
})

describe('the marker of a new client', () => {
  it('is put by the cron, so that its first requests do not go to D1 for long', async () => {
    const world = await createWorld({ routes })
    const { id } = await makeClient()
    expect(await env.MARKERS.get(`marker:${id}`)).toBeNull()
    await world.runCron()
    expect(await env.MARKERS.get(`marker:${id}`)).toMatch(/^\d+$/)
  })
})
