import { describe, expect, it } from 'vitest'

import { pageProblems } from '../support/html.ts'
import { NAVIGATION, read, submit, visit } from '../support/visitor.ts'
import { createWorld, UPSTREAM } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/staff', upstream: UPSTREAM, roles: ['admin'] },
  { path: '/public', upstream: UPSTREAM, access: 'public', methods: ['GET'] },
]

const missing = () => Response.json({ nothing: 'here' }, { status: 404 })

describe('a page that is refused', () => {
  it('is answered as a page, with the status and the headers of the refusal', async () => {
    const world = await createWorld({ routes })
    const response = await visit(world, '/orders')
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer')
    const { html, text } = await read(response)
    expect(pageProblems(html)).toEqual([])
    expect(text).toContain('credential_required')
    expect(world.seen).toEqual([])
  })

  it('tells the request id of the log', async () => {
    const world = await createWorld({ routes })
    const { text } = await read(await visit(world, '/orders'))
    expect(world.logged).toHaveLength(1)
    expect(text).toContain(String(world.logged[0]?.['request_id']))
  })

  it('is not stored, framed or told of elsewhere, and takes no code and no form', async () => {
    const world = await createWorld({ routes })
    const { headers } = await visit(world, '/orders')
    expect(headers.get('Content-Security-Policy')).toMatch(
      /^default-src 'none'; style-src 'nonce-[\w-]{22}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'$/,
    )
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'no-store',
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'same-origin',
      vary: 'Accept, Sec-Fetch-Dest, Sec-Fetch-Mode',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
  })

  it.each<[string, string, number, string]>([
    ['/auth/nothing', 'GET', 404, 'no_route'],
    ['/auth/session', 'GET', 401, 'credential_required'],
    ['/auth/refresh', 'GET', 405, 'method_not_allowed'],
    ['/public', 'POST', 405, 'method_not_allowed'],
    ['//orders', 'GET', 400, 'ambiguous_path'],
    ['/staff', 'GET', 403, 'insufficient_role'],
  ])('%s %s is %i %s', async (path, method, status, code) => {
    const world = await createWorld({ routes })
    const headers = { ...NAVIGATION, Cookie: path === '/staff' ? await world.signInForCookies() : '' }
    const response = await world.send(path, { method, headers })
    expect(response.status).toBe(status)
    if (status === 405) expect(response.headers.get('Allow')).toMatch(/[A-Z]/)
    const { html, text } = await read(response)
    expect(pageProblems(html)).toEqual([])
    expect(text).toContain(code)
  })

  it('says when to come back, where the upstream is away, too', async () => {
    const failing = { path: '/*', upstream: UPSTREAM, access: 'public' }
    const world = await createWorld({ routes: [failing], upstream: () => Promise.reject(new Error('the reason')) })
    const response = await visit(world, '/orders')
    expect(response.status).toBe(502)
    const { html } = await read(response)
    expect(html).toContain('upstream_unreachable')
    expect(html).not.toContain('the reason')
  })

  it('clears the cookies of a dead session', async () => {
    const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM, revocation: 'session' }] })
    const cookie = await world.signInForCookies()
    await submit(world, '/auth/sign-out', {}, { Cookie: cookie })
    const response = await visit(world, '/orders', { Cookie: cookie })
    expect(response.status).toBe(401)
    expect(response.headers.getSetCookie()).toHaveLength(2)
    expect((await read(response)).text).toContain('session_ended')
  })

  it('offers to sign in, on the way back to where one was', async () => {
    const world = await createWorld({ routes })
    const { find } = await read(await visit(world, '/orders?page=2'))
    expect(find('a', 'class', 'button')?.attributes['href']).toBe(
      'https://api.example.com/auth/sign-in?return_to=%2Forders%3Fpage%3D2',
    )
  })

  it('offers nothing where nobody can sign in, or where signing in would not help', async () => {
    const off = await createWorld({ routes, vars: { PASSWORDS: { sign_in: false } } })
    expect((await read(await visit(off, '/orders'))).find('a')).toBeUndefined()
    const world = await createWorld({ routes })
    expect((await read(await visit(world, '/auth/nothing'))).find('a')).toBeUndefined()
  })

  it('has CORS headers where the route has', async () => {
    const cors = { origins: ['https://app.example.com'], credentials: true }
    const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM, cors }] })
    const { headers } = await visit(world, '/orders', { Origin: 'https://app.example.com' })
    expect(headers.get('Vary')).toBe('Accept, Sec-Fetch-Dest, Sec-Fetch-Mode, Origin')
  })

  it('of a gateway that is misconfigured is a page as well, and tells nothing of the problem', async () => {
    const world = await createWorld()
    const env = { ...world.env, ISSUER: 'nonsense' }
    const response = await world.sendIn(env, '/orders', { headers: NAVIGATION })
    expect(response.status).toBe(503)
    expect(response.headers.get('Retry-After')).toBe('60')
    const { html, text } = await read(response)
    expect(pageProblems(html)).toEqual([])
    expect(text).toContain('misconfigured')
    expect(html).not.toContain('ISSUER')
  })
})

describe('everybody else', () => {
  it.each<[string, Record<string, string>]>([
    ['curl', { Accept: '*/*' }],
    ['fetch', { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', Accept: '*/*' }],
    ['an API client', { Accept: 'application/json' }],
    ['a client without headers', {}],
    ['a frame', { ...NAVIGATION, 'Sec-Fetch-Dest': 'iframe' }],
  ])('%s gets problem+json as ever', async (_, headers) => {
    const world = await createWorld({ routes })
    const response = await world.send('/orders', { headers })
    expect(Object.fromEntries(response.headers)).toEqual({
      'cache-control': 'no-store',
      'content-type': 'application/problem+json',
      'www-authenticate': 'Bearer',
      'x-content-type-options': 'nosniff',
    })
    expect(await response.json()).toMatchObject({ code: 'credential_required', status: 401 })
  })

  it('gets the upstream’s own errors untouched, pages too', async () => {
    const world = await createWorld({
      routes: [{ path: '/*', upstream: UPSTREAM, access: 'public' }],
      upstream: missing,
    })
    expect(await (await visit(world, '/orders')).json()).toEqual({ nothing: 'here' })
  })
})
