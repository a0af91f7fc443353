import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import worker from '../../src/index.ts'
import type { JsonObject } from '../../src/json.ts'
import { createWorld, insertUser, ISSUER, signDigest, UPSTREAM, user } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/staff/*', upstream: UPSTREAM, roles: ['staff'] },
  { path: '/lenient/*', upstream: UPSTREAM, on_outage: 'allow' },
  { path: '/expiry/*', upstream: UPSTREAM, revocation: 'expiry' },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
  { path: '/public/*', upstream: UPSTREAM, access: 'public' },
]

const other = { ...user, id: 'usr_0000000000000000000002', email: 'bob@example.com' }
const NEWER = 9_000_000_000_000
const FREE = { roundTrips: 0, gets: 0, puts: 0 }
const BY_MARKER = { roundTrips: 0, gets: 1, puts: 0 }
const BY_DATABASE = { roundTrips: 1, gets: 0, puts: 0 }

/** An isolate in which time stands still, somebody's token for it, and the means to let it hold a digest. */
async function createStage(vars: JsonObject = {}, id = user.id) {
  const world = await createWorld({ routes, vars })
  await insertUser(other)
  if (id !== user.id) await insertUser({ ...user, id, email: 'third@example.com' })
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const { access } = await world.signInForTokens(id)
  const { access: others } = await world.signInForTokens(other.id)
  const isolate = { ...world.env }
  const at = Math.floor(Date.now() / 1000)
  const send = (path = '/orders', token = access) =>
    world.sendIn(isolate, path, { headers: { Authorization: `Bearer ${token}` } })

  /** KV has it under the key of this moment, and somebody else's request makes the isolate read it. */
  async function hold(text: unknown): Promise<void> {
    await holdAsIs(signDigest(tickNow(), typeof text === 'string' ? text : JSON.stringify(text)))
  }

  async function holdAsIs(value: string): Promise<void> {
    await env.MARKERS.put(tickKey(), value)
    await send('/orders', others)
    world.count()
  }
  return { world, isolate, access, others, at, send, hold, holdAsIs }
}

function tickKey(): string {
  return `recent:${tickNow()}`
}

function tickNow(): number {
  return Math.floor((Date.now() / 1000 - 2) / 5) * 5
}

function pass(seconds: number): void {
  vi.setSystemTime(Date.now() + seconds * 1000)
}

/** As D1 would give it at a moment; nobody changed unless it is said. */
function digestAt(at: number, versions: JsonObject = {}) {
  return { since: at - 1025, as_of: at, versions }
}

describe('a user whom the digest of recent changes does not list', () => {
  it('is trusted without KV and without D1, on the first request in the isolate', async () => {
    const { world, at, send, hold } = await createStage()
    await hold(digestAt(at, { [other.id]: 1 }))
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(FREE)
  })

  it('is not mistaken for another by a name that every object has', async () => {
    const { world, at, send, hold } = await createStage({}, 'constructor')
    await hold(digestAt(at))
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(FREE)
  })

  it('is refused all the same where the isolate knows better', async () => {
    const { world, isolate, access, at, send, hold } = await createStage()
    await hold(digestAt(at))
    await world.sendIn(isolate, '/auth/sign-out', { method: 'POST', headers: { Authorization: `Bearer ${access}` } })
    expect((await send()).status).toBe(401)
  })
})

describe('a user whom the digest lists', () => {
  it('is refused, by D1, where the session has ended', async () => {
    const { world, at, send, hold } = await createStage()
    await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch()').run()
    await hold(digestAt(at, { [user.id]: NEWER }))
    expect((await send()).status).toBe(401)
    expect(world.count()).toEqual(BY_DATABASE)
  })

  it('goes on with the roles of now where it has not, and D1 is asked once', async () => {
    const { world, at, send, hold } = await createStage()
    await env.DB.prepare(`UPDATE users SET roles = '[]', token_version = ?1`).bind(NEWER).run()
    await hold(digestAt(at, { [user.id]: NEWER }))
    expect((await send('/staff/x')).status).toBe(403)
    expect(world.count()).toEqual(BY_DATABASE)
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(FREE)
  })

  it('is trusted where the token is as new', async () => {
    const { world, at, send, hold } = await createStage()
    await hold(digestAt(at, { [user.id]: 1 }))
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(FREE)
  })

  it('is found whatever the name', async () => {
    const { world, at, send, hold } = await createStage({}, '__proto__')
    await hold(`{"since":${at - 1025},"as_of":${at},"versions":{"__proto__":${NEWER}}}`)
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(BY_DATABASE)
  })
})

describe('a digest', () => {
  it.each([
    [35, 1025, BY_MARKER],
    [34, 1025, FREE],
    [-6, 1025, BY_MARKER],
    [-5, 1025, FREE],
    [0, 59, BY_MARKER],
    [0, 60, FREE],
  ])('that is %i s old and begins %i s before the token: %j', async (age, before, expected) => {
    const { world, at, send, hold } = await createStage()
    await hold({ since: at - before, as_of: at - age, versions: {} })
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(expected)
  })

  it('is gone by until it is too old, and then the marker decides again', async () => {
    const { world, at, send, hold } = await createStage()
    await hold(digestAt(at))
    pass(34)
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(FREE)
    pass(1)
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(BY_MARKER)
  })
})

describe('what an isolate has learnt of a digest', () => {
  it('is as old as the digest', async () => {
    const { world, at, send, hold } = await createStage()
    await hold(digestAt(at - 34, { [user.id]: 1 }))
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(FREE)
    pass(1)
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(BY_MARKER)
  })
})

describe('a digest that is none', () => {
  const now = Math.floor(Date.now() / 1000)
  const good = { since: now - 1025, as_of: now, versions: {} }
  it.each(
    [
      '',
      'null',
      '7',
      '"recent"',
      '[]',
      '{}',
      '{"since":0,',
      `${JSON.stringify(good)} `.repeat(2),
      { ...good, versions: [] },
      { ...good, versions: null },
      { ...good, versions: 'nobody' },
      { since: good.since, as_of: good.as_of },
      { as_of: good.as_of, versions: {} },
      { since: good.since, versions: {} },
      { ...good, since: String(good.since) },
      { ...good, since: [good.since] },
      { ...good, since: -1 },
      { ...good, since: null },
      { ...good, as_of: good.as_of + 0.5 },
      { ...good, as_of: String(good.as_of) },
      { ...good, as_of: true },
      { ...good, as_of: -good.as_of },
      { ...good, as_of: 99_999_999_999 },
      `{"since":0,"as_of":1e999,"versions":{}}`,
      { ...good, versions: { [other.id]: -1 } },
      { ...good, versions: { [other.id]: '7' } },
      { ...good, versions: { [other.id]: null } },
      { ...good, versions: { [other.id]: 1.5 } },
      { ...good, versions: { [other.id]: [7] } },
      `{"since":${good.since},"as_of":${good.as_of},"versions":{"${user.id}":${NEWER},"${user.id}":1}}`,
    ].map((value) => [typeof value === 'string' ? value : JSON.stringify(value)]),
  )('%s leaves everything to the marker, and is in no later one’s way', async (text) => {
    const { world, send, hold } = await createStage()
    await hold(text)
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(BY_MARKER)
    pass(5)
    await hold(digestAt(Math.floor(Date.now() / 1000)))
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(FREE)
  })
})

describe('a digest that somebody else put', () => {
  const OTHER_KEY = 'A'.repeat(43)
  const forgeries: Readonly<Record<string, (tick: number, text: string) => string>> = {
    'without a mac': (_, text) => text,
    'by another key': (tick, text) => signDigest(tick, text, OTHER_KEY),
    'for another tick': (tick, text) => signDigest(tick - 5, text),
    'with another text': (tick, text) => `${signDigest(tick, '{}').split('\n')[0] ?? ''}\n${text}`,
    'with a space more': (tick, text) => `${signDigest(tick, text)} `,
    'with a mac that is cut': (tick, text) => signDigest(tick, text).slice(1),
    'without its line feed': (tick, text) => signDigest(tick, text).replace('\n', ''),
  }

  it.each(Object.keys(forgeries))('%s hides nothing: the marker decides, and the log has a line', async (how) => {
    const { world, at, send, holdAsIs } = await createStage()
    await env.MARKERS.put(`marker:${user.id}`, String(NEWER))
    await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch()').run()
    await holdAsIs(forgeries[how]?.(tickNow(), JSON.stringify(digestAt(at))) ?? '')
    expect((await send()).status).toBe(401)
    expect(world.logged).toContainEqual({ event: 'fault', reason: 'mac of a digest' })
  })

  it('is logged once, however many ticks it fills', async () => {
    const { world, at, holdAsIs } = await createStage()
    for (let tick = 0; tick < 3; tick += 1) {
      await holdAsIs(JSON.stringify(digestAt(at)))
      pass(5)
    }
    expect(world.logged.filter(({ reason }) => reason === 'mac of a digest')).toHaveLength(1)
  })

  it('is told from one that was signed before the session keys were rotated, or by a standby', async () => {
    const { world, at, access } = await createStage()
    const text = JSON.stringify(digestAt(at, { [user.id]: NEWER }))
    await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch()').run()
    await env.MARKERS.put(tickKey(), signDigest(tickNow(), text))
    const rotated = { ...world.env, SESSION_KEYS: `${OTHER_KEY},${String(world.env['SESSION_KEYS'])}` }
    const headers = { Authorization: `Bearer ${access}` }
    expect((await world.sendIn(rotated, '/expiry/x', { headers })).status).toBe(200)
    await world.sendIn(rotated, '/orders', { headers })
    expect((await world.sendIn(rotated, '/orders', { headers })).status).toBe(401)
    expect(world.logged.some(({ reason }) => reason === 'mac of a digest')).toBe(false)
  })
})

describe('the digest that an isolate holds', () => {
  it('is replaced by a newer one', async () => {
    const { world, at, send, hold } = await createStage()
    await hold(digestAt(at))
    pass(5)
    await hold(digestAt(at + 5, { [user.id]: NEWER }))
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(BY_DATABASE)
  })

  it('is never replaced by an older one, whatever its key', async () => {
    const { world, at, send, hold } = await createStage()
    await hold(digestAt(at, { [user.id]: NEWER }))
    pass(5)
    await hold(digestAt(at - 1))
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(BY_DATABASE)
  })

  it('is asked for once a tick, two seconds after it, by requests that a marker decides', async () => {
    const { world, isolate, send } = await createStage()
    vi.setSystemTime(Math.ceil(Date.now() / 10_000) * 10_000 + 1999)
    const ten = Math.floor(Date.now() / 10_000) * 10
    for (const path of ['/expiry/x', '/strict/x', '/public/x']) await send(path)
    await world.sendIn(isolate, '/orders')
    expect(world.digestsAsked).toEqual([])
    for (let time = 0; time < 3; time += 1) await send()
    expect(world.digestsAsked).toEqual([`recent:${ten - 5}`])
    pass(0.001)
    await send()
    await send()
    expect(world.digestsAsked).toEqual([`recent:${ten - 5}`, `recent:${ten}`])
  })

  it('is not asked for where isolate_ttl is 0', async () => {
    const { world, at, send, hold } = await createStage({ REVOCATION: { isolate_ttl: '0s' } })
    await hold(digestAt(at))
    expect((await send()).status).toBe(200)
    expect(world.count()).toEqual(BY_MARKER)
    expect(world.digestsAsked).toEqual([])
  })
})

const failing = {
  'that hangs': () => new Promise<never>(() => undefined),
  'that rejects': () => Promise.reject(new Error('KV GET failed: 500')),
  'that throws': () => {
    throw new TypeError('KV GET failed: 429')
  },
}

describe('a digest that cannot be had', () => {
  it.each(Object.keys(failing))('by a KV %s is not waited for, and the marker decides', async (how) => {
    const { world, access } = await createStage()
    const get = (key: string) =>
      key.startsWith('recent:') ? Object.entries(failing).find(([name]) => name === how)?.[1]() : env.MARKERS.get(key)
    const isolate = { ...world.env, MARKERS: Object.assign({}, world.env['MARKERS'], { get }) }
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: Date.now() })
    const context = createExecutionContext()
    const headers = { Authorization: `Bearer ${access}` }
    const response = await worker.fetch(new Request(`${ISSUER}/orders`, { headers }), isolate, context)
    expect(response.status).toBe(200)
    await vi.advanceTimersByTimeAsync(500)
    await waitOnExecutionContext(context)
    expect(world.logged).toEqual([])
  })
})

const down = { get: () => Promise.reject(new Error('down')), batch: () => Promise.reject(new Error('down')) }

/** The same isolate, whose KV and D1 stop answering. */
function breakIsolate(isolate: JsonObject): void {
  for (const name of ['DB', 'MARKERS']) Object.assign(Object(isolate[name]), down)
}

async function statusInOutage(versions: JsonObject, secondsLater: number): Promise<number> {
  const { world, isolate, access, others, at } = await createStage()
  const fragile = { ...isolate, DB: Object.assign({}, isolate['DB']), MARKERS: Object.assign({}, isolate['MARKERS']) }
  const send = (token: string) => world.sendIn(fragile, '/lenient/x', { headers: { Authorization: `Bearer ${token}` } })
  await env.MARKERS.put(tickKey(), signDigest(tickNow(), JSON.stringify(digestAt(at, versions))))
  await send(others)
  breakIsolate(fragile)
  const { status } = await send(access)
  pass(secondsLater)
  return secondsLater === 0 ? status : (await send(access)).status
}

describe('`on_outage = "allow"`, with D1 and KV down', () => {
  it('lets nobody pass whom a digest calls out of date, nor when that is long ago', async () => {
    expect(await statusInOutage({ [user.id]: NEWER }, 0)).toBe(503)
    expect(await statusInOutage({ [user.id]: NEWER }, 60)).toBe(503)
  })

  it('lets anybody else pass', async () => {
    expect(await statusInOutage({}, 0)).toBe(200)
    expect(await statusInOutage({}, 60)).toBe(200)
  })
})
