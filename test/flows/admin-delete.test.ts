import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { administer, administrator } from '../support/admin.ts'
import { createWorld, PASSWORD, signDigest, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/login', upstream: UPSTREAM, access: 'public', session_control: true },
]
const PATH = `/users/${user.id}`

/** Everything that rows hold of a user besides the id. */
async function tracesOf(id: string): Promise<string> {
  const tables = ['users', 'sessions', 'identities', 'password_resets', 'known_addresses']
  const results = await env.DB.batch(tables.map((table) => env.DB.prepare(`SELECT * FROM ${table}`)))
  const rows = results.flatMap(({ results: each }) => each).filter((row) => JSON.stringify(row).includes(id))
  return JSON.stringify(rows)
}

/** Answers with the member that the query holds. */
function upstream(request: Request): Response {
  const member = decodeURIComponent(new URL(request.url).search.slice(1))
  const value = `${member};control="${request.headers.get('Gatehouse-Control')}"`
  return new Response(null, { headers: { 'Gatehouse-Session': value } })
}

async function signIn(world: World): Promise<Response> {
  const headers = { 'CF-Connecting-IP': '192.0.2.77', 'User-Agent': 'Very Own Browser' }
  return world.post('/auth/sign-in', { email: user.email, password: PASSWORD, transport: 'token' }, headers)
}

const count = () => env.DB.prepare('SELECT count(*) AS n FROM users WHERE id = ?1').bind(user.id).first<number>('n')

describe('deleting a user', () => {
  it('ends and publishes first, erases everything but the id, and is 404 from then on', async () => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const { access_token: token = '', refresh_token: refresh = '' } = await (
      await signIn(world)
    ).json<Record<string, string>>()
    await env.DB.prepare("INSERT INTO identities VALUES ('corp', 'ada at corp', ?1, 1, 0, NULL)").bind(user.id).run()
    const { status, body } = await ask('DELETE', PATH)
    expect([status, body]).toMatchObject([200, { ended: 1, effective_by: {} }])
    const traces = await tracesOf(user.id)
    for (const trace of [user.email, 'scrypt', 'staff', 'orders:read', 'acme', '192.0.2.77', 'Browser', 'ada at corp'])
      expect(traces).not.toContain(trace)
    const version = await env.DB.prepare('SELECT token_version FROM users WHERE id = ?1')
      .bind(user.id)
      .first('token_version')
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBe(String(version))
    expect((await world.bearer(token, '/x')).status).toBe(401)
    expect((await world.post('/auth/refresh', { refresh_token: refresh })).status).toBe(401)
    expect((await signIn(world)).status).toBe(401)
    for (const [method, path] of [
      ['GET', PATH],
      ['PATCH', PATH],
      ['DELETE', PATH],
      ['POST', `${PATH}/enable`],
      ['POST', `${PATH}/reset-link`],
    ] as const)
      expect((await ask(method, path, method === 'PATCH' ? { roles: ['x'] } : undefined)).status).toBe(404)
    expect(JSON.stringify((await ask('GET', '/users')).body)).not.toContain(user.id)
    const { results } = await env.DB.prepare(
      "SELECT target, details FROM audit_events WHERE action = 'user.delete'",
    ).all()
    expect(results).toEqual([{ target: user.id, details: '{}' }])
  })

  it('frees the e-mail at once', async () => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    await ask('DELETE', PATH)
    expect((await ask('POST', '/users', { email: user.email })).status).toBe(201)
  })

  it('kills a token that an isolate judges by a digest of recent changes alone', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const ask = await administer(world)
    await ask('DELETE', PATH)
    const rows = await env.DB.prepare('SELECT id, token_version FROM users').all<Record<string, number>>()
    const now = Math.floor(Date.now() / 1000)
    const versions = Object.fromEntries(rows.results.map((row) => [String(row['id']), row['token_version']]))
    const text = JSON.stringify({ since: now - 1025, as_of: now, versions })
    const tick = Math.floor((now - 2) / 5) * 5
    await Promise.all([tick, tick + 5].map((at) => env.MARKERS.put(`recent:${at}`, signDigest(at, text))))
    await env.MARKERS.delete(`marker:${user.id}`)
    const isolate = { ...world.env }
    const headers = { Authorization: `Bearer ${access}` }
    await world.sendIn(isolate, '/x', { headers })
    expect((await world.sendIn(isolate, '/x', { headers })).status).toBe(401)
  })

  it('keeps an upstream from signing in or changing the id', async () => {
    const world = await createWorld({ routes, upstream })
    const ask = await administer(world)
    await ask('DELETE', PATH)
    const send = (member: string) =>
      world.send(`/login?${encodeURIComponent(member)}`, { headers: { 'Gatehouse-Transport': 'token' } })
    expect((await send(`open;sub="${user.id}"`)).status).toBe(401)
    await send(`change;sub="${user.id}";roles="admin"`)
    expect(await env.DB.prepare('SELECT roles FROM users WHERE id = ?1').bind(user.id).first('roles')).toBe('[]')
  })

  it('is refused for the last administrator, and nothing is erased', async () => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    expect((await ask('DELETE', `/users/${administrator.id}`)).status).toBe(409)
    expect((await ask('GET', `/users/${administrator.id}`)).body).toMatchObject({ email: administrator.email })
  })

  it('leaves a row for a day, and longer where its end has not been published', async () => {
    const world = await createWorld({ routes })
    await world.signInForTokens()
    const ask = await administer(world)
    await ask('DELETE', PATH)
    await world.runCron()
    expect(await count()).toBe(1)
    await env.DB.prepare('UPDATE users SET deleted_at = deleted_at - 90000, published_version = 0').run()
    await world.runCron({ ...world.env, MARKERS: { get: () => null, put: () => Promise.reject(new Error('down')) } })
    expect(await count()).toBe(1)
    await world.runCron()
    await world.runCron()
    expect(await count()).toBe(0)
  })
})

describe('changing a machine', () => {
  const machines = [
    ['/clients', { name: 'a client', scopes: ['orders:read'] }],
    ['/keys', { name: 'a key', scopes: ['orders:read'] }],
  ] as const

  it.each(machines)('changes what is given, raises the version and is listed: %s', async (path, body) => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const { body: made } = await ask('POST', path, body)
    const id = String(made['id'])
    const changed = await ask('PATCH', `${path}/${id}`, { name: 'another', scopes: ['orders:write'], claims: { a: 1 } })
    expect([changed.status, changed.body]).toMatchObject([200, { id }])
    expect(await env.MARKERS.get(`marker:${id}`)).toBe(String(changed.body['version']))
    const listed = JSON.stringify((await ask('GET', path)).body)
    for (const text of ['another', 'orders:write', '"a":1']) expect(listed).toContain(text)
    expect(listed).not.toContain('orders:read')
  })

  it('reaches a live key in the isolate that knows it', async () => {
    const world = await createWorld({
      routes: [{ path: '/*', upstream: UPSTREAM, credentials: ['api-key'], scopes: ['a'] }],
    })
    const ask = await administer(world)
    const { body } = await ask('POST', '/keys', { name: 'a key', scopes: ['a'] })
    const headers = { 'X-API-Key': String(body['key']) }
    expect((await world.send('/x', { headers })).status).toBe(200)
    await ask('PATCH', `/keys/${String(body['id'])}`, { scopes: [] })
    expect((await world.send('/x', { headers })).status).toBe(403)
  })

  it.each([
    ['/clients', { name: '' }, 400],
    ['/clients', { scopes: 'x' }, 400],
    ['/clients', { roles: ['a b'] }, 400],
    ['/clients', { claims: { sub: 'x' } }, 400],
    ['/clients', { jwks: { keys: [] } }, 400],
    ['/clients', { secret: 'x' }, 400],
    ['/clients', { claims: { a: 'x'.repeat(2000) } }, 400],
    ['/keys', { expires_at: 1 }, 400],
    ['/keys', { expires_at: 'soon' }, 400],
    ['/keys', { name: null }, 400],
  ])('is refused for what could not be made: %s %j', async (path, change, expected) => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const { body } = await ask('POST', path, { name: 'old' })
    expect((await ask('PATCH', `${path}/${String(body['id'])}`, change)).status).toBe(expected)
    expect(JSON.stringify((await ask('GET', path)).body)).toContain('"old"')
  })

  it('is 404 for one that has ended, is of the other kind, or never was', async () => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const { body } = await ask('POST', '/clients', { name: 'old' })
    const id = String(body['id'])
    expect((await ask('PATCH', `/keys/${id}`, { name: 'x' })).status).toBe(404)
    expect((await ask('PATCH', `/clients/${user.id}`, { name: 'x' })).status).toBe(404)
    await ask('DELETE', `/clients/${id}`)
    expect((await ask('PATCH', `/clients/${id}`, { name: 'x' })).status).toBe(404)
  })
})
