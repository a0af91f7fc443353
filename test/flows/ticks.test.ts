import { env } from 'cloudflare:workers'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { tidy } from '../../src/auth/cron.ts'
import worker from '../../src/index.ts'
import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { loadRuntime } from '../../src/runtime.ts'
import type { Runtime } from '../../src/runtime.ts'
import { tellRecent } from '../../src/sessions/ticks.ts'
import { createWorld, user } from '../support/world.ts'

/** A minute of the clock that the tests move. */
const MINUTE = 1_900_000_020

/** The cron's isolate: its clock moves when it sleeps, and what it puts is kept. */
async function createCron(begin: number, vars: JsonObject = {}, meanwhile: (key: string) => void = () => undefined) {
  const clock = { now: begin }
  const slept: number[] = []
  const puts: { key: string; value: string; options: unknown }[] = []
  const kv = {
    get: () => null,
    put: async (key: string, value: string, options: unknown) => {
      puts.push({ key, value, options })
      meanwhile(key)
    },
  }
  const world = await createWorld({ vars, bindings: { MARKERS: kv } })
  await env.DB.prepare('UPDATE users SET published_version = token_version, settled_version = token_version').run()
  const loaded = await loadRuntime(world.env)
  if (loaded.outcome !== 'ready') throw new Error(loaded.problems.join(', '))
  const runtime: Runtime = {
    ...loaded.runtime,
    now: () => clock.now,
    sleepUntil: async (unixSeconds) => {
      slept.push(unixSeconds)
      clock.now = Math.max(clock.now, unixSeconds)
    },
  }
  return { world, runtime, clock, slept, puts }
}

function secondsOf(puts: readonly { readonly key: string }[]): readonly number[] {
  return puts.map(({ key }) => Number(key.replace('recent:', '')) - MINUTE)
}

function fromTo(first: number, last: number, step: number): readonly number[] {
  return Array.from({ length: (last - first) / step + 1 }, (_, index) => first + index * step)
}

interface Told {
  readonly since: number
  readonly asOf: number
  readonly versions: JsonObject
}

/** What the last put says. */
function readLast(puts: readonly { readonly value: string }[]): Told {
  const [, text = ''] = puts.at(-1)?.value.split('\n') ?? []
  const told: unknown = JSON.parse(text)
  if (!isObject(told) || !isObject(told['versions'])) throw new Error('no digest')
  return { since: Number(told['since']), asOf: Number(told['as_of']), versions: told['versions'] }
}

/** Users by how many seconds ago they changed, who have that as their version too. */
async function insertChanged(ages: Readonly<Record<string, number>>): Promise<void> {
  const sql = `INSERT INTO users (id, token_version, published_version, settled_version, created_at, changed_at)
    VALUES (?1, ?2, ?2, ?2, 0, unixepoch() - ?2)`
  await env.DB.batch(Object.entries(ages).map(([id, age]) => env.DB.prepare(sql).bind(id, age)))
}

/** One tick. */
function tellOnce(runtime: Runtime, cap?: number): Promise<void> {
  return tellRecent(runtime, runtime.now() - 70, cap)
}

describe('the ticks of a run of the cron', () => {
  it('come at the multiples of isolate_ttl until the next run is surely there, and then a second after its own', async () => {
    const { runtime, slept, puts } = await createCron(MINUTE + 3)
    await tellRecent(runtime, MINUTE)
    expect(secondsOf(puts)).toEqual(fromTo(5, 75, 5))
    expect(slept.map((at) => at - MINUTE)).toEqual([...fromTo(5, 60, 5), 66, 71, 76])
  })

  it('begin after the run has, however late', async () => {
    const { runtime, puts } = await createCron(MINUTE + 65)
    await tellRecent(runtime, MINUTE)
    expect(secondsOf(puts)).toEqual([70, 75])
  })

  it.each([
    ['2s', fromTo(2, 74, 2)],
    ['7s', fromTo(5, 75, 7)],
    ['1m', [60]],
    ['0s', []],
  ])('with isolate_ttl = %j: %j', async (isolate_ttl, expected) => {
    const { runtime, puts } = await createCron(MINUTE, { REVOCATION: { isolate_ttl } })
    await tellRecent(runtime, MINUTE)
    expect(secondsOf(puts)).toEqual(expected)
  })

  it('leave out what is over by the time that a slow one is through', async () => {
    const { runtime, puts, clock } = await createCron(MINUTE, {}, (key) => {
      if (key === `recent:${MINUTE + 10}`) clock.now += 8
    })
    await tellRecent(runtime, MINUTE)
    expect(secondsOf(puts)).toEqual([5, 10, ...fromTo(20, 75, 5)])
  })

  it('are kept for a minute and a tick', async () => {
    const { runtime, puts } = await createCron(MINUTE)
    await tellOnce(runtime)
    expect(puts[0]?.options).toEqual({ expirationTtl: 65 })
  })

  it('go on where one cannot be put or read, which is logged', async () => {
    const { world, runtime, puts } = await createCron(MINUTE, {}, (key) => {
      if (key === `recent:${MINUTE + 10}`) throw new Error('KV PUT failed: 500')
    })
    let asked = 0
    function batch<T>(statements: D1PreparedStatement[]): Promise<D1Result<T>[]> {
      asked += 1
      return asked === 4 ? Promise.reject(new Error('down')) : runtime.db.batch<T>(statements)
    }
    await tellRecent({ ...runtime, db: { prepare: runtime.db.prepare, batch } }, MINUTE)
    expect(secondsOf(puts)).toEqual([5, 10, 15, ...fromTo(25, 75, 5)])
    const event = { event: 'cron', reason: 'digest', fault: 'Error' }
    expect(world.logged).toEqual([expect.objectContaining(event), expect.objectContaining(event)])
  })
})

describe('what a tick tells', () => {
  it('is everybody who changed in the life of an access token, the clock skew and two minutes, and nobody else', async () => {
    const { runtime, puts } = await createCron(MINUTE)
    await insertChanged({ now: 0, recent: 1015, old: 1035 })
    await tellOnce(runtime)
    const { since, asOf, versions } = readLast(puts)
    expect(versions).toEqual({ now: 0, recent: 1015 })
    expect(asOf - since).toBe(900 + 5 + 120)
    expect(asOf).toBeCloseTo(Date.now() / 1000, -1)
  })

  it('is nobody where nobody changed', async () => {
    const { runtime, puts } = await createCron(MINUTE)
    await tellOnce(runtime)
    expect(readLast(puts).versions).toEqual({})
  })

  it('is what a change of roles has just made of a user', async () => {
    const { runtime, puts } = await createCron(MINUTE)
    await env.DB.prepare('UPDATE users SET token_version = 77, changed_at = unixepoch()').run()
    await tellOnce(runtime)
    expect(readLast(puts).versions).toEqual({ [user.id]: 77 })
  })

  it.each([
    [5, ['a', 'b', 'c', 'd', 'e'], 1025],
    [4, ['a', 'b', 'c'], 29],
    [3, ['a', 'b', 'c'], 29],
    [2, ['a'], 19],
    [1, ['a'], 19],
    [0, [], 9],
  ])('are at most %i, without those of the oldest second, and it begins after it', async (cap, listed, seconds) => {
    const { runtime, puts } = await createCron(MINUTE)
    await insertChanged({ a: 10 })
    await insertChanged({ b: 20, c: 20 })
    await insertChanged({ d: 30, e: 30 })
    await env.DB.prepare('UPDATE users SET changed_at = unixepoch() - token_version WHERE token_version > 1').run()
    await tellOnce(runtime, cap)
    const { since, asOf, versions } = readLast(puts)
    expect(Object.keys(versions).toSorted()).toEqual(listed)
    expect([seconds, seconds + 1]).toContain(asOf - since)
  })

  it('is found by an index, whatever the number of users', async () => {
    const { runtime } = await createCron(MINUTE)
    const plans: string[] = []
    function prepare(sql: string): D1PreparedStatement {
      plans.push(sql)
      return runtime.db.prepare(sql)
    }
    await tellOnce({ ...runtime, db: { ...runtime.db, prepare } })
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${plans[0]}`).bind(1025, 5).all()
    const searches = results.map(({ detail }) => String(detail)).filter((detail) => detail.includes('users'))
    expect(searches).toHaveLength(2)
    for (const search of searches) expect(search).toMatch(/^SEARCH users USING (COVERING )?INDEX users_recent/)
  })
})

describe('a run of the cron', () => {
  it('tells of recent changes though publications fail, and fails itself', async () => {
    const { runtime, puts } = await createCron(MINUTE)
    function batch<T>(statements: D1PreparedStatement[]): Promise<D1Result<T>[]> {
      return statements.length === 1 ? runtime.db.batch<T>(statements) : Promise.reject(new Error('down'))
    }
    await expect(tidy({ ...runtime, db: { prepare: runtime.db.prepare, batch } }, MINUTE)).rejects.toThrow('down')
    expect(secondsOf(puts)).toEqual(fromTo(5, 75, 5))
  })

  it('publishes though no tick can be put, and before the first is due', async () => {
    const { runtime, puts } = await createCron(MINUTE, {}, (key) => {
      if (key.startsWith('recent:')) throw new Error('KV PUT failed: 500')
    })
    await env.DB.prepare('UPDATE users SET published_version = 0').run()
    const never = new Promise<never>(() => undefined)
    void tidy({ ...runtime, sleepUntil: () => never }, MINUTE)
    await vi.waitFor(() => expect(puts.map(({ key }) => key)).toEqual([`marker:${user.id}`]))
  })

  it('is timed by the minute that it was due', async () => {
    const { world, puts } = await createCron(MINUTE)
    vi.useFakeTimers({ toFake: ['Date'], now: MINUTE * 1000 + 61_400 })
    onTestFinished(() => {
      vi.useRealTimers()
    })
    const waits: number[] = []
    vi.spyOn(scheduler, 'wait').mockImplementation(async (ms) => {
      waits.push(ms)
      vi.setSystemTime(Date.now() + ms)
    })
    await worker.scheduled({ scheduledTime: MINUTE * 1000, cron: '', noRetry: () => undefined }, world.env)
    expect(secondsOf(puts)).toEqual([65, 70, 75])
    expect(waits).toEqual([4600, 5000, 5000])
  })
})
