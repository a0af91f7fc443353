import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'

import { createWorld, UPSTREAM, user } from '../support/world.ts'

const routes = [
  { path: '/scoped/*', upstream: UPSTREAM, scopes: ['orders:read', 'orders:write'] },
  { path: '/staff/*', upstream: UPSTREAM, roles: ['staff', 'admin'] },
  { path: '/admin/*', upstream: UPSTREAM, roles: ['admin'] },
  { path: '/t/:tenant/*', upstream: UPSTREAM, claims: { tenant: ':tenant' } },
  { path: '/recent/*', upstream: UPSTREAM, max_auth_age: '10m' },
  { path: '/optional/*', upstream: UPSTREAM, access: 'optional' },
  { path: '/observed/*', upstream: UPSTREAM, access: 'observe', roles: ['admin'] },
  { path: '/limited/*', upstream: UPSTREAM, rate_limit: 'API_LIMIT' },
  { path: '/limited-public/*', upstream: UPSTREAM, rate_limit: 'API_LIMIT', access: 'public' },
  { path: '/read/*', upstream: UPSTREAM, methods: ['GET'] },
  { path: '/handed-on/*', upstream: UPSTREAM, forward_token: true },
  { path: '/public/*', upstream: UPSTREAM, access: 'public' },
  { path: '/cookie-only/*', upstream: UPSTREAM, credentials: ['cookie'] },
  { path: '/bearer-only/*', upstream: UPSTREAM, credentials: ['bearer'] },
]

describe('a policy', () => {
  it('of scopes asks for all of them, and names what is missing (RFC 6750 §3.1)', async () => {
    const world = await createPolicyWorld()
    const { access } = await world.signInForTokens()
    const response = await world.bearer(access, '/scoped/x')
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ code: 'insufficient_scope', missing: ['orders:write'] })
    expect(response.headers.get('WWW-Authenticate')).toBe(
      'Bearer error="insufficient_scope", scope="orders:read orders:write"',
    )
    expect(world.seen).toEqual([])
  })

  it('of roles asks for any of them', async () => {
    const world = await createPolicyWorld()
    const { access } = await world.signInForTokens()
    expect((await world.bearer(access, '/staff/x')).status).toBe(200)
    const refused = await world.bearer(access, '/admin/x')
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ code: 'insufficient_role', missing: ['admin'] })
  })

  it.each([
    ['/t/acme/x', 200],
    ['/T/acme/x', 200],
    ['/t/%61cme/x', 200],
    ['/t/other/x', 403],
    ['/t/ACME/x', 403],
  ])('of claims compares with what the path binds: %s is %i', async (path, status) => {
    const world = await createPolicyWorld()
    const { access } = await world.signInForTokens()
    expect((await world.bearer(access, path)).status).toBe(status)
  })

  it('of a recent sign-in answers as RFC 9470 §3 asks', async () => {
    const world = await createPolicyWorld()
    await env.DB.prepare('UPDATE sessions SET auth_time = auth_time - 601').run()
    const { access } = await world.signInForTokens()
    expect((await world.bearer(access, '/recent/x')).status).toBe(200)
    vi.useFakeTimers({ toFake: ['Date'] })
    vi.setSystemTime(Date.now() + 601_000)
    const response = await world.bearer(access, '/recent/x')
    vi.useRealTimers()
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toBe(
      'Bearer error="insufficient_user_authentication", max_age="600"',
    )
    expect(await response.json()).toMatchObject({ code: 'insufficient_user_authentication', max_age: 600 })
  })
})

describe('access', () => {
  it('`required` refuses who sends nothing, with a bare challenge', async () => {
    const world = await createPolicyWorld()
    const response = await world.send('/staff/x')
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer')
    expect(await response.json()).toMatchObject({ code: 'credential_required' })
  })

  it('`optional` passes nobody without identity headers, somebody with, and refuses a bad token', async () => {
    const world = await createPolicyWorld()
    const { access } = await world.signInForTokens()
    const spoofed = { headers: { 'Gatehouse-Subject': 'admin' } }
    expect((await world.send('/optional/x', spoofed)).status).toBe(200)
    expect((await world.bearer(access, '/optional/x')).status).toBe(200)
    expect((await world.bearer(`${access}x`, '/optional/x')).status).toBe(401)
    expect(world.seen.map(({ headers }) => headers.get('Gatehouse-Subject'))).toEqual([null, user.id])
  })

  it('`public` looks at no credential and hands Authorization on', async () => {
    const world = await createPolicyWorld()
    expect((await world.bearer('garbage', '/public/x')).status).toBe(200)
    expect(world.seen[0]?.headers.get('Authorization')).toBe('Bearer garbage')
    expect(world.seen[0]?.headers.get('Gatehouse-Assertion')).toBeNull()
  })

  it('`observe` forwards whatever comes, without identity, and logs what `required` would have said', async () => {
    const world = await createPolicyWorld()
    const { access } = await world.signInForTokens()
    expect((await world.send('/observed/x')).status).toBe(200)
    expect((await world.bearer('garbage', '/observed/x')).status).toBe(200)
    expect((await world.bearer(access, '/observed/x')).status).toBe(200)
    await env.DB.prepare(`UPDATE users SET roles = '["admin"]'`).run()
    const admin = await world.signInForTokens()
    expect((await world.bearer(admin.access, '/observed/x')).status).toBe(200)
    const observed = world.logged.filter(({ event }) => event === 'observed')
    expect(observed.map(({ code, reason }) => code ?? reason)).toEqual([
      'credential_required',
      'invalid_token',
      'insufficient_role',
      'would pass',
    ])
    expect(world.seen.every(({ headers }) => !headers.has('Gatehouse-Subject'))).toBe(true)
    expect(world.seen.map(({ headers }) => headers.get('Authorization'))).toEqual([null, 'Bearer garbage', null, null])
  })
})

describe('credentials', () => {
  it('count only where the route names their kind', async () => {
    const world = await createPolicyWorld()
    const { access } = await world.signInForTokens()
    const cookie = await world.signInForCookies()
    const status = async (path: string, headers: Record<string, string>) => (await world.send(path, { headers })).status
    const bearer = { Authorization: `Bearer ${access}` }
    expect(await status('/cookie-only/x', bearer)).toBe(401)
    expect(await status('/cookie-only/x', { Cookie: cookie })).toBe(200)
    expect(await status('/bearer-only/x', { Cookie: cookie })).toBe(401)
    expect(await status('/bearer-only/x', bearer)).toBe(200)
  })

  it('a bad bearer never falls back to good cookies', async () => {
    const world = await createPolicyWorld()
    const cookie = await world.signInForCookies()
    const headers = { Cookie: cookie, Authorization: 'Bearer garbage' }
    expect((await world.send('/staff/x', { headers })).status).toBe(401)
  })

  it('`forward_token` leaves Authorization for the upstream, and nothing else does', async () => {
    const world = await createPolicyWorld()
    const { access } = await world.signInForTokens()
    await world.bearer(access, '/handed-on/x')
    await world.bearer(access, '/staff/x')
    expect(world.seen.map(({ headers }) => headers.get('Authorization'))).toEqual([`Bearer ${access}`, null])
  })

  it("the gateway's cookies never reach the upstream, others do", async () => {
    const world = await createPolicyWorld()
    const cookie = await world.signInForCookies()
    await world.send('/staff/x', { headers: { Cookie: `theme=dark; ${cookie}; lang=en` } })
    await world.send('/public/x', { headers: { Cookie: `theme=dark; ${cookie}; lang=en` } })
    expect(world.seen.map(({ headers }) => headers.get('Cookie'))).toEqual([
      'theme=dark; lang=en',
      'theme=dark; lang=en',
    ])
  })
})

describe('a rate limit', () => {
  it('counts by subject where there is one, else by address, and answers 429', async () => {
    const keys: string[] = []
    const API_LIMIT = { limit: async ({ key }: { key: string }) => ({ success: keys.push(key) < 6 }) }
    const world = await createPolicyWorld({ API_LIMIT })
    const { access } = await world.signInForTokens()
    const address = { headers: { 'CF-Connecting-IP': '2001:db8:1:2:3:4:5:6' } }
    expect((await world.bearer(access, '/limited/x')).status).toBe(200)
    expect((await world.send('/limited-public/x', address)).status).toBe(200)
    const refused = await world.send('/limited-public/x', address)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('Retry-After')).toMatch(/^\d+$/)
    expect(keys.slice(0, 3)).toEqual([
      'address unknown',
      `https://api.example.com ${user.id}`,
      'address 2001:db8:1:2::/64',
    ])
  })

  it('that fails lets nothing pass', async () => {
    const API_LIMIT = { limit: () => Promise.reject(new Error('down')) }
    const world = await createPolicyWorld({ API_LIMIT })
    expect((await world.send('/limited-public/x')).status).toBe(503)
    expect(world.seen).toEqual([])
  })
})

describe('methods', () => {
  it.each(['POST', 'DELETE', 'OPTIONS'])('%s is refused where the route knows GET only', async (method) => {
    const world = await createPolicyWorld()
    const response = await world.send('/read/x', { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('Allow')).toBe('GET, HEAD')
    expect(world.seen).toEqual([])
  })

  it('a path without a route is 404', async () => {
    const world = await createPolicyWorld()
    expect((await world.send('/nowhere')).status).toBe(404)
  })
})

function createPolicyWorld(bindings: Record<string, unknown> = {}) {
  const API_LIMIT = { limit: async () => ({ success: true }) }
  return createWorld({ routes, bindings: { API_LIMIT, ...bindings } })
}
