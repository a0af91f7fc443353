import { env } from 'cloudflare:workers'
import { decodeJwt } from 'jose'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import type { JsonObject } from '../../src/json.ts'
import { createKeyId, createKeyText } from '../../src/keys/format.ts'
import { noteUse } from '../../src/keys/store.ts'
import { end, entryOf, makeKey, rotate } from '../support/api-keys.ts'
import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const keys = { upstream: UPSTREAM, credentials: ['bearer', 'cookie', 'api-key'] }
const routes = [
  { ...keys, path: '/*' },
  { ...keys, path: '/expiry/*', revocation: 'expiry' },
  { ...keys, path: '/strict/*', revocation: 'session' },
  { ...keys, path: '/lenient/*', on_outage: 'allow' },
  { ...keys, path: '/recent/*', max_auth_age: '1h' },
  { ...keys, path: '/orders/*', scopes: ['orders:read'], roles: ['robot'], claims: { tenant: 'acme' } },
  { ...keys, path: '/admin/*', scopes: ['gatehouse:admin'] },
  { ...keys, path: '/optional/*', access: 'optional' },
  { ...keys, path: '/handed-on/*', forward_token: true },
  { ...keys, path: '/limited/*', rate_limit: 'API_LIMIT' },
  { ...keys, path: '/machines/*', credentials: ['api-key'] },
  { path: '/people/*', upstream: UPSTREAM },
  { path: '/public/*', upstream: UPSTREAM, access: 'public' },
]

const FREE = { roundTrips: 0, gets: 0, puts: 0 }
const ONE_READ = { roundTrips: 1, gets: 0, puts: 0 }
const fail = (): Promise<never> => Promise.reject(new Error('down'))

function createKeyWorld(bindings: JsonObject = {}): Promise<World> {
  const API_LIMIT = { limit: async () => ({ success: true }) }
  return createWorld({ routes, bindings: { API_LIMIT, ...bindings } })
}

/** The key was used within the hour, so that nothing is noted beside the requests that a test counts. */
async function makeUsedKey(): Promise<Awaited<ReturnType<typeof makeKey>>> {
  const key = await makeKey()
  await env.DB.prepare('UPDATE api_keys SET last_used_at = unixepoch()').run()
  return key
}

/** All of a denial but what differs from request to request. */
async function toldBy(response: Response): Promise<unknown> {
  const body: JsonObject = await response.json()
  return [response.status, [...response.headers], { ...body, request_id: '' }]
}

/** Time stands still until it is moved. */
function holdTime(): (seconds: number) => void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  return (seconds) => void vi.setSystemTime(Date.now() + seconds * 1000)
}

describe('an API key', () => {
  it('passes as bearer token, and the upstream is told who it is in headers and assertion, and never the key', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    expect((await world.bearer(text, '/orders/7')).status).toBe(200)
    const [seen] = world.seen
    expect(seen?.headers.get('Gatehouse-Subject')).toBe(id)
    expect(seen?.headers.get('Gatehouse-Issuer')).toBe(ISSUER)
    expect(seen?.headers.get('Gatehouse-Scope')).toBe('orders:read')
    expect(seen?.headers.get('Gatehouse-Roles')).toBe('robot')
    expect(seen?.headers.get('Gatehouse-Session')).toBe(null)
    expect(JSON.stringify([...(seen?.headers ?? [])])).not.toContain('gth_key_')
    const assertion = decodeJwt(seen?.headers.get('Gatehouse-Assertion') ?? '')
    expect(assertion).toMatchObject({ iss: ISSUER, sub: id, scope: 'orders:read', roles: ['robot'], tenant: 'acme' })
    for (const name of ['sid', 'amr', 'auth_time', 'client_id', 'ver']) expect(assertion).not.toHaveProperty(name)
  })

  it('says nothing of a sign-in, whatever claims D1 holds', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey({ claims: { amr: ['pwd'], client_id: 'other', sid: 'ses_1', tenant: 'acme' } })
    await world.bearer(text, '/orders/7')
    const assertion = decodeJwt(world.seen[0]?.headers.get('Gatehouse-Assertion') ?? '')
    expect(assertion).toMatchObject({ tenant: 'acme' })
    for (const name of ['sid', 'amr', 'client_id']) expect(assertion).not.toHaveProperty(name)
  })

  it('passes in X-API-Key, which never reaches the upstream', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    expect((await world.send('/orders/7', { headers: { 'X-API-Key': text } })).status).toBe(200)
    expect(world.seen[0]?.headers.get('Gatehouse-Subject')).toBe(id)
    expect(world.seen[0]?.headers.get('X-API-Key')).toBe(null)
  })

  it('meets the policy of its route like anybody', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey({ scopes: [] })
    const response = await world.bearer(text, '/orders/7')
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ code: 'insufficient_scope', missing: ['orders:read'] })
  })

  it('never signed in, so `max_auth_age` never passes', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey()
    const response = await world.bearer(text, '/recent/x')
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'insufficient_user_authentication' })
  })

  it('is counted by its subject', async () => {
    const counted: string[] = []
    const world = await createKeyWorld({
      API_LIMIT: { limit: async ({ key }: { key: string }) => ({ success: counted.push(key) > 0 }) },
    })
    const { id, text } = await makeKey()
    await world.bearer(text, '/limited/x')
    expect(counted).toEqual(['address unknown', `${ISSUER} ${id}`])
    await world.bearer(text, '/limited/x')
    expect(counted.slice(2)).toEqual([`${ISSUER} ${id}`])
  })

  it('writes without proof of its site: no browser attaches it by itself', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey()
    const headers = { 'X-API-Key': text, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }
    expect((await world.send('/orders/7', { method: 'POST', headers })).status).toBe(200)
  })

  it('is nobody at the URLs of the gateway itself', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey()
    expect((await world.bearer(text, '/auth/session')).status).toBe(401)
    expect((await world.bearer(text, '/auth/sign-out-everywhere', { method: 'POST' })).status).toBe(401)
  })
})

describe('where an API key stands', () => {
  it('a route that does not name them answers as to any bad token, without D1', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey()
    world.count()
    const [key, garbage] = [await world.bearer(text, '/people/x'), await world.bearer('garbage', '/people/x')]
    expect(await toldBy(key)).toEqual(await toldBy(garbage))
    expect(key.status).toBe(401)
    expect((await world.send('/people/x', { headers: { 'X-API-Key': text } })).status).toBe(401)
    expect(world.count()).toEqual(FREE)
  })

  it('a route of machines takes no token of people', async () => {
    const world = await createKeyWorld()
    const { access } = await world.signInForTokens()
    const { text } = await makeKey()
    expect((await world.bearer(access, '/machines/x')).status).toBe(401)
    expect((await world.bearer(text, '/machines/x')).status).toBe(200)
  })

  it('a query never holds one', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey()
    expect((await world.send(`/orders/7?api_key=${text}&access_token=${text}`)).status).toBe(401)
  })

  it('X-API-Key beside a bearer token, whatever that is, or sent twice, is 400', async () => {
    const world = await createKeyWorld()
    const { access } = await world.signInForTokens()
    const { text } = await makeKey()
    const twice = new Headers([
      ['X-API-Key', text],
      ['X-API-Key', text],
    ])
    const beside = (token: string) => ({ 'X-API-Key': text, Authorization: `Bearer ${token}` })
    for (const headers of [beside(access), beside(text), beside(''), twice]) {
      const response = await world.send('/orders/7', { headers })
      expect(await response.json()).toMatchObject({ status: 400, code: 'ambiguous_credential' })
    }
    expect(world.seen).toEqual([])
  })

  it('X-API-Key that holds something else is refused, even beside good cookies and where nobody is needed', async () => {
    const world = await createKeyWorld()
    const cookie = await world.signInForCookies()
    for (const value of ['', 'something', 'a.b.c']) {
      expect((await world.send('/orders/7', { headers: { 'X-API-Key': value, Cookie: cookie } })).status).toBe(401)
      expect((await world.send('/optional/7', { headers: { 'X-API-Key': value } })).status).toBe(401)
    }
  })

  it('no key reaches an upstream, by whatever route and header', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey()
    await world.bearer(text, '/handed-on/x')
    await world.bearer(text, '/public/x')
    await world.send('/public/x', { headers: { 'X-API-Key': text } })
    await world.send('/orders/x', { headers: { Authorization: `Bearer ${text}`, X_API_Key: text } })
    expect(world.seen).toHaveLength(4)
    for (const { headers } of world.seen) expect(JSON.stringify([...headers])).not.toContain('gth_key_')
  })

  it('where a route takes keys, X-API-Key reaches no upstream in any spelling, whatever it holds', async () => {
    const world = await createKeyWorld()
    const { access } = await world.signInForTokens()
    await world.bearer(access, '/optional/x', { headers: { X_API_Key: 'something', 'X.Api.Key': 'something' } })
    expect(world.seen).toHaveLength(1)
    expect(JSON.stringify([...(world.seen[0]?.headers ?? [])])).not.toContain('something')
  })

  it("an upstream's own X-API-Key passes where the route names no keys of ours", async () => {
    const world = await createKeyWorld()
    await world.send('/public/x', { headers: { 'X-API-Key': 'its own' } })
    expect(world.seen[0]?.headers.get('X-API-Key')).toBe('its own')
  })
})

describe('the budget of an API key', () => {
  it('is one D1 read at first sight in an isolate, and nothing from then on', async () => {
    const world = await createKeyWorld()
    const { text } = await makeUsedKey()
    world.count()
    expect((await world.bearer(text, '/orders/7')).status).toBe(200)
    expect(world.count()).toEqual(ONE_READ)
    expect((await world.send('/orders/8', { headers: { 'X-API-Key': text } })).status).toBe(200)
    expect(world.count()).toEqual(FREE)
  })

  it('is one D1 read every time on a `session` route', async () => {
    const world = await createKeyWorld()
    const { text } = await makeUsedKey()
    await world.bearer(text, '/orders/7')
    world.count()
    expect((await world.bearer(text, '/strict/x')).status).toBe(200)
    expect(world.count()).toEqual(ONE_READ)
  })

  it('is one KV read where the marker is no longer fresh', async () => {
    const world = await createKeyWorld()
    const { text } = await makeUsedKey()
    const pass = holdTime()
    await world.bearer(text, '/orders/7')
    pass(6)
    world.count()
    expect((await world.bearer(text, '/orders/7')).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 1, puts: 0 })
  })

  it('is one D1 read once, where the marker is newer or absent', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeUsedKey()
    const pass = holdTime()
    await world.bearer(text, '/orders/7')
    pass(6)
    await env.MARKERS.delete(`marker:${id}`)
    world.count()
    expect((await world.bearer(text, '/orders/7')).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 1, gets: 1, puts: 0 })
    expect((await world.bearer(text, '/orders/7')).status).toBe(200)
    expect(world.count()).toEqual(FREE)
  })

  it('is nothing for a typing error, and one D1 read in half a minute for a key that nobody has', async () => {
    const world = await createKeyWorld()
    const { text } = await makeUsedKey()
    const pass = holdTime()
    world.count()
    expect((await world.bearer(`${text.slice(0, -1)}_`, '/orders/7')).status).toBe(401)
    expect(world.count()).toEqual(FREE)
    const stranger = createKeyText(createKeyId()).text
    const send = async () => (await world.bearer(stranger, '/orders/7')).status
    expect([await send(), await send(), await send()]).toEqual([401, 401, 401])
    expect(world.count()).toEqual(ONE_READ)
    pass(31)
    expect(await send()).toBe(401)
    expect(world.count()).toEqual(ONE_READ)
  })

  it('is one write in an hour for its last use, beside the request and however many come at once', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    world.count()
    await Promise.all(['/strict/1', '/strict/2', '/strict/3'].map((path) => world.bearer(text, path)))
    const noted = (await entryOf(id)).lastUsedAt
    expect(noted).toBeTypeOf('number')
    world.count()
    await world.bearer(text, '/strict/4')
    expect(world.count()).toEqual(ONE_READ)
    await env.DB.prepare('UPDATE api_keys SET last_used_at = last_used_at - 3600').run()
    await world.bearer(text, '/strict/5')
    expect(world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 0 })
    expect((await entryOf(id)).lastUsedAt).toBeGreaterThanOrEqual(noted ?? Infinity)
  })

  it('is one write in an hour in D1, whoever believes that it is due', async () => {
    await createKeyWorld()
    const { id } = await makeKey()
    const note = async () => (await noteUse(env.DB, id).run()).meta.changes
    expect([await note(), await note()]).toEqual([1, 0])
  })

  it('does not count the use of a wrong secret', async () => {
    const world = await createKeyWorld()
    const { id } = await makeKey()
    await world.bearer(createKeyText(id).text, '/orders/7')
    expect((await entryOf(id)).lastUsedAt).toBe(null)
  })

  it('is not felt where the note of its use fails', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey()
    const batch = (statements: D1PreparedStatement[]) => (calls.push(1) > 1 ? fail() : env.DB.batch(statements))
    const calls: number[] = []
    const isolate = { ...world.env, DB: { prepare: (sql: string) => env.DB.prepare(sql), batch } }
    const response = await world.sendIn(isolate, '/orders/7', { headers: { 'X-API-Key': text } })
    expect(response.status).toBe(200)
    expect(calls).toHaveLength(2)
    expect(world.logged).toContainEqual(expect.objectContaining({ event: 'fault', reason: 'last use' }))
  })
})

describe('an API key that is no longer good', () => {
  it('is refused like one that never was, where it ended, is unknown, expired, disabled or has another secret', async () => {
    const world = await createKeyWorld()
    const [ended, expired, disabled, other] = [
      await makeKey(),
      await makeKey({ expiresAt: Math.floor(Date.now() / 1000) }),
      await makeKey(),
      await makeKey(),
    ]
    await end(ended.id)
    await env.DB.prepare('UPDATE users SET disabled_at = unixepoch() WHERE id = ?1').bind(disabled.id).run()
    const texts = [
      ended.text,
      expired.text,
      disabled.text,
      createKeyText(other.id).text,
      createKeyText(createKeyId()).text,
    ]
    world.count()
    const answers: unknown[] = []
    for (const text of texts) {
      const response = await world.bearer(text, '/orders/7')
      answers.push(await toldBy(response))
      expect(world.count()).toEqual(ONE_READ)
    }
    expect(answers).toHaveLength(5)
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(answers[0]).toEqual([401, expect.anything(), expect.objectContaining({ code: 'invalid_token' })])
  })

  it('is felt at once on a `session` route, and by the marker elsewhere', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    const pass = holdTime()
    const send = async (path: string) => (await world.bearer(text, path)).status
    expect([await send('/strict/x'), await send('/orders/7'), await send('/expiry/x')]).toEqual([200, 200, 200])
    await end(id)
    pass(4)
    expect([await send('/orders/7'), await send('/expiry/x')]).toEqual([200, 200])
    pass(2)
    expect(await send('/orders/7')).toBe(401)
    expect([await send('/strict/x'), await send('/orders/7'), await send('/expiry/x')]).toEqual([401, 401, 401])
  })

  it('is felt on an `expiry` route when an access token would have expired, and on a `marker` route no later', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    const pass = holdTime()
    const send = async (path: string) => (await world.bearer(text, path)).status
    await send('/expiry/x')
    await end(id, false)
    pass(890)
    expect([await send('/expiry/x'), await send('/orders/7')]).toEqual([200, 200])
    pass(12)
    expect([await send('/expiry/x'), await send('/orders/7')]).toEqual([401, 401])
  })

  it('is refused in every isolate that is told of it', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    const pass = holdTime()
    const isolates = [{ ...world.env }, { ...world.env }]
    const send = () =>
      Promise.all(
        isolates.map(async (isolate) => {
          const response = await world.sendIn(isolate, '/orders/7', { headers: { 'X-API-Key': text } })
          return response.status
        }),
      )
    expect(await send()).toEqual([200, 200])
    await end(id)
    pass(6)
    expect(await send()).toEqual([401, 401])
  })

  it('expires to the second in an isolate that knows it', async () => {
    const world = await createKeyWorld()
    const pass = holdTime()
    const { text } = await makeKey({ expiresAt: Math.floor(Date.now() / 1000) + 60 })
    const send = async () => (await world.bearer(text, '/expiry/x')).status
    expect(await send()).toBe(200)
    await env.DB.prepare('UPDATE api_keys SET expires_at = unixepoch()').run()
    pass(58)
    expect(await send()).toBe(200)
    pass(3)
    expect(await send()).toBe(401)
  })

  it('has the roles and scopes of now once the marker tells of them', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    const pass = holdTime()
    expect((await world.bearer(text, '/orders/7')).status).toBe(200)
    const newer = Date.now() + 60_000
    await env.DB.prepare(`UPDATE users SET scopes = '[]', token_version = ?2 WHERE id = ?1`).bind(id, newer).run()
    await env.MARKERS.put(`marker:${id}`, String(newer))
    pass(6)
    expect((await world.bearer(text, '/orders/7')).status).toBe(403)
  })

  it('is forgotten by an isolate that D1 has told of its end, on an `expiry` route too', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    const pass = holdTime()
    const send = async (path: string) => (await world.bearer(text, path)).status
    expect(await send('/expiry/x')).toBe(200)
    await end(id, false)
    expect(await send('/strict/x')).toBe(401)
    pass(31)
    expect(await send('/expiry/x')).toBe(401)
  })

  it('stays ended, whoever enables its user again, and ends once', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    expect(await end(id)).toMatchObject({ userId: id })
    expect(await end(id)).toBe(null)
    await env.DB.prepare('UPDATE users SET disabled_at = NULL WHERE id = ?1').bind(id).run()
    expect((await world.bearer(text, '/strict/x')).status).toBe(401)
    expect(await rotate(id, 60)).toEqual({ outcome: 'over' })
  })

  it('that ended while it was looked up is refused from the next look on', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    const pass = holdTime()
    const batch = async (statements: D1PreparedStatement[]) => {
      const results = await env.DB.batch(statements)
      await end(id)
      return results
    }
    const isolate = { ...world.env, DB: { prepare: (sql: string) => env.DB.prepare(sql), batch } }
    const send = async () => (await world.sendIn(isolate, '/orders/7', { headers: { 'X-API-Key': text } })).status
    expect(await send()).toBe(200)
    pass(6)
    expect(await send()).toBe(401)
  })
})

describe('rotation', () => {
  it('leaves two secrets that both pass, until the overlap ends', async () => {
    const world = await createKeyWorld()
    const pass = holdTime()
    const { id, text } = await makeKey()
    const rotated = await rotate(id, 120)
    if (rotated.outcome !== 'rotated') throw new Error('not rotated')
    const send = async (key: string, path = '/expiry/x') => (await world.bearer(key, path)).status
    expect([await send(text), await send(rotated.text)]).toEqual([200, 200])
    pass(118)
    expect([await send(text), await send(rotated.text)]).toEqual([200, 200])
    await env.DB.prepare('UPDATE api_keys SET previous_until = unixepoch()').run()
    pass(3)
    expect([await send(text), await send(rotated.text)]).toEqual([401, 200])
    expect([await send(text, '/strict/x'), await send(rotated.text, '/strict/x')]).toEqual([401, 200])
  })

  it('tells isolates that know the older secret when that ends', async () => {
    const world = await createKeyWorld()
    const pass = holdTime()
    const { id, text } = await makeKey()
    const send = async () => (await world.bearer(text, '/orders/7')).status
    expect(await send()).toBe(200)
    await rotate(id, 20)
    pass(6)
    expect(await send()).toBe(200)
    await env.DB.prepare('UPDATE api_keys SET previous_until = unixepoch()').run()
    pass(17)
    expect(await send()).toBe(401)
  })

  it('is refused while two secrets live, so that nobody loses one that was promised', async () => {
    await createKeyWorld()
    const { id } = await makeKey()
    expect(await rotate(id, 120)).toMatchObject({ outcome: 'rotated' })
    expect(await rotate(id, 120)).toEqual({ outcome: 'overlapping' })
    await env.DB.prepare('UPDATE api_keys SET previous_until = unixepoch()').run()
    expect(await rotate(id, 120)).toMatchObject({ outcome: 'rotated' })
  })

  it('without overlap leaves the new secret alone, even while two live', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    const first = await rotate(id, 120)
    const second = await rotate(id, 0)
    if (first.outcome !== 'rotated' || second.outcome !== 'rotated') throw new Error('not rotated')
    const send = async (key: string) => (await world.bearer(key, '/strict/x')).status
    expect([await send(text), await send(first.text), await send(second.text)]).toEqual([401, 401, 200])
    expect((await entryOf(id)).previousUntil).toBe(null)
  })

  it('at the same moment twice gives one new secret', async () => {
    const world = await createKeyWorld()
    const { id, text } = await makeKey()
    const rotated = await Promise.all([rotate(id, 60), rotate(id, 60), rotate(id, 60)])
    expect(rotated.map(({ outcome }) => outcome).toSorted()).toEqual(['overlapping', 'overlapping', 'rotated'])
    expect((await world.bearer(text, '/strict/x')).status).toBe(200)
  })

  it('of a key that is over or unknown does nothing', async () => {
    await createKeyWorld()
    const { id } = await makeKey()
    await end(id)
    expect(await rotate(id, 60)).toEqual({ outcome: 'over' })
    expect(await rotate(createKeyId(), 0)).toEqual({ outcome: 'over' })
  })
})

describe('what D1 and the log hold', () => {
  it('no text of a key, only its digest', async () => {
    const world = await createKeyWorld()
    const { text } = await makeKey()
    await world.bearer(text, '/orders/7')
    await world.bearer(text, '/people/7')
    await world.bearer(`${text.slice(0, -1)}_`, '/orders/7')
    const { results } = await env.DB.prepare('SELECT * FROM api_keys').all()
    const secret = text.slice(31, 74)
    expect(JSON.stringify([results, world.logged])).not.toContain(secret)
    expect(results).toHaveLength(1)
  })
})

describe('with D1 or KV down', () => {
  const cases = [
    { kv: 'up', d1: 'down', known: [200, 200, 503, 200], stranger: 503 },
    { kv: 'down', d1: 'up', known: [200, 200, 200, 200], stranger: 200 },
    { kv: 'down', d1: 'down', known: [503, 200, 503, 200], stranger: 503 },
    { kv: 'newer', d1: 'down', known: [503, 200, 503, 503], stranger: 503 },
  ] as const

  it.each(cases)('KV $kv, D1 $d1: a known key $known, a new one $stranger', async ({ kv, d1, known, stranger }) => {
    const world = await createKeyWorld()
    const { id, text } = await makeUsedKey()
    const pass = holdTime()
    const state = { isDown: false }
    const bindings = {
      DB: {
        prepare: (sql: string) => env.DB.prepare(sql),
        batch: (statements: D1PreparedStatement[]) =>
          state.isDown && d1 === 'down' ? fail() : env.DB.batch(statements),
      },
      MARKERS: {
        get: (key: string) => (state.isDown && kv === 'down' ? fail() : env.MARKERS.get(key)),
        put: fail,
      },
    }
    const isolate = { ...world.env, ...bindings }
    const send = async (path: string, into: JsonObject = isolate) => {
      const response = await world.sendIn(into, path, { headers: { 'X-API-Key': text } })
      if (response.status === 503) expect(response.headers.get('Retry-After')).toMatch(/^\d+$/)
      return response.status
    }
    await send('/orders/1')
    pass(6)
    if (kv === 'newer') await env.MARKERS.put(`marker:${id}`, '9999999999999')
    state.isDown = true
    const paths = ['/orders/1', '/expiry/x', '/strict/x', '/lenient/x']
    expect(await Promise.all(paths.map((path) => send(path)))).toEqual(known)
    expect(await send('/orders/1', { ...isolate })).toBe(stranger)
  })

  it('a known key that D1 must be asked about again is 503 on an `expiry` route too', async () => {
    const world = await createKeyWorld()
    const { text } = await makeUsedKey()
    const pass = holdTime()
    const state = { isDown: false }
    const batch = (statements: D1PreparedStatement[]) => (state.isDown ? fail() : env.DB.batch(statements))
    const isolate = { ...world.env, DB: { prepare: (sql: string) => env.DB.prepare(sql), batch } }
    const send = async () => (await world.sendIn(isolate, '/expiry/x', { headers: { 'X-API-Key': text } })).status
    expect(await send()).toBe(200)
    state.isDown = true
    pass(902)
    expect(await send()).toBe(503)
  })
})

describe('an upstream that controls sessions', () => {
  it.each(['open', 'change', 'end-all'])('cannot %s for a machine', async (action) => {
    const machine = { id: '' }
    const world = await createWorld({
      routes: [{ path: '/*', upstream: UPSTREAM, access: 'public', session_control: true }],
      upstream: ({ headers }) =>
        new Response(null, {
          headers: {
            'Gatehouse-Session': `${action};sub="${machine.id}";control="${headers.get('Gatehouse-Control')}"`,
          },
        }),
    })
    machine.id = (await makeKey()).id
    const response = await world.send('/login', { method: 'POST', headers: { 'Sec-Fetch-Site': 'same-origin' } })
    expect(response.status).toBe(502)
  })
})
