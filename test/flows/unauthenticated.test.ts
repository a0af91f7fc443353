import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { NAVIGATION, read, submit, visit } from '../support/visitor.ts'
import type { World } from '../support/world.ts'
import { cookieHeader, createWorld, PASSWORD, UPSTREAM, user } from '../support/world.ts'

const SIGN_IN = 'https://api.example.com/auth/sign-in'
const signsIn = { path: '/*', upstream: UPSTREAM, revocation: 'session', unauthenticated: 'sign-in' }
const routes = [signsIn]

/** Follows redirects as a browser would, up to a page or an answer that is none. */
async function follow(world: World, path: string, cookie: string): Promise<{ hops: number; response: Response }> {
  let response = await visit(world, path, { Cookie: cookie })
  let hops = 0
  while (response.status === 303 && hops < 10) {
    hops += 1
    const location = new URL(response.headers.get('Location') ?? '', 'https://api.example.com')
    response = await visit(world, location.href, { Cookie: cookie })
  }
  return { hops, response }
}

describe('unauthenticated = "sign-in"', () => {
  it('sends a page to the sign-in page and, once signed in, back to where one was', async () => {
    const world = await createWorld({ routes })
    const away = await visit(world, '/orders/7?page=2&q=a%20b')
    expect(away.status).toBe(303)
    expect(away.headers.get('Cache-Control')).toBe('no-store')
    expect(away.headers.get('Vary')).toBe('Accept, Sec-Fetch-Dest, Sec-Fetch-Mode')
    const location = away.headers.get('Location') ?? ''
    expect(location).toBe(`${SIGN_IN}?return_to=%2Forders%2F7%3Fpage%3D2%26q%3Da%2520b`)
    const form = await read(await visit(world, location))
    const back = await submit(world, '/auth/sign-in', { ...form.carried, email: user.email, password: PASSWORD })
    expect(back.status).toBe(303)
    expect(back.headers.get('Location')).toBe('/orders/7?page=2&q=a%20b')
    const page = await visit(world, '/orders/7?page=2&q=a%20b', { Cookie: cookieHeader(back) })
    expect(page.status).toBe(200)
    expect(world.seen.map(({ url }) => url)).toEqual([`${UPSTREAM}/orders/7?page=2&q=a%20b`])
  })

  it.each<[string, string, Record<string, string>]>([
    ['XHR and fetch', 'GET', { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', Accept: '*/*' }],
    ['an API client', 'GET', { Accept: 'application/json' }],
    ['curl', 'GET', { Accept: '*/*' }],
    ['a frame', 'GET', { ...NAVIGATION, 'Sec-Fetch-Dest': 'iframe' }],
    ['a form, whose content would be lost', 'POST', NAVIGATION],
    ['a method that no page has', 'DELETE', NAVIGATION],
    ['a bad bearer token', 'GET', { ...NAVIGATION, Authorization: 'Bearer x' }],
  ])('leaves %s the 401', async (_, method, headers) => {
    const world = await createWorld({ routes })
    const response = await world.send('/orders', { method, headers })
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toMatch(/^Bearer/)
    expect(response.headers.get('Location')).toBeNull()
  })

  it('clears the cookies of a dead session on the way', async () => {
    const world = await createWorld({ routes })
    const cookie = await world.signInForCookies()
    await env.DB.prepare("UPDATE sessions SET ended_at = unixepoch(), end_reason = 'test'").run()
    const response = await visit(world, '/orders', { Cookie: cookie })
    expect(response.status).toBe(303)
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-gatehouse_session=; .*Max-Age=0$/),
      expect.stringMatching(/^__Host-gatehouse_access=; .*Max-Age=0$/),
    ])
  })

  it('is for those who are not signed in: a missing role is 403', async () => {
    const world = await createWorld({ routes: [{ ...signsIn, roles: ['admin'] }] })
    const response = await visit(world, '/orders', { Cookie: await world.signInForCookies() })
    expect(response.status).toBe(403)
  })

  it('does not blame the visitor for an outage: 503', async () => {
    const broken = { batch: () => Promise.reject(new Error('down')), prepare: (sql: string) => env.DB.prepare(sql) }
    const world = await createWorld({ routes, bindings: { DB: broken } })
    const signedIn = await createWorld({ routes })
    const response = await signedIn.sendIn(world.env, '/orders', {
      headers: { ...NAVIGATION, Cookie: await signedIn.signInForCookies() },
    })
    expect(response.status).toBe(503)
  })

  it('sends nobody anywhere from another host, where the cookies never come', async () => {
    const world = await createWorld({ routes })
    const response = await visit(world, 'https://other.example.com/orders')
    expect(response.status).toBe(401)
    expect(response.headers.get('Location')).toBeNull()
  })

  it('sends from a route with CORS too', async () => {
    const world = await createWorld({ routes: [{ ...signsIn, cors: { origins: ['https://app.example.com'] } }] })
    const response = await visit(world, '/orders')
    expect(response.status).toBe(303)
    expect(response.headers.get('Vary')).toBe('Accept, Sec-Fetch-Dest, Sec-Fetch-Mode, Origin')
  })

  it('is off by default', async () => {
    const world = await createWorld()
    expect((await visit(world, '/orders')).status).toBe(401)
  })

  it('also sends from a path that return_to may not hold, and forgets it', async () => {
    const world = await createWorld({ routes })
    const response = await visit(world, `/orders?${'a'.repeat(3000)}`)
    expect(response.headers.get('Location')).toBe(SIGN_IN)
  })
})

describe('nobody goes round in circles', () => {
  it.each<[string, (world: World) => Promise<string>]>([
    ['without cookies', async () => ''],
    ['with a good session', (world) => world.signInForCookies()],
    [
      'with a dead session, and a browser that keeps its cookies',
      async (world) => {
        const cookie = await world.signInForCookies()
        await env.DB.prepare("UPDATE sessions SET ended_at = unixepoch(), end_reason = 'test'").run()
        return cookie
      },
    ],
    [
      'with forged cookies',
      async (world) => (await world.signInForCookies()).replaceAll(/\.[\w-]{43}/g, `.${'A'.repeat(43)}`),
    ],
  ])('%s', async (_, cookieOf) => {
    const world = await createWorld({ routes })
    const { hops, response } = await follow(world, '/orders', await cookieOf(world))
    expect(hops).toBeLessThanOrEqual(1)
    expect(response.status).toBe(200)
  })

  it('whose sign-in is too old: the page waits for him, and says why', async () => {
    const world = await createWorld({ routes: [{ ...signsIn, max_auth_age: '10m' }] })
    const cookie = await world.signInForCookies()
    await env.DB.prepare('UPDATE sessions SET auth_time = auth_time - 3600').run()
    const session = cookie.split('; ').find((pair) => pair.includes('gatehouse_session')) ?? ''
    const away = await visit(world, '/orders', { Cookie: session })
    expect(away.headers.get('Location')).toBe(`${SIGN_IN}?return_to=%2Forders&prompt=login`)
    const { hops, response } = await follow(world, '/orders', session)
    expect(hops).toBe(1)
    const form = await read(response)
    expect(form.text).toContain('needs a recent sign-in')
    const members = { ...form.carried, email: user.email, password: PASSWORD }
    const back = await submit(world, '/auth/sign-in', members, { Cookie: session })
    expect(back.headers.get('Location')).toBe('/orders')
    expect((await visit(world, '/orders', { Cookie: cookieHeader(back) })).status).toBe(200)
  })
})
