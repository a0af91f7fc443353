// HSTS on the gateway's own answers, and what a browser is asked to clear at sign-out.
import { describe, expect, it } from 'vitest'

import { CONSOLE, createConsoleWorld } from '../support/console.ts'
import { visit } from '../support/visitor.ts'
import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM, access: 'optional' },
  { path: '/closed', upstream: UPSTREAM },
]
const HSTS = 'Strict-Transport-Security'
const CLEAR = 'Clear-Site-Data'
const WEB = 'https://app.example.com'

function start(vars = {}, upstream: () => Response = () => new Response('theirs')): Promise<World> {
  return createWorld({ routes, vars, upstream })
}

async function hstsOf(world: World, path: string, init: RequestInit = {}): Promise<string | null> {
  const { method = 'GET', headers = {} } = init
  return (await world.send(path, { method, headers })).headers.get(HSTS)
}

function post(world: World, path: string, headers: Record<string, string>, body?: URLSearchParams): Promise<Response> {
  return world.send(path, { method: 'POST', headers, ...(body !== undefined && { body }) })
}

describe('HSTS', () => {
  it.each([
    ['/auth/sign-in', 'GET'],
    ['/auth/sign-in', 'HEAD'],
    ['/auth/session', 'GET'],
    ['/auth/sign-out', 'POST'],
    ['/auth/sign-in', 'DELETE'],
    ['/auth/nothing-here', 'GET'],
    ['/auth/health', 'GET'],
    ['/auth/admin/users', 'GET'],
    ['/auth/token', 'POST'],
    ['/.well-known/jwks.json', 'GET'],
    ['/AUTH/sign-in', 'GET'],
  ])('is on %s by %s, for a year and this host only', async (path, method) => {
    expect(await hstsOf(await start(), path, { method })).toBe('max-age=31536000')
  })

  it('is on pages, redirects and preflights', async () => {
    const world = await start({ WEB_ORIGINS: [WEB] })
    expect((await visit(world, '/auth/sign-in')).headers.get(HSTS)).toBe('max-age=31536000')
    expect((await visit(world, '/auth/account')).headers.get(HSTS)).toBe('max-age=31536000')
    const headers = { Origin: WEB, 'Access-Control-Request-Method': 'POST' }
    expect(await hstsOf(world, '/auth/refresh', { method: 'OPTIONS', headers })).toBe('max-age=31536000')
    expect(await hstsOf(world, '/auth/session', { headers: { Origin: WEB } })).toBe('max-age=31536000')
  })

  it('is on the console’s host', async () => {
    const world = await createConsoleWorld()
    for (const path of ['/sign-in', '/', '/nothing'])
      expect(await hstsOf(world, `${CONSOLE}${path}`)).toBe('max-age=31536000')
  })

  it.each([
    ['/x', null],
    ['/x', 'max-age=7; includeSubDomains'],
  ])('on the proxied answer of %s is the upstream’s own: %j', async (path, own) => {
    const world = await start({}, () => new Response('', { headers: own === null ? {} : { [HSTS]: own } }))
    expect(await hstsOf(world, path)).toBe(own)
  })

  it('is not on what a route refuses, whose host may be another', async () => {
    expect(await hstsOf(await start(), '/closed')).toBeNull()
  })

  it.each([
    ['off', null],
    ['0s', 'max-age=0'],
    ['30d', 'max-age=2592000'],
  ])('is as configured: %s', async (hsts, expected) => {
    expect(await hstsOf(await start({ PAGES: { hsts } }), '/auth/sign-in')).toBe(expected)
  })

  it('is not on an answer over http', async () => {
    const world = await start()
    expect(await hstsOf(world, `${ISSUER.replace('https:', 'http:')}/auth/sign-in`)).toBeNull()
  })

  it('is not where ISSUER is http', async () => {
    const world = await start({ ISSUER: 'http://localhost:8787' })
    expect(await hstsOf(world, 'http://localhost:8787/auth/sign-in')).toBeNull()
    expect(await hstsOf(world, 'https://localhost:8787/auth/sign-in')).toBeNull()
  })
})

describe('Clear-Site-Data', () => {
  const PAGES = { clear_site_data: ['cache', 'storage'] }
  const SAME = { 'Sec-Fetch-Site': 'same-origin' }

  it.each<[string, Record<string, string>, URLSearchParams | undefined]>([
    ['/auth/sign-out', SAME, undefined],
    ['/auth/sign-out-everywhere', SAME, undefined],
    ['/auth/sign-out', { ...SAME, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }, new URLSearchParams()],
    [
      '/auth/account',
      { ...SAME, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' },
      new URLSearchParams({ end: 'this session' }),
    ],
  ])('comes at %s where it is configured, and only there', async (path, headers, body) => {
    for (const [vars, expected] of [
      [{ PAGES }, '"cache", "storage"'],
      [{ PAGES: { clear_site_data: ['storage'] } }, '"storage"'],
      [{ PAGES: { clear_site_data: [] } }, null],
      [{}, null],
    ] as const) {
      const world = await start(vars)
      const Cookie = await world.signInForCookies()
      const session: unknown = await (await world.send('/auth/session', { headers: { Cookie } })).json()
      const form = body?.has('end') === true ? new URLSearchParams({ end: String(Object(session)['session']) }) : body
      const response = await post(world, path, { ...headers, Cookie }, form)
      expect([response.status < 400, response.headers.get(CLEAR)]).toEqual([true, expected])
      expect(response.headers.get(CLEAR) ?? '').not.toContain('cookies')
    }
  })

  it('does not come where no session of this browser ended', async () => {
    const world = await start({ PAGES })
    const Cookie = await world.signInForCookies()
    const { access } = await world.signInForTokens()
    const answers = [
      await post(world, '/auth/sign-out', { Authorization: `Bearer ${access}` }),
      await post(world, '/auth/sign-out', { 'Sec-Fetch-Site': 'cross-site', Cookie }),
      await post(world, '/auth/account', {
        ...SAME,
        'Sec-Fetch-Mode': 'navigate',
        'Sec-Fetch-Dest': 'document',
        Cookie,
      }),
      await post(world, '/auth/refresh', { ...SAME, Cookie }),
      await world.send('/auth/session', { headers: { Cookie } }),
      await world.send('/x', { headers: { Cookie } }),
    ]
    expect(answers.map(({ headers }) => headers.get(CLEAR))).toEqual([null, null, null, null, null, null])
  })

  it('does not come where the account page ends other devices, and renews this one', async () => {
    const world = await start({ PAGES })
    const [Cookie = ''] = (await world.signInForCookies()).split('; ')
    const headers = { ...SAME, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', Cookie }
    const response = await post(world, '/auth/account', headers, new URLSearchParams({ end: 'others' }))
    expect([response.status, response.headers.getSetCookie().length > 0]).toEqual([303, true])
    expect(response.headers.get(CLEAR)).toBeNull()
  })

  it('does not come where a session has ended by itself, which would take unsaved work along', async () => {
    const world = await start({ PAGES })
    const Cookie = await world.signInForCookies()
    const { access } = await world.signInForTokens()
    await world.bearer(access, '/auth/sign-out-everywhere', { method: 'POST' })
    const navigate = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }
    const answers = [
      await post(world, '/auth/refresh', { ...SAME, Cookie }),
      await post(world, '/auth/account', { ...SAME, ...navigate, Cookie }, new URLSearchParams({ end: 'all' })),
      await world.send('/auth/account', { headers: { ...navigate, Cookie } }),
    ]
    expect(answers.map(({ headers }) => headers.get(CLEAR))).toEqual([null, null, null])
  })
})
