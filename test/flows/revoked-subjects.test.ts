import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { SignJWT } from 'jose'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import type { EffectiveBy } from '../../src/auth/effective.ts'
import { revokeSubject } from '../../src/auth/revoke-subject.ts'
import worker from '../../src/index.ts'
import type { JsonObject } from '../../src/json.ts'
import { loadRuntime } from '../../src/runtime.ts'
import { createWorld, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const ISSUER = 'https://idp.example.com/'
const OTHER = 'https://other.example.com/'
const MARKER = `marker:issuer ${ISSUER}`
const AUDIENCE = 'https://api.example.com'
const SECRET = 'a secret of at least thirty-two bytes'

const issuers = [ISSUER, OTHER]
const routes = [
  { path: '/*', upstream: UPSTREAM, issuers },
  { path: '/lenient/*', upstream: UPSTREAM, issuers, on_outage: 'allow' },
  { path: '/expiry/*', upstream: UPSTREAM, issuers, revocation: 'expiry' },
]
const vars = {
  IDP_SECRET: SECRET,
  OTHER_SECRET: SECRET,
  ISSUERS: [
    {
      issuer: ISSUER,
      audience: [AUDIENCE],
      secret: 'IDP_SECRET',
      accept_until: '2099-01-01',
      max_lifetime: '24h',
      subject_prefix: 'one:',
    },
    { issuer: OTHER, audience: [AUDIENCE], secret: 'OTHER_SECRET', accept_until: '2099-01-01', subject_prefix: 'two:' },
  ],
}

const FREE = { roundTrips: 0, gets: 0, puts: 0 }
const ONE_GET = { roundTrips: 0, gets: 1, puts: 0 }
const GET_AND_READ = { roundTrips: 1, gets: 1, puts: 0 }
const fail = (): Promise<never> => Promise.reject(new Error('down'))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  return () => void vi.useRealTimers()
})

/** Our own clock goes on; D1's is real. */
function pass(seconds: number): void {
  vi.setSystemTime(Date.now() + seconds * 1000)
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}

/** A token that was issued so many seconds ago. */
function tokenOf(subject: string, age = 60, issuer = ISSUER): Promise<string> {
  return new SignJWT({ iss: issuer, sub: subject, aud: AUDIENCE, iat: now() - age, exp: now() + 3600 })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .sign(new TextEncoder().encode(SECRET))
}

/** As an administrator does it, in an isolate of its own. */
async function revoke(world: World, subject: string, bindings: JsonObject = {}): Promise<EffectiveBy | null> {
  const loaded = await loadRuntime({ ...world.env, ...bindings })
  if (loaded.outcome !== 'ready') throw new Error(loaded.problems.join(', '))
  return revokeSubject(loaded.runtime, { issuer: ISSUER, subject }, [])
}

async function statusOf(world: World, token: string, path = '/orders', isolate = world.env): Promise<number> {
  const response = await world.sendIn(isolate, path, { headers: { Authorization: `Bearer ${token}` } })
  if (response.status === 503) expect(response.headers.get('Retry-After')).toMatch(/^\d+$/)
  return response.status
}

/** Rows as if so many others had been revoked, each a second after the other, the last one `lastAge` seconds ago. */
async function revokeMany(count: number, lastAge: number): Promise<void> {
  await env.DB.batch([
    env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
       INSERT INTO revoked_subjects (issuer, subject, revoked_at) SELECT ?2, 'many-' || i, unixepoch() - ?3 - i FROM n`,
    ).bind(count, ISSUER, lastAge),
    env.DB.prepare(`INSERT INTO revoked_issuers (issuer, revocations) VALUES (?1, 1000)`).bind(ISSUER),
  ])
  await env.MARKERS.put(MARKER, '1000')
}

describe('a subject that was revoked', () => {
  it('is refused with every token that it had, in every isolate, and nobody else is', async () => {
    const world = await createWorld({ routes, vars })
    const isolates = [{ ...world.env }, { ...world.env }]
    const [mine, older, others, namesake] = [
      await tokenOf('ada'),
      await tokenOf('ada', 3000),
      await tokenOf('bob'),
      await tokenOf('ada', 60, OTHER),
    ]
    for (const isolate of isolates) expect(await statusOf(world, mine, '/orders', isolate)).toBe(200)
    await revoke(world, 'ada')
    pass(6)
    for (const isolate of isolates) {
      const statuses = [mine, older, others, namesake].map((token) => statusOf(world, token, '/orders', isolate))
      expect(await Promise.all(statuses)).toEqual([401, 401, 200, 200])
    }
    expect(world.logged).toContainEqual(expect.objectContaining({ code: 'invalid_token', reason: 'revoked' }))
  })

  it('passes with a token that was issued after it, and not with one of the same second', async () => {
    const world = await createWorld({ routes, vars })
    await revoke(world, 'ada')
    const at = await env.DB.prepare('SELECT revoked_at FROM revoked_subjects').first<number>('revoked_at')
    const age = now() - (at ?? 0)
    expect(await statusOf(world, await tokenOf('ada', age))).toBe(401)
    expect(await statusOf(world, await tokenOf('ada', age - 1))).toBe(200)
  })

  it('passes where the route says `expiry`', async () => {
    const world = await createWorld({ routes, vars })
    const token = await tokenOf('ada')
    await revoke(world, 'ada')
    expect(await statusOf(world, token, '/expiry/x')).toBe(200)
  })

  it('is told when that is felt: by the marker within its bound, elsewhere when the longest token has expired', async () => {
    const world = await createWorld({ routes, vars })
    const told = await revoke(world, 'ada')
    const marker = { expected: now() + 35, at_latest: now() + 86_405 }
    expect(told).toEqual({ session: now(), marker, expiry: now() + 86_405 })
  })

  it('of an issuer that nobody configured changes nothing', async () => {
    const world = await createWorld({ routes, vars })
    const loaded = await loadRuntime(world.env)
    if (loaded.outcome !== 'ready') throw new Error('not ready')
    const stranger = { issuer: 'https://gone.example.com/', subject: 'ada' }
    expect(await revokeSubject(loaded.runtime, stranger, [])).toBe(null)
    expect(await env.DB.prepare('SELECT count(*) AS n FROM revoked_subjects').first<number>('n')).toBe(0)
  })

  it('is revoked anew by a repetition, never for less', async () => {
    const world = await createWorld({ routes, vars })
    await revoke(world, 'ada')
    const [later] = [Math.floor(Date.now() / 1000) + 1000]
    await env.DB.prepare('UPDATE revoked_subjects SET revoked_at = ?1').bind(later).run()
    const before = await env.DB.prepare('SELECT revocations FROM revoked_issuers').first<number>('revocations')
    await revoke(world, 'ada')
    expect(await env.DB.prepare('SELECT revoked_at FROM revoked_subjects').first<number>('revoked_at')).toBe(later)
    const after = await env.DB.prepare('SELECT revocations FROM revoked_issuers').first<number>('revocations')
    expect(after).toBeGreaterThan(before ?? Infinity)
  })
})

describe('the budget of a token of another issuer', () => {
  it('is one KV read for all of its issuer where nothing was revoked, and then nothing', async () => {
    const world = await createWorld({ routes, vars })
    expect(await statusOf(world, await tokenOf('ada'))).toBe(200)
    expect(world.count()).toEqual(ONE_GET)
    expect(await statusOf(world, await tokenOf('bob'))).toBe(200)
    expect(world.count()).toEqual(FREE)
    pass(6)
    expect(await statusOf(world, await tokenOf('ada'))).toBe(200)
    expect(world.count()).toEqual(ONE_GET)
  })

  it('is one D1 read for a revocation, whoever asks, and then nothing', async () => {
    const world = await createWorld({ routes, vars })
    await revoke(world, 'ada')
    const tokens = [await tokenOf('bob'), await tokenOf('ada'), await tokenOf('cyd'), await tokenOf('ada', 90)]
    world.count()
    expect(await statusOf(world, tokens[0] ?? '')).toBe(200)
    expect(world.count()).toEqual(GET_AND_READ)
    for (const [at, expected] of [200, 401, 200, 401].entries()) {
      expect(await statusOf(world, tokens[at] ?? '')).toBe(expected)
    }
    expect(world.count()).toEqual(FREE)
    pass(6)
    expect(await statusOf(world, tokens[2] ?? '')).toBe(200)
    expect(world.count()).toEqual(ONE_GET)
  })

  it('is nothing on an `expiry` route', async () => {
    const world = await createWorld({ routes, vars })
    expect(await statusOf(world, await tokenOf('ada'), '/expiry/x')).toBe(200)
    expect(world.count()).toEqual(FREE)
  })

  it('is one D1 read where thousands are revoked', async () => {
    const world = await createWorld({ routes, vars })
    await revokeMany(5000, 10)
    expect(await statusOf(world, await tokenOf('ada'))).toBe(200)
    expect(await statusOf(world, await tokenOf('many-0'))).toBe(401)
    expect(await statusOf(world, await tokenOf('many-4999', 6000))).toBe(401)
    expect(await statusOf(world, await tokenOf('ada', 80_000))).toBe(200)
    expect(world.count()).toEqual(GET_AND_READ)
  })

  it('is one D1 read a token that is older than all that an isolate holds of more than it can', async () => {
    const world = await createWorld({ routes, vars })
    await revokeMany(10_100, 0)
    const [young, old, revoked] = [
      await tokenOf('ada', 60),
      await tokenOf('ada', 12_000),
      await tokenOf('many-10050', 20_000),
    ]
    const costs: unknown[] = []
    for (const token of [young, young, old, old, revoked, revoked]) {
      const status = await statusOf(world, token)
      costs.push([status, world.count().roundTrips])
    }
    expect(costs).toEqual([
      [200, 1],
      [200, 0],
      [200, 1],
      [200, 0],
      [401, 1],
      [401, 0],
    ])
  })

  it('is no D1 read for each request of a database that was restored to before the marker', async () => {
    const world = await createWorld({ routes, vars })
    await env.MARKERS.put(MARKER, '9999999999999')
    const token = await tokenOf('ada')
    expect([await statusOf(world, token), await statusOf(world, token)]).toEqual([200, 200])
    expect(world.count()).toEqual(GET_AND_READ)
    pass(6)
    expect(await statusOf(world, token)).toBe(200)
    expect(world.count()).toEqual(ONE_GET)
  })
})

describe('a revocation that comes in between', () => {
  it('of being loaded is loaded the next time', async () => {
    const world = await createWorld({ routes, vars })
    const token = await tokenOf('bob')
    await revoke(world, 'ada')
    const state = { isLate: true }
    const batch = async (statements: D1PreparedStatement[]) => {
      const results = await env.DB.batch(statements)
      if (!state.isLate) return results
      state.isLate = false
      await revoke(world, 'bob')
      return results
    }
    const isolate = { ...world.env, DB: { prepare: (sql: string) => env.DB.prepare(sql), batch } }
    expect(await statusOf(world, token, '/orders', isolate)).toBe(200)
    pass(6)
    expect(await statusOf(world, token, '/orders', isolate)).toBe(401)
  })

  it('of two loads that overtake one another is kept', async () => {
    const world = await createWorld({ routes, vars })
    await revoke(world, 'ada')
    const waiting: (() => void)[] = []
    const batch = async (statements: D1PreparedStatement[]) => {
      const results = await env.DB.batch(statements)
      if (waiting.length === 0) await new Promise<void>((resolve) => void waiting.push(resolve))
      return results
    }
    const isolate = { ...world.env, DB: { prepare: (sql: string) => env.DB.prepare(sql), batch } }
    const [bob, cyd] = [await tokenOf('bob'), await tokenOf('cyd')]
    const slow = statusOf(world, cyd, '/orders', isolate)
    await vi.waitFor(() => expect(waiting).toHaveLength(1))
    await revoke(world, 'bob')
    pass(6)
    expect(await statusOf(world, bob, '/orders', isolate)).toBe(401)
    for (const resolve of waiting) resolve()
    expect(await slow).toBe(200)
    expect(await statusOf(world, await tokenOf('bob', 90), '/orders', isolate)).toBe(401)
  })
})

/** An isolate, somebody who was revoked and somebody who was not, and the means to take its bindings away. */
async function createStage() {
  const world = await createWorld({ routes, vars })
  const state = { kv: true, d1: true }
  const isolate = {
    ...world.env,
    DB: {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: (statements: D1PreparedStatement[]) => (state.d1 ? env.DB.batch(statements) : fail()),
    },
    MARKERS: { get: (key: string) => (state.kv ? env.MARKERS.get(key) : fail()), put: fail },
  }
  const tokens = { ada: await tokenOf('ada'), bob: await tokenOf('bob') }
  await revoke(world, 'ada')
  const send = (name: keyof typeof tokens, path = '/orders', into: JsonObject = isolate) =>
    statusOf(world, tokens[name], path, into)
  return { world, state, isolate, send }
}

describe('with D1 or KV down, a token of another issuer', () => {
  it('is judged by what was loaded while that is young, then by D1', async () => {
    const { state, send } = await createStage()
    expect(await send('bob')).toBe(200)
    state.kv = false
    state.d1 = false
    pass(30)
    expect([await send('bob'), await send('ada')]).toEqual([200, 401])
    pass(6)
    expect([await send('bob'), await send('ada')]).toEqual([503, 401])
    state.d1 = true
    expect([await send('bob'), await send('ada')]).toEqual([200, 401])
  })

  it('is judged by D1 in an isolate that has loaded nothing, and only where that is down as well by `on_outage`', async () => {
    const { state, isolate, send } = await createStage()
    state.kv = false
    expect([await send('bob'), await send('ada')]).toEqual([200, 401])
    state.d1 = false
    const fresh = () => ({ ...isolate })
    expect(await send('bob', '/orders', fresh())).toBe(503)
    expect(await send('bob', '/lenient/x', fresh())).toBe(200)
    expect(await send('ada', '/expiry/x', fresh())).toBe(200)
  })

  it('passes nowhere where the marker tells of more than is known', async () => {
    const { state, isolate, send } = await createStage()
    state.d1 = false
    const fresh = { ...isolate }
    expect([await send('bob', '/orders', fresh), await send('bob', '/lenient/x', fresh)]).toEqual([503, 503])
    state.kv = false
    pass(6)
    expect(await send('bob', '/lenient/x', fresh)).toBe(503)
  })

  it('is refused on a lenient route too where it is known to be revoked', async () => {
    const { state, send } = await createStage()
    await send('bob')
    state.kv = false
    state.d1 = false
    pass(60)
    expect([await send('ada', '/lenient/x'), await send('bob', '/lenient/x')]).toEqual([401, 200])
  })

  it('passes without D1 where there is no marker', async () => {
    const { state, isolate, send } = await createStage()
    await env.MARKERS.delete(MARKER)
    state.d1 = false
    expect(await send('bob', '/orders', { ...isolate })).toBe(200)
  })

  it('does not pass because D1 answers something else', async () => {
    const { world, send } = await createStage()
    const answers = [[], [{ results: [] }], [{ results: [{ version: 'x', read_at: 1 }] }]]
    for (const answer of answers) {
      const DB = { prepare: (sql: string) => env.DB.prepare(sql), batch: async () => answer }
      expect(await send('bob', '/orders', { ...world.env, DB })).toBe(503)
    }
  })
})

describe('publication of an issuer', () => {
  it('that failed is made again by the cron', async () => {
    const world = await createWorld({ routes, vars })
    const token = await tokenOf('ada')
    await revoke(world, 'ada', { MARKERS: { get: fail, put: fail } })
    expect(await env.MARKERS.get(MARKER)).toBe(null)
    await runCron(world)
    expect(await statusOf(world, token)).toBe(401)
  })

  it('that was lost, or overtaken by an older one, is made again while it matters', async () => {
    const world = await createWorld({ routes, vars })
    await revoke(world, 'ada')
    const marker = await env.MARKERS.get(MARKER)
    await env.MARKERS.put(MARKER, '1')
    await runCron(world)
    expect(await env.MARKERS.get(MARKER)).toBe(marker)
    await env.MARKERS.delete(MARKER)
    await runCron(world)
    expect(await env.MARKERS.get(MARKER)).toBe(marker)
  })

  it('costs one batch, one put and its confirmation', async () => {
    const world = await createWorld({ routes, vars })
    world.count()
    await revoke(world, 'ada')
    expect(world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 1 })
  })

  it('is put again by whoever revoked when D1 went on meanwhile', async () => {
    const world = await createWorld({ routes, vars })
    const first = { isFirst: true }
    const put = async (key: string, value: string) => {
      if (first.isFirst) {
        first.isFirst = false
        await revoke(world, 'bob')
      }
      await env.MARKERS.put(key, value)
    }
    await revoke(world, 'ada', { MARKERS: { get: fail, put } })
    const version = await env.DB.prepare('SELECT revocations FROM revoked_issuers').first<number>('revocations')
    expect(await env.MARKERS.get(MARKER)).toBe(String(version))
  })
})

describe('the cron', () => {
  it('forgets revocations that no token can be older than, and no others', async () => {
    const world = await createWorld({ routes, vars })
    await env.DB.prepare(
      `INSERT INTO revoked_subjects (issuer, subject, revoked_at) VALUES (?1, 'over', unixepoch() - 86500),
         (?1, 'not over', unixepoch() - 86300), ('https://gone.example.com/', 'unknown', 1)`,
    )
      .bind(ISSUER)
      .run()
    await runCron(world)
    const { results } = await env.DB.prepare('SELECT subject FROM revoked_subjects ORDER BY subject').all()
    expect(results).toEqual([{ subject: 'not over' }, { subject: 'unknown' }])
  })

  it('asks nothing about issuers where none is configured', async () => {
    const world = await createWorld()
    await world.runCron()
    const without = world.count()
    expect(without.puts).toBe(0)
    expect(without.roundTrips).toBe(2)
  })
})

async function runCron(world: World): Promise<void> {
  const context = createExecutionContext()
  const isolate = { ...world.env }
  await worker.scheduled({ scheduledTime: 0, cron: '* * * * *', noRetry: () => undefined }, isolate)
  await waitOnExecutionContext(context)
}
