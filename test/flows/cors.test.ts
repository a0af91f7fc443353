import { describe, expect, it } from 'vitest'

import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'

const APP = 'https://app.example.com'
const options = {
  vars: { WEB_ORIGINS: [APP] },
  routes: [
    { path: '/*', upstream: UPSTREAM },
    { path: '/own-cors/*', upstream: UPSTREAM, cors: false },
    { path: '/anyone/*', upstream: UPSTREAM, access: 'public', cors: { origins: ['*'] } },
  ],
}
const preflight = (origin: string, method = 'POST') => ({
  method: 'OPTIONS',
  headers: {
    Origin: origin,
    'Access-Control-Request-Method': method,
    'Access-Control-Request-Headers': 'content-type',
  },
})

describe('a web app on a sibling host that is configured', () => {
  it('is answered its preflight before any credential is asked for', async () => {
    const world = await createWorld(options)
    const response = await world.send('/orders', preflight(APP))
    expect(response.status).toBe(204)
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe(APP)
    expect(response.headers.get('Access-Control-Allow-Credentials')).toBe('true')
    expect(world.seen).toEqual([])
  })

  it('is answered a preflight by the route of the method that it asks for', async () => {
    const routes = [
      { path: '/orders', methods: ['GET'], upstream: UPSTREAM, cors: { origins: ['https://other.example.com'] } },
      { path: '/orders', methods: ['DELETE'], upstream: UPSTREAM },
    ]
    const world = await createWorld({ ...options, routes })
    const asked = await Promise.all(
      ['GET', 'DELETE', 'PUT'].map((method) => world.send('/orders', preflight(APP, method))),
    )
    const allowed = asked.map(({ status, headers }) => [status, headers.get('Access-Control-Allow-Methods')])
    expect(allowed).toEqual([
      [204, null],
      [204, 'DELETE'],
      [405, null],
    ])
  })

  it('writes with cookies, and reads the answer', async () => {
    const world = await createWorld(options)
    const cookie = await world.signInForCookies()
    const headers = { Cookie: cookie, Origin: APP, 'Sec-Fetch-Site': 'same-site' }
    const response = await world.send('/orders', { method: 'POST', headers })
    expect(response.status).toBe(200)
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe(APP)
    expect(response.headers.get('Vary')).toContain('Origin')
  })

  it('reads denials of routes and of the gateway itself', async () => {
    const world = await createWorld(options)
    for (const path of ['/orders', '/auth/session']) {
      const response = await world.send(path, { headers: { Origin: APP } })
      expect(response.status).toBe(401)
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe(APP)
    }
  })

  it('reads what is refused before it has a route', async () => {
    const routes = [{ path: '/orders', upstream: UPSTREAM, methods: ['GET'] }]
    const world = await createWorld({ ...options, routes })
    const send = (path: string, method: string) => world.send(path, { method, headers: { Origin: APP } })
    const responses = await Promise.all([send('/nowhere', 'GET'), send('/orders', 'DELETE'), send('/a%2fb', 'GET')])
    expect(responses.map(({ status }) => status)).toEqual([404, 405, 400])
    expect(responses.map(({ headers }) => headers.get('Access-Control-Allow-Origin'))).toEqual([APP, APP, APP])
  })

  it('signs in and out with cookies from there', async () => {
    const world = await createWorld(options)
    const preflighted = await world.send('/auth/sign-out', preflight(APP))
    expect(preflighted.status).toBe(204)
    expect(preflighted.headers.get('Access-Control-Allow-Origin')).toBe(APP)
    expect(preflighted.headers.get('Access-Control-Allow-Methods')).toBe('GET, HEAD, POST, DELETE')
    const cookie = await world.signInForCookies()
    const response = await world.send('/auth/sign-out', { method: 'POST', headers: { Cookie: cookie, Origin: APP } })
    expect(response.status).toBe(200)
    expect(response.headers.get('Access-Control-Allow-Credentials')).toBe('true')
  })
})

describe('a web app that is not configured', () => {
  it.each([
    'https://evil.test',
    'https://app.example.com.evil.test',
    'http://app.example.com',
    'null',
    'https://APP.example.com',
  ])('%s gets neither preflight nor answer nor write', async (origin) => {
    const world = await createWorld(options)
    const cookie = await world.signInForCookies()
    const asked = await world.send('/orders', preflight(origin))
    expect(asked.headers.get('Access-Control-Allow-Origin')).toBeNull()
    const read = await world.send('/orders', { headers: { Cookie: cookie, Origin: origin } })
    expect(read.headers.get('Access-Control-Allow-Origin')).toBeNull()
    world.seen.length = 0
    const written = await world.send('/orders', { method: 'POST', headers: { Cookie: cookie, Origin: origin } })
    expect(written.status).toBe(403)
    expect(world.seen).toEqual([])
  })
})

const upstream = () =>
  new Response('x', {
    headers: { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Credentials': 'true', Vary: 'Accept' },
  })

describe('CORS headers of the upstream', () => {
  it('are replaced where the gateway does CORS', async () => {
    const world = await createWorld({ ...options, upstream })
    const { access } = await world.signInForTokens()
    const response = await world.bearer(access, '/orders', { headers: { Origin: 'https://evil.test' } })
    expect(response.headers.get('Access-Control-Allow-Origin')).toBeNull()
    expect(response.headers.get('Access-Control-Allow-Credentials')).toBeNull()
    expect(response.headers.get('Vary')).toBe('Accept, Origin')
  })

  it('are untouched where it does not, and its preflights go upstream without an identity', async () => {
    const world = await createWorld({ ...options, upstream })
    const cookie = await world.signInForCookies()
    const asked = preflight('https://evil.test')
    const response = await world.send('/own-cors/x', {
      ...asked,
      headers: { ...asked.headers, Cookie: cookie, Authorization: 'Bearer x' },
    })
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*')
    const headers = world.seen[0]?.headers
    expect(headers?.get('Gatehouse-Subject')).toBeNull()
    expect(headers?.get('Authorization')).toBeNull()
    expect(headers?.get('Cookie')).toBeNull()
  })

  it('a preflight takes neither body nor cookies along, and is counted by the route’s limit', async () => {
    const API_LIMIT = { limit: async () => ({ success: false }) }
    const world = await createWorld({
      bindings: { API_LIMIT },
      routes: [
        { path: '/*', upstream: UPSTREAM },
        { path: '/limited/*', upstream: UPSTREAM, rate_limit: 'API_LIMIT' },
      ],
    })
    const asked = preflight('https://evil.test')
    const headers = { ...asked.headers, Cookie: 'app_session=victim', 'X-Any': '1' }
    expect((await world.send('/x', { method: 'OPTIONS', headers, body: '{"write":true}' })).status).toBe(200)
    expect(world.seen.map(({ body, headers: seen }) => [body, seen.get('Cookie')])).toEqual([['', null]])
    expect((await world.send('/limited/x', asked)).status).toBe(429)
  })

  it('`*` is for everybody, without credentials', async () => {
    const world = await createWorld(options)
    const response = await world.send('/anyone/x', { headers: { Origin: 'https://evil.test' } })
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*')
    expect(response.headers.get('Access-Control-Allow-Credentials')).toBeNull()
  })
})

describe('a write with cookies', () => {
  it.each([
    ['same-origin', { 'Sec-Fetch-Site': 'same-origin' }, 200],
    ['the origin of ISSUER', { Origin: ISSUER }, 200],
    ['neither header', {}, 403],
    ['same-site without a known origin', { 'Sec-Fetch-Site': 'same-site' }, 403],
    ['none', { 'Sec-Fetch-Site': 'none' }, 403],
    ['joined twice', { 'Sec-Fetch-Site': 'same-origin, same-origin' }, 403],
  ])('from %s', async (_, headers, status) => {
    const world = await createWorld(options)
    const cookie = await world.signInForCookies()
    const response = await world.send('/orders', { method: 'DELETE', headers: { Cookie: cookie, ...headers } })
    expect(response.status).toBe(status)
  })

  it('by bearer needs no origin', async () => {
    const world = await createWorld(options)
    const { access } = await world.signInForTokens()
    expect(
      (await world.bearer(access, '/orders', { method: 'DELETE', headers: { Origin: 'https://evil.test' } })).status,
    ).toBe(200)
  })
})
