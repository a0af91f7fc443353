import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import type { JsonObject } from '../../src/json.ts'
import { createWorld } from '../support/world.ts'
import type { World } from '../support/world.ts'

/** What a KV does besides: it may throw, and it may take its time. */
type Meanwhile = (userId: string) => void | Promise<void>

const MINUTES = 60

/** KV whose puts are kept in their order, and may fail. */
function createKv(meanwhile: Meanwhile = () => undefined) {
  const puts: string[] = []
  const kv = {
    get: (key: string) => env.MARKERS.get(key),
    put: async (key: string, value: string) => {
      puts.push(idOf(key))
      await meanwhile(idOf(key))
      await env.MARKERS.put(key, value)
    },
  }
  return { kv, puts }
}

function idOf(key: string): string {
  return key.slice('marker:'.length)
}

/** A world whose one user has nothing to publish. */
async function createQuietWorld(bindings: JsonObject = {}): Promise<World> {
  const world = await createWorld({ bindings })
  await env.DB.prepare('UPDATE users SET published_version = token_version, settled_version = token_version').run()
  return world
}

interface Users {
  readonly prefix: string
  readonly count: number
  /** Seconds since the first of them changed; each further one changed a second later. */
  readonly age: number
  readonly version?: number
  /** `null` where he has never signed in. */
  readonly published?: number | null
}

/** Users `<prefix>000`, `<prefix>001` … whose version was raised and, unless it is said, never published. */
async function insertUsers({ prefix, count, age, version = 7, published = 0 }: Users) {
  const numbers = `WITH RECURSIVE n (at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n WHERE at + 1 < ?1)`
  await env.DB.prepare(
    `${numbers} INSERT INTO users (id, token_version, published_version, created_at, changed_at)
     SELECT ?2 || printf('%03d', at), ?4, ?5, 0, unixepoch() - ?3 + at FROM n`,
  )
    .bind(count, prefix, age, version, published)
    .run()
}

function idsOf(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${String(at).padStart(3, '0')}`)
}

async function markersOf(ids: readonly string[]): Promise<ReadonlySet<string | null>> {
  return new Set(await Promise.all(ids.map((id) => env.MARKERS.get(`marker:${id}`))))
}

async function countUnpublished(): Promise<number | null> {
  return env.DB.prepare(
    'SELECT count(*) AS waiting FROM users WHERE published_version IS NOT token_version',
  ).first<number>('waiting')
}

async function versionOf(id: string): Promise<unknown> {
  return env.DB.prepare('SELECT token_version, published_version FROM users WHERE id = ?1').bind(id).first()
}

function backlogsOf(world: World): readonly unknown[] {
  return world.logged.filter(({ reason }) => reason === 'backlog').map(({ count }) => count)
}

function fail(): never {
  throw new Error('KV PUT failed: 500')
}

describe('a backlog larger than a tick may publish', () => {
  it('is worked off in ticks, the oldest first, and each tells how much is left', async () => {
    const { kv, puts } = createKv()
    const world = await createQuietWorld({ MARKERS: kv })
    await insertUsers({ prefix: 'b', count: 450, age: 60 * MINUTES })
    await world.runCron()
    expect(puts).toHaveLength(200)
    expect(puts.slice(0, 100)).toEqual(idsOf('b', 100))
    await world.runCron()
    expect(puts).toHaveLength(400)
    await world.runCron()
    expect(puts.toSorted()).toEqual(idsOf('b', 450))
    expect(await markersOf(idsOf('b', 450))).toEqual(new Set(['7']))
    expect(await countUnpublished()).toBe(0)
    expect(backlogsOf(world)).toEqual([250, 50])
  })

  it('does not keep what was overtaken from being put right: the next tick does it', async () => {
    const world = await createQuietWorld()
    await insertUsers({ prefix: 'b', count: 450, age: 60 * MINUTES })
    await insertUsers({ prefix: 'overtaken', count: 1, age: MINUTES, version: 9, published: 9 })
    await env.MARKERS.put('marker:overtaken000', '8')
    await world.runCron()
    expect(await env.MARKERS.get('marker:overtaken000')).toBe('9')
  })

  it('is none of users who have never signed in: they have no tokens', async () => {
    const world = await createQuietWorld()
    await insertUsers({ prefix: 'imported', count: 450, age: 60 * MINUTES, published: null })
    await insertUsers({ prefix: 'lost', count: 10, age: 10 })
    await world.runCron()
    expect(await markersOf(idsOf('lost', 10))).toEqual(new Set(['7']))
    expect(await markersOf(idsOf('imported', 450))).toEqual(new Set([null]))
    expect(backlogsOf(world)).toEqual([])
  })

  it('does not wait for users whose put always fails, however many and however old they are', async () => {
    const { kv } = createKv((id) => (id.startsWith('stuck') ? fail() : undefined))
    const world = await createQuietWorld({ MARKERS: kv })
    await insertUsers({ prefix: 'stuck', count: 250, age: 60 * MINUTES })
    await insertUsers({ prefix: 'well', count: 20, age: 30 * MINUTES })
    for (let tick = 0; tick < 25 && (await countUnpublished()) !== 250; tick += 1) await world.runCron()
    expect(await markersOf(idsOf('well', 20))).toEqual(new Set(['7']))
  })

  it('of recent changes begins with those of a minute ago, whose publication is surely over by now', async () => {
    const { kv, puts } = createKv()
    const world = await createQuietWorld({ MARKERS: kv })
    await insertUsers({ prefix: 'changed', count: 250, age: 299, published: 7 })
    await world.runCron()
    expect(puts).toHaveLength(200)
    const first = puts.slice(0, 50).map((id) => Number(id.replace('changed', '')))
    expect(Math.min(...first)).toBeGreaterThan(170)
    expect(puts).not.toContain('changed249')
  })
})

describe('one tick', () => {
  it('goes on where the put of one user fails', async () => {
    const { kv } = createKv((id) => (id === 'u003' ? fail() : undefined))
    const world = await createQuietWorld({ MARKERS: kv })
    await insertUsers({ prefix: 'u', count: 20, age: 60 * MINUTES })
    await world.runCron()
    expect(await countUnpublished()).toBe(1)
    expect(await versionOf('u003')).toEqual({ token_version: 7, published_version: 0 })
    expect(world.logged).toEqual([expect.objectContaining({ event: 'publication', subject: 'u003', fault: 'Error' })])
  })

  it('whose KV is down is made good by the next', async () => {
    let down = true
    const { kv } = createKv(() => (down ? fail() : undefined))
    const world = await createQuietWorld({ MARKERS: kv })
    await insertUsers({ prefix: 'u', count: 20, age: 10 })
    await world.runCron()
    expect(await markersOf(idsOf('u', 20))).toEqual(new Set([null]))
    down = false
    await world.runCron()
    expect(await markersOf(idsOf('u', 20))).toEqual(new Set(['7']))
    expect(await countUnpublished()).toBe(0)
  })

  it('puts again whom D1 raised between the put and its confirmation', async () => {
    let raised = false
    const { kv, puts } = createKv(async () => {
      if (raised) return
      raised = true
      await env.DB.prepare(`UPDATE users SET token_version = 8 WHERE id = 'u000'`).run()
    })
    const world = await createQuietWorld({ MARKERS: kv })
    await insertUsers({ prefix: 'u', count: 1, age: 10 })
    await world.runCron()
    expect(puts).toEqual(['u000', 'u000'])
    expect(await env.MARKERS.get('marker:u000')).toBe('8')
    expect(await versionOf('u000')).toEqual({ token_version: 8, published_version: 8 })
  })

  it('leaves whom D1 raises again and again to the next', async () => {
    const { kv, puts } = createKv(async () => {
      await env.DB.prepare('UPDATE users SET token_version = token_version + 1').run()
    })
    const world = await createQuietWorld({ MARKERS: kv })
    await insertUsers({ prefix: 'u', count: 1, age: 10 })
    await world.runCron()
    expect(puts).toEqual(['u000', 'u000'])
    expect(await versionOf('u000')).toEqual({ token_version: 9, published_version: 8 })
  })

  it('asks KV and D1 fewer than 1,000 times, whatever waits', async () => {
    const world = await createQuietWorld()
    await insertUsers({ prefix: 'u', count: 500, age: 60 * MINUTES })
    await insertUsers({ prefix: 'changed', count: 280, age: 290, published: 7 })
    world.count()
    await world.runCron()
    const { roundTrips, gets, puts } = world.count()
    expect(puts).toBe(400)
    expect(roundTrips + gets + puts).toBeLessThan(1000)
  })

  it('publishes side by side, and leaves one of the six answers that may be waited for to a tick', async () => {
    let waiting = 0
    const peaks: number[] = []
    async function wait<T>(answer: () => Promise<T>): Promise<T> {
      waiting += 1
      peaks.push(waiting)
      await scheduler.wait(5)
      waiting -= 1
      return answer()
    }
    const { kv } = createKv(() => wait(async () => undefined))
    const db = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: (statements: D1PreparedStatement[]) => wait(() => env.DB.batch(statements)),
    }
    const world = await createQuietWorld({ MARKERS: kv, DB: db })
    await insertUsers({ prefix: 'u', count: 60, age: 60 * MINUTES })
    await world.runCron()
    expect(Math.max(...peaks)).toBe(5)
    expect(await countUnpublished()).toBe(0)
  })
})
