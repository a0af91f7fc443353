// A route's rate limit comes before D1, KV and signatures for every credential that the isolate does not know.
import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'

import type { JsonObject } from '../../src/json.ts'
import { createKeyId, createKeyText } from '../../src/keys/format.ts'
import { end, makeKey } from '../support/api-keys.ts'
import { createWorld, ISSUER, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const all = { upstream: UPSTREAM, credentials: ['bearer', 'cookie', 'api-key'], rate_limit: 'API_LIMIT' }
const routes = [
  { ...all, path: '/*' },
  { ...all, path: '/strict/*', revocation: 'session' },
  { ...all, path: '/expiry/*', revocation: 'expiry' },
  { ...all, path: '/optional/*', access: 'optional' },
  { ...all, path: '/observe/*', access: 'observe' },
  { ...all, path: '/admin/*', scopes: ['admin:all'] },
]

const ADDRESS = '2001:db8:1:2::3'
const BLOCK = 'address 2001:db8:1:2::/64'
const SUBJECT = `${ISSUER} ${user.id}`
const FREE = { roundTrips: 0, gets: 0, puts: 0 }

/** A world whose limiter notes what it is asked, and allows what `allows` says. */
async function createLimited(allows: (key: string) => boolean = () => true) {
  const asked: string[] = []
  const limit = async ({ key }: { key: string }) => {
    // The wider blocks of an address have keys of their own.
    if (!/::\/(?:56|48)/.test(key)) asked.push(key)
    return { success: allows(key) }
  }
  const world = await createWorld({ routes, bindings: { API_LIMIT: { limit } } })
  const send = (path: string, headers: Record<string, string> = {}) =>
    world.send(path, { headers: { 'CF-Connecting-IP': ADDRESS, ...headers } })
  /** What one request asked, in its order. */
  const askedBy = async (path: string, headers: Record<string, string> = {}) => {
    asked.length = 0
    const { status } = await send(path, headers)
    return { status, asked: [...asked] }
  }
  return { world, send, askedBy }
}

function bearer(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token}` }
}

/** A token whose signature is damaged. */
function forge(token: string): string {
  const at = token.lastIndexOf('.') + 5
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

/** Every credential that an isolate does not know, good ones among them. */
const STRANGERS: Readonly<Record<string, (world: World) => Promise<Record<string, string>>>> = {
  'a good token': async (world) => bearer((await world.signInForTokens()).access),
  'a forged token': async (world) => bearer(forge((await world.signInForTokens()).access)),
  garbage: async () => bearer('garbage'),
  'a good API key': async () => bearer((await makeKey()).text),
  'a bogus API key': async () => bearer(createKeyText(createKeyId()).text),
  'a bogus API key in X-API-Key': async () => ({ 'X-API-Key': createKeyText(createKeyId()).text }),
  'an API key that has ended': async () => {
    const { id, text } = await makeKey()
    await end(id)
    return bearer(text)
  },
  'a session cookie alone': async (world) => ({ Cookie: (await world.signInForCookies()).split('; ')[0] ?? '' }),
  'a forged session cookie': async (world) => ({
    Cookie: `${(await world.signInForCookies()).split('; ')[0]?.slice(0, -3)}AAA`,
  }),
  'a session cookie with a bogus access cookie': async (world) => ({
    Cookie: `${(await world.signInForCookies()).split('; ')[0]}; __Host-gatehouse_access=bogus`,
  }),
  'both cookies, unknown here': async (world) => ({ Cookie: await world.signInForCookies() }),
}

describe('what an isolate does not know', () => {
  it.each(Object.entries(STRANGERS))('%s: is limited by address before D1, KV and signatures', async (_, make) => {
    const { world, send } = await createLimited((key) => !key.startsWith('address'))
    const headers = await make(world)
    // The isolate tries its own keys at its first request.
    await world.send('/x')
    world.count()
    const verify = vi.spyOn(crypto.subtle, 'verify')
    for (const path of ['/x', '/strict/x', '/expiry/x', '/optional/x']) {
      expect((await send(path, headers)).status).toBe(429)
    }
    expect(world.count()).toEqual(FREE)
    expect(verify).not.toHaveBeenCalled()
    expect(world.seen).toEqual([])
  })

  it.each(Object.entries(STRANGERS))('%s: asks nothing beside a route that only observes', async (_, make) => {
    const { world, send } = await createLimited((key) => !key.startsWith('address'))
    const headers = await make(world)
    world.count()
    expect((await send('/observe/x', headers)).status).toBe(429)
    expect(world.count()).toEqual(FREE)
  })

  it('is counted against its address once, also where it is refused', async () => {
    const { askedBy } = await createLimited()
    expect(await askedBy('/x', bearer('garbage'))).toEqual({ status: 401, asked: [BLOCK] })
    expect(await askedBy('/x', bearer(createKeyText(createKeyId()).text))).toEqual({ status: 401, asked: [BLOCK] })
  })

  it('is counted by its subject too where it is good', async () => {
    const { world, askedBy } = await createLimited()
    const { access } = await world.signInForTokens()
    expect(await askedBy('/x', bearer(access))).toEqual({ status: 200, asked: [BLOCK, SUBJECT] })
  })
})

describe('a token that an isolate knows', () => {
  it.each(['/x', '/strict/x', '/expiry/x', '/optional/x'])('costs one call on %s, by its subject', async (path) => {
    const { world, send, askedBy } = await createLimited()
    const { access } = await world.signInForTokens()
    await send(path, bearer(access))
    expect(await askedBy(path, bearer(access))).toEqual({ status: 200, asked: [SUBJECT] })
  })

  it('is limited before D1 where each request asks D1', async () => {
    const known = { isFull: false }
    const { world, send } = await createLimited((key) => !(known.isFull && key === SUBJECT))
    const { access } = await world.signInForTokens()
    await send('/strict/x', bearer(access))
    known.isFull = true
    world.count()
    expect((await send('/strict/x', bearer(access))).status).toBe(429)
    expect(world.count()).toEqual(FREE)
  })

  it('is not kept out by what others send from its address', async () => {
    const address = { isFull: false }
    const { world, send } = await createLimited((key) => key === SUBJECT || !address.isFull)
    const { access } = await world.signInForTokens()
    await send('/x', bearer(access))
    address.isFull = true
    expect((await send('/x', bearer('garbage'))).status).toBe(429)
    expect((await send('/x', bearer(access))).status).toBe(200)
  })

  it('counts against its address where it is refused, and against nobody once it has ended', async () => {
    const { world, send, askedBy } = await createLimited()
    const { access } = await world.signInForTokens()
    await send('/x', bearer(access))
    expect(await askedBy('/admin/x', bearer(access))).toEqual({ status: 403, asked: [SUBJECT, BLOCK] })
    await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch()').run()
    await send('/strict/x', bearer(access))
    expect(await askedBy('/strict/x', bearer(access))).toEqual({ status: 401, asked: [BLOCK] })
  })

  it('is one that cookies carry, and a key that D1 was asked about', async () => {
    const { world, send, askedBy } = await createLimited()
    const { id, text } = await makeKey()
    const cookies = { Cookie: await world.signInForCookies() }
    for (const headers of [cookies, bearer(text)]) await send('/x', headers)
    expect(await askedBy('/x', cookies)).toEqual({ status: 200, asked: [SUBJECT] })
    expect(await askedBy('/x', bearer(text))).toEqual({ status: 200, asked: [`${ISSUER} ${id}`] })
  })

  it('is not another session cookie beside its access cookie', async () => {
    const { world, send, askedBy } = await createLimited()
    const [first, second] = [await world.signInForCookies(), await world.signInForCookies()]
    await send('/x', { Cookie: first })
    const mixed = { Cookie: `${second.split('; ')[0]}; ${first.split('; ')[1]}` }
    expect((await askedBy('/x', mixed)).asked[0]).toBe(BLOCK)
  })
})

describe('a request without a credential', () => {
  it('costs nothing where it is refused, and one call where it passes', async () => {
    const { askedBy } = await createLimited()
    expect(await askedBy('/x')).toEqual({ status: 401, asked: [] })
    expect(await askedBy('/optional/x')).toEqual({ status: 200, asked: [BLOCK] })
  })

  it('with two credentials is counted against its address', async () => {
    const { askedBy } = await createLimited()
    const headers = { ...bearer('garbage'), 'X-API-Key': createKeyText(createKeyId()).text }
    expect(await askedBy('/x', headers)).toEqual({ status: 400, asked: [BLOCK] })
  })
})

describe('a limit that cannot be asked', () => {
  it('lets nothing pass, known or not', async () => {
    const down = { isDown: false }
    const limit = async () => {
      if (down.isDown) throw new Error('down')
      return { success: true }
    }
    const world = await createWorld({ routes, bindings: { API_LIMIT: { limit } } })
    const { access } = await world.signInForTokens()
    await world.bearer(access, '/x')
    down.isDown = true
    const sent = [world.bearer(access, '/x'), world.bearer('garbage', '/x'), world.send('/optional/x')]
    expect((await Promise.all(sent)).map(({ status }) => status)).toEqual([503, 503, 503])
    expect(world.seen).toHaveLength(1)
  })
})

/** What each of five repetitions costs, after the first. */
async function costs(world: World, send: () => Promise<Response>): Promise<unknown> {
  expect((await send()).status).toBe(401)
  world.count()
  for (let time = 0; time < 5; time += 1) expect((await send()).status).toBe(401)
  return world.count()
}

describe('the credential of an ended session, replayed', () => {
  const plain: readonly JsonObject[] = [
    { path: '/*', upstream: UPSTREAM },
    { path: '/observe/*', upstream: UPSTREAM, access: 'observe' },
  ]

  it.each(['/auth/session', '/auth/sessions', '/x'])('costs D1 once on %s', async (path) => {
    const world = await createWorld({ routes: plain })
    const cookies = await world.signInForCookies()
    const session = cookies.split('; ')[0] ?? ''
    await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch()').run()
    expect(await costs(world, () => world.send(path, { headers: { Cookie: session } }))).toEqual(FREE)
  })

  it('costs D1 once as a refresh token, and as a bearer token of the gateway’s own URLs', async () => {
    const world = await createWorld({ routes: plain })
    const { refresh, access } = await world.signInForTokens()
    await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch()').run()
    expect(await costs(world, () => world.post('/auth/refresh', { refresh_token: refresh }))).toEqual(FREE)
    expect(await costs(world, () => world.bearer(access, '/auth/session'))).toEqual(FREE)
    expect(await costs(world, () => world.bearer(access, '/auth/admin/users'))).toEqual(FREE)
  })

  it('costs D1 again after half a minute, and clears the cookies each time', async () => {
    const world = await createWorld({ routes: plain })
    const session = (await world.signInForCookies()).split('; ')[0] ?? ''
    await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch()').run()
    const send = () => world.send('/auth/session', { headers: { Cookie: session } })
    for (let time = 0; time < 2; time += 1) expect((await send()).headers.getSetCookie()).toHaveLength(2)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 })
    world.count()
    expect((await send()).status).toBe(401)
    vi.useRealTimers()
    expect(world.count().roundTrips).toBe(1)
  })

  it('does not end a session that lives, nor one that D1 could not be asked about', async () => {
    const down = { isDown: true }
    const batch = (statements: D1PreparedStatement[]) =>
      down.isDown ? Promise.reject(new Error('down')) : env.DB.batch(statements)
    const world = await createWorld({ routes: plain })
    const broken = { ...world.env, DB: { prepare: (sql: string) => env.DB.prepare(sql), batch } }
    const session = (await world.signInForCookies()).split('; ')[0] ?? ''
    const send = () => world.sendIn(broken, '/auth/session', { headers: { Cookie: session } })
    expect((await send()).status).toBe(503)
    down.isDown = false
    expect((await send()).status).toBe(200)
  })
})
