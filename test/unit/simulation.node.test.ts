// The simulated KV, and what the compared designs promise: when a revoked token is trusted for the last time.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createAgenda } from '../../bench/simulation/agenda.ts'
import { createTruth } from '../../bench/simulation/digest.ts'
import type { Digest } from '../../bench/simulation/digest.ts'
import { createKv } from '../../bench/simulation/kv.ts'
import type { Kv, KvOptions } from '../../bench/simulation/kv.ts'
import { createRandom } from '../../bench/simulation/random.ts'
import { createReader } from '../../bench/simulation/reader.ts'
import type { ReaderOptions } from '../../bench/simulation/reader.ts'
import { simulate } from '../../bench/simulation/run.ts'
import { databaseDesign, keyDesign, SLACK_MS, tickDesign, TODAY } from '../../bench/simulation/strategies.ts'
import type { Design } from '../../bench/simulation/strategies.ts'
import type { Question, Strategy } from '../../bench/simulation/strategy.ts'
import type { Markers } from '../../bench/simulation/today.ts'
import { createTraffic } from '../../bench/simulation/traffic.ts'
import { createWorld, NO_FAULTS } from '../../bench/simulation/world.ts'
import type { Faults } from '../../bench/simulation/world.ts'
import { startTicks } from '../../bench/simulation/writers.ts'
import { createSampler, zipfWeights } from '../../bench/simulation/zipf.ts'

describe('a population after Zipf', () => {
  it.each([0.8, 1, 1.2])('is drawn in proportion to its weights at exponent %d', (exponent) => {
    const counts = drawCounts(1000, exponent, 300_000)
    const weights = zipfWeights(1000, exponent)
    const total = sum(weights)
    for (const rank of [0, 1, 9, 99]) {
      const expected = (300_000 * (weights[rank] ?? 0)) / total
      expect(Math.abs((counts[rank] ?? 0) - expected)).toBeLessThan(5 * Math.sqrt(expected))
    }
    expect(sum(counts.slice(500))).toBeGreaterThan(0)
  })

  it('is the same for the same seed, and another for another', () => {
    expect(drawEight(7)).toEqual(drawEight(7))
    expect(drawEight(7)).not.toEqual(drawEight(8))
  })
})

function drawEight(seed: number): readonly number[] {
  return Array.from({ length: 8 }, createRandom(seed))
}

function drawCounts(users: number, exponent: number, draws: number): Uint32Array {
  const random = createRandom(3)
  const sample = createSampler(zipfWeights(users, exponent))
  const counts = new Uint32Array(users)
  for (let draw = 0; draw < draws; draw += 1) {
    const user = sample(random)
    counts[user] = (counts[user] ?? 0) + 1
  }
  return counts
}

describe('the agenda', () => {
  it('runs what is due in the order of time, then of adding, what tasks add included', () => {
    const agenda = createAgenda()
    const ran: string[] = []
    agenda.add(20, () => ran.push('later'))
    agenda.add(10, (atMs) => {
      ran.push('first')
      agenda.add(atMs + 5, () => ran.push('added'))
    })
    for (const name of ['second', 'third', 'fourth']) agenda.add(10, () => ran.push(name))
    agenda.add(30, () => ran.push('not yet'))
    agenda.runUntil(20)
    expect(ran).toEqual(['first', 'second', 'third', 'fourth', 'added', 'later'])
  })

  it('sorts whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 })), (times) => {
        const agenda = createAgenda()
        const ran: number[] = []
        for (const atMs of times) agenda.add(atMs, (now) => ran.push(now))
        agenda.runUntil(50)
        expect(ran).toEqual(times.toSorted((one, other) => one - other))
      }),
    )
  })
})

describe('the model of KV', () => {
  it('serves a location what it has read for cacheTtl, and other locations what is there now', () => {
    const kv = kvOf({})
    kv.put(0, 1, 10)
    expect(valueAt(kv, 2000, 0)).toBe(10)
    kv.put(3000, 1, 11)
    expect(valueAt(kv, 31_900, 0)).toBe(10)
    expect(valueAt(kv, 31_900, 1)).toBe(11)
    expect(valueAt(kv, 32_300, 0)).toBe(11)
  })

  it('remembers what was absent just as long', () => {
    const kv = kvOf({})
    expect(valueAt(kv, 0, 0)).toBeNull()
    kv.put(1000, 1, 10)
    expect(valueAt(kv, 29_900, 0)).toBeNull()
    expect(valueAt(kv, 30_300, 0)).toBe(10)
  })

  it('takes one write a second and key', () => {
    const kv = kvOf({})
    expect([kv.put(0, 1, 10), kv.put(999, 1, 11), kv.put(999, 2, 12), kv.put(1000, 1, 13)]).toEqual([
      'stored',
      'too soon',
      'stored',
      'stored',
    ])
    expect(valueAt(kv, 1000, 0)).toBe(13)
    expect(kv.meter).toMatchObject({ writes: 3, refusedWrites: 1 })
  })

  it('takes 100 to 300 ms from the central store and 1 to 5 ms from the cache, and lets a second reader join the first', () => {
    const kv = kvOf({})
    const [cold, joined, hot] = [kv.get(0, 0, 1).waitMs, kv.get(50, 0, 1).waitMs, kv.get(1000, 0, 1).waitMs]
    expect(cold).toBeGreaterThanOrEqual(100)
    expect(cold).toBeLessThan(300)
    expect(joined).toBeCloseTo(cold - 50)
    expect(hot).toBeLessThan(5)
    expect(kv.meter).toMatchObject({ reads: 3, coldReads: 1 })
  })

  it('shows a late write late, and the one before it meanwhile', () => {
    const kv = kvOf({ tail: { share: 1, meanMs: 1e9 }, initial: () => 9 })
    kv.put(0, 1, 10)
    expect(valueAt(kv, 60_000, 0)).toBe(9)
  })

  it('neither reads nor writes while it is down', () => {
    const kv = kvOf({ isDown: (atMs) => atMs < 1000 })
    expect(kv.put(0, 1, 10)).toBe('down')
    expect(kv.get(0, 0, 1)).toEqual({ outcome: 'down', waitMs: 500 })
    expect(valueAt(kv, 1000, 0)).toBeNull()
  })
})

function kvOf(options: Partial<KvOptions<number>>): Kv<number> {
  return createKv<number>({
    random: createRandom(1),
    locations: 2,
    cacheTtlMs: 30_000,
    coldMs: [100, 300],
    hotMs: [1, 5],
    tail: { share: 0, meanMs: 0 },
    isDown: () => false,
    initial: () => null,
    ...options,
  })
}

function valueAt(kv: Kv<number>, atMs: number, location: number): number | null {
  const answer = kv.get(atMs, location, 1)
  return answer.outcome === 'read' ? answer.value : null
}

describe('a digest of D1', () => {
  it('lists everyone who changed since its beginning, at the newest version, however few it may list', () => {
    const change = fc.record({ user: fc.nat(9), gapMs: fc.integer({ min: 1, max: 50 }) })
    fc.assert(
      fc.property(fc.array(change), fc.integer({ min: 1, max: 12 }), (changes, cap) => {
        const truth = createTruth(10)
        let atMs = 0
        for (const { user, gapMs } of changes) truth.commit(user, (atMs += gapMs))
        const digest = truth.digest(atMs, 300, cap, () => true)
        const since = truth.changedSince(digest.sinceMs)
        expect(digest.versions).toEqual(new Map(since.map(({ user }) => [user, truth.versionOf(user)])))
        expect(digest.versions.size).toBeLessThanOrEqual(cap)
      }),
    )
  })
})

const TICKS = { everyMs: 5000, marginMs: 2000, waitAgeMs: 15_000, maxAgeMs: 35_000 }
/** A put, a cold read, and the second in which a thief tries once. */
const LAG_MS = 2000

const anyFaults = fc.record({
  kvDown: fc.constantFrom(null, [80_000, 110_000] as const, [120_000, 160_000] as const),
  cronDead: fc.constantFrom(null, [90_000, 150_000] as const, [0, 400_000] as const),
  lateTicks: fc.constantFrom(0, 0.3, 1),
  cronLateMs: fc.constantFrom(0, 20_000, 45_000),
  tail: fc.constantFrom({ share: 0, meanMs: 0 }, { share: 0.5, meanMs: 90_000 }),
})

describe('a revoked token', () => {
  it.each([
    [TODAY, 35_000],
    [keyDesign(1, 5000), 100_000],
    [keyDesign(4, 10_000), 105_000],
    [keyDesign(1, 5000, 1), 100_000],
    [databaseDesign(5000, 35_000), 35_000],
    [tickDesign(TICKS), 35_000],
  ] as const)('is not trusted after the bound of $0.name', (design, boundMs) => {
    const delays = delaysOf(design, NO_FAULTS, 11)
    expect(delays).toHaveLength(60)
    expect(Math.max(...delays)).toBeLessThan(boundMs + LAG_MS)
  })

  it('is trusted by no digest that is older than its bound, whatever becomes of KV, of the cron and of its ticks', () => {
    fc.assert(
      fc.property(anyFaults, fc.nat(), (faults, seed) => {
        expect(Math.max(...delaysOf(DIGEST_ALONE, faults, seed))).toBeLessThan(TICKS.maxAgeMs)
      }),
      { numRuns: 25 },
    )
  })

  it('is trusted no longer than today where ticks stop, come late or have gaps', () => {
    fc.assert(
      fc.property(anyFaults, fc.nat(), (faults, seed) => {
        const delays = delaysOf(tickDesign(TICKS), { ...faults, kvDown: null, tail: NO_FAULTS.tail }, seed)
        expect(Math.max(...delays)).toBeLessThan(35_000 + LAG_MS)
      }),
      { numRuns: 10 },
    )
  })

  it('is refused sooner with ticks than today', () => {
    expect(sum(delaysOf(tickDesign(TICKS), NO_FAULTS, 5))).toBeLessThan(sum(delaysOf(TODAY, NO_FAULTS, 5)) / 2)
  })
})

function sum(values: Iterable<number>): number {
  return [...values].reduce((total, value) => total + value, 0)
}

/** Ticks without markers: what no digest lets pass asks D1. */
const DIGEST_ALONE: Design = {
  name: 'digests alone',
  build: (world) => {
    startTicks(world, TICKS.everyMs, { windowMs: 1_020_000, cap: 5 })
    const reader = createReader(world, strictMarkers, tickReader(world.digests))
    return { ...reader, publish: () => {} }
  },
}

const strictMarkers: Markers = {
  judge: () => ({ trusted: false, waitMs: 0 }),
  learn: () => {},
  known: () => 0,
  refresh: () => {},
}

function tickReader(digests: Kv<Digest>): ReaderOptions {
  const tickAt = (atMs: number) => Math.floor((atMs - TICKS.marginMs) / TICKS.everyMs)
  return {
    fetch: (atMs, location) => {
      const answer = digests.get(atMs, location, tickAt(atMs))
      return { parts: [answer.outcome === 'read' ? answer.value : null], waitMs: answer.waitMs }
    },
    nextAtMs: (askedAtMs) => (tickAt(askedAtMs) + 1) * TICKS.everyMs + TICKS.marginMs,
    waitAgeMs: TICKS.waitAgeMs,
    maxAgeMs: TICKS.maxAgeMs,
    slackMs: SLACK_MS,
    markerShare: 0,
  }
}

/** Thirty users change in a small world; each has a thief who was there before, and one who comes. */
function delaysOf(design: Design, faults: Faults, seed: number): readonly number[] {
  const random = createRandom(seed)
  const scene = { users: 500, locations: 3, durationMs: 320_000 }
  const traffic = createTraffic({
    ...scene,
    random,
    exponent: 1,
    requestsPerSecond: 10,
    isolatesPerLocation: 2,
    isolateLifeMs: 100_000,
    atHome: 0.9,
  })
  const changes = Array.from({ length: 30 }, (_, user) => ({
    user,
    atMs: 100_000 + random() * 90_000,
    thieves: [
      { location: user % 3, activeMs: 0 },
      { location: user % 3, activeMs: 40_000 },
    ],
  }))
  const { delays } = simulate(design, { ...scene, traffic, changes, faults, warmUpMs: 0, seed })
  return delays.map(({ delayMs }) => delayMs)
}

const QUESTION: Question = { atMs: 100_000, user: 1, location: 0, isolate: 0, version: 5, issuedAtMs: 90_000 }

describe('a reader of digests', () => {
  it.each([
    ['lets pass who is not listed', {}, 'digest'],
    ['lets pass who is listed at the version of his token', { versions: new Map([[1, 5]]) }, 'digest'],
    ['asks D1 for who is listed at a newer version', { versions: new Map([[1, 6]]) }, 'D1'],
    ['leaves to the marker what was issued before its coverage', { sinceMs: 31_000 }, 'marker'],
    ['decides at the very beginning of its coverage', { sinceMs: 30_000 }, 'digest'],
    ['leaves to the marker what it is too old for', { asOfMs: 65_000 }, 'marker'],
    ['decides until it is too old', { asOfMs: 65_001 }, 'digest'],
  ] as const)('%s', (_, digest, decided) => {
    expect(decide({ sinceMs: 0, asOfMs: 99_000, versions: new Map(), ...digest }, QUESTION)).toBe(decided)
  })

  it('takes an absent digest for none, and not for "nothing changed"', () => {
    expect(decide(null, QUESTION)).toBe('marker')
  })
})

describe('an isolate', () => {
  it('keeps its digest where an older one comes after it', () => {
    const newest: Digest = { sinceMs: 0, asOfMs: 99_000, versions: new Map([[1, 6]]) }
    const answers = [newest, { ...newest, asOfMs: 98_000, versions: new Map() }]
    const reader = readerOf(() => ({ parts: [answers.shift() ?? null], waitMs: 0 }))
    const trusted = [100_000, 105_000, 110_000].map((atMs) => reader.judge({ ...QUESTION, atMs }).trusted)
    expect(trusted).toEqual([false, false, false])
    expect(answers).toEqual([])
  })
})

/** Markers let everything pass here, and wait a tell-tale time for it. */
function readerOf(fetch: ReaderOptions['fetch']): Strategy {
  const world = createWorld({
    random: createRandom(1),
    users: 2,
    locations: 1,
    cacheTtlMs: 30_000,
    durationMs: 0,
    faults: NO_FAULTS,
  })
  const markers: Markers = { ...strictMarkers, judge: () => ({ trusted: true, waitMs: 77 }) }
  return createReader(world, markers, { ...tickReader(world.digests), fetch })
}

function decide(digest: Digest | null, question: Question): 'digest' | 'marker' | 'D1' {
  const { trusted, waitMs } = readerOf(() => ({ parts: [digest], waitMs: 0 })).judge(question)
  if (!trusted) return 'D1'
  return waitMs === 77 ? 'marker' : 'digest'
}
