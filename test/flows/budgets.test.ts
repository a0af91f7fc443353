import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { createKeyId, createKeyText } from '../../src/keys/format.ts'
import { createWorld, insertUser, PASSWORD, signDigest, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/expiry/*', upstream: UPSTREAM, revocation: 'expiry' },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
  { path: '/public/*', upstream: UPSTREAM, access: 'public' },
]

const right = { email: user.email, password: PASSWORD, transport: 'token' }

/** KV has a digest under each key of these moments, and somebody else's request makes the isolate read one. */
async function holdDigest(world: World, token: string): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  const tick = Math.floor((now - 2) / 5) * 5
  const digest = JSON.stringify({ since: now - 1025, as_of: now, versions: {} })
  await Promise.all([tick, tick + 5].map((at) => env.MARKERS.put(`recent:${at}`, signDigest(at, digest))))
  await world.bearer(token, '/orders')
  world.count()
}

describe('the budgets of DESIGN §13', () => {
  it('a sign-in costs one read, one batch, and for the first session one put with its confirmation', async () => {
    const world = await createWorld({ routes })
    expect((await world.post('/auth/sign-in', right)).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 3, gets: 0, puts: 1 })
  })

  it('a second sign-in of a user puts no marker', async () => {
    const world = await createWorld({ routes })
    await world.signInForTokens()
    world.count()
    expect((await world.post('/auth/sign-in', right)).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 0 })
  })

  it('a sign-up costs one batch, and one put with its confirmation', async () => {
    const world = await createWorld({ routes, vars: { PASSWORDS: { sign_in: true, sign_up: true } } })
    const body = { email: 'new@example.com', password: 'a long new password', transport: 'token' }
    expect((await world.post('/auth/sign-up', body)).status).toBe(201)
    expect(world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 1 })
  })

  it('a request whose token and marker the isolate knows costs nothing', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await world.bearer(access, '/orders')
    world.count()
    expect((await world.bearer(access, '/orders')).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })

  it('the first request of a user in an isolate costs one KV read', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    world.count()
    const response = await world.sendFresh('/orders', { headers: { Authorization: `Bearer ${access}` } })
    expect(response.status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 1, puts: 0 })
  })

  it('the first request of a user in an isolate that holds a digest of recent changes costs nothing on its way', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const second = { ...user, id: 'usr_0000000000000000000002', email: 'bob@example.com' }
    await insertUser(second)
    const { access: others } = await world.signInForTokens(second.id)
    await holdDigest(world, others)
    expect((await world.bearer(access, '/orders')).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })

  it('an absent marker costs one D1 read', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await env.MARKERS.delete(`marker:${user.id}`)
    world.count()
    const response = await world.sendFresh('/orders', { headers: { Authorization: `Bearer ${access}` } })
    expect(response.status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 1, gets: 1, puts: 0 })
  })

  it('an out-of-date token costs one D1 read once, and nothing from then on', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const newer = Date.now() + 60_000
    await env.DB.prepare('UPDATE users SET token_version = ?1').bind(newer).run()
    await env.MARKERS.put(`marker:${user.id}`, String(newer))
    const fresh = { ...world.env }
    world.count()
    const send = () => world.sendIn(fresh, '/orders', { headers: { Authorization: `Bearer ${access}` } })
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 1, gets: 1, puts: 0 })
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })

  it('a `session` route costs one D1 read and no KV', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    world.count()
    expect((await world.bearer(access, '/strict/x')).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 1, gets: 0, puts: 0 })
  })

  it('an `expiry` route costs nothing', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    world.count()
    const response = await world.sendFresh('/expiry/x', { headers: { Authorization: `Bearer ${access}` } })
    expect(response.status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })

  it('an in-line renewal without rotation costs one D1 read', async () => {
    const world = await createWorld({ routes })
    const cookies = await world.signInForCookies()
    const session = cookies.split('; ')[0] ?? ''
    world.count()
    const response = await world.sendFresh('/orders', { headers: { Cookie: session } })
    expect(response.status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 1, gets: 0, puts: 0 })
  })

  it('a forged session cookie costs nothing', async () => {
    const world = await createWorld({ routes })
    const cookies = await world.signInForCookies()
    const forged = (cookies.split('; ')[0] ?? '').replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
    world.count()
    expect((await world.send('/orders', { headers: { Cookie: forged } })).status).toBe(401)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })

  it('ending a session costs one batch, one put and its confirmation', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    world.count()
    expect((await world.bearer(access, '/auth/sign-out', { method: 'POST' })).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 1 })
  })

  it('signing out everywhere costs one read, one batch, one put and its confirmation, however many sessions', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await world.signInForTokens()
    await world.signInForTokens()
    world.count()
    const response = await world.bearer(access, '/auth/sign-out-everywhere', { method: 'POST' })
    expect(await response.json()).toMatchObject({ ended: 3 })
    expect(world.count()).toEqual({ roundTrips: 3, gets: 0, puts: 1 })
  })

  it('a public route and refused garbage cost nothing', async () => {
    const world = await createWorld({ routes })
    expect((await world.send('/public/x')).status).toBe(200)
    expect((await world.bearer('garbage', '/orders')).status).toBe(401)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })

  it('a wrong password costs one read, and one batch that records it', async () => {
    const world = await createWorld({ routes })
    const wrong = { email: user.email, password: `${PASSWORD}!`, transport: 'token' }
    expect((await world.post('/auth/sign-in', wrong)).status).toBe(401)
    expect(world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 0 })
  })
})

/** Calls of the limiter, and round trips; of a refusal by address, of an IPv4 address. */
async function createCounted(allows: boolean) {
  const calls = { count: 0 }
  const limit = async ({ key }: { key: string }) => {
    calls.count += 1
    return { success: allows || !key.startsWith('address') }
  }
  const credentials = ['bearer', 'cookie', 'api-key']
  const route = { path: '/*', upstream: UPSTREAM, rate_limit: 'API_LIMIT', credentials }
  const world = await createWorld({ routes: [route], bindings: { API_LIMIT: { limit } } })
  const costOf = async (headers: Record<string, string>) => {
    world.count()
    calls.count = 0
    await world.send('/x', { headers: { 'CF-Connecting-IP': '192.0.2.1', ...headers } })
    return { ...world.count(), calls: calls.count }
  }
  return { world, costOf }
}

function bogusKey(): Record<string, string> {
  return { Authorization: `Bearer ${createKeyText(createKeyId()).text}` }
}

describe('what a route with a rate limit costs', () => {
  it('a known token costs one call of the limiter, and the first one two', async () => {
    const { world, costOf } = await createCounted(true)
    const { access } = await world.signInForTokens()
    const headers = { Authorization: `Bearer ${access}` }
    expect(await costOf(headers)).toEqual({ roundTrips: 0, gets: 1, puts: 0, calls: 2 })
    expect(await costOf(headers)).toEqual({ roundTrips: 0, gets: 0, puts: 0, calls: 1 })
  })

  it('a bogus API key costs D1 while its address is within the limit, and nothing beyond it', async () => {
    const within = await createCounted(true)
    expect(await within.costOf(bogusKey())).toEqual({ roundTrips: 1, gets: 0, puts: 0, calls: 1 })
    const beyond = await createCounted(false)
    expect(await beyond.costOf(bogusKey())).toEqual({ roundTrips: 0, gets: 0, puts: 0, calls: 1 })
  })

  it('a bare session cookie costs D1 while its address is within the limit, and nothing beyond it', async () => {
    const within = await createCounted(true)
    const [session = ''] = (await within.world.signInForCookies()).split('; ')
    expect(await within.costOf({ Cookie: session })).toEqual({ roundTrips: 1, gets: 0, puts: 0, calls: 2 })
    const beyond = await createCounted(false)
    const [other = ''] = (await beyond.world.signInForCookies()).split('; ')
    expect(await beyond.costOf({ Cookie: other })).toEqual({ roundTrips: 0, gets: 0, puts: 0, calls: 1 })
  })
})

describe('max_per_user', () => {
  it('ends the oldest session first, and its token with it', async () => {
    const world = await createWorld({ routes, vars: { SESSIONS: { max_per_user: 2 } } })
    await insertUser({ ...user, id: 'usr_0000000000000000000002', email: 'other@example.com' })
    const first = await world.signInForTokens()
    const second = await world.signInForTokens()
    const third = await world.signInForTokens()
    const status = async ({ access }: { access: string }) => (await world.bearer(access, '/strict/x')).status
    expect([await status(first), await status(second), await status(third)]).toEqual([401, 200, 200])
  })
})
