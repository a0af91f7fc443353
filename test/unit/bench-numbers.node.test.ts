// The arithmetic of the bench: what it makes of the numbers that the kernel and workerd give it.

import { describe, expect, it } from 'vitest'

import { selectContestants } from '../../bench/contestants.ts'
import { parseRunTime, readCpuMicros } from '../../bench/cpu.ts'
import { parseOptions } from '../../bench/options.ts'
import type { Profile } from '../../bench/profile.ts'
import { parseProfile } from '../../bench/profile.ts'
import { damaged } from '../../bench/prove.ts'
import { describeSelfTimes, selfTimesOf } from '../../bench/self-time.ts'
import { activeMsOf } from '../../bench/startup.ts'
import { medianOf, quantile, spreadOf } from '../../bench/statistics.ts'
import { bearer, cookie, inTurn, neverSeen, seenAgain } from '../../bench/supply.ts'

describe('a median', () => {
  it('is the middle one, whatever the order, and lies between the two of an even number', () => {
    expect(medianOf([10, 9, 100])).toBe(10)
    expect(medianOf([4, 1, 2, 3])).toBe(2.5)
  })

  it('leaves its values as they are', () => {
    const values = [3, 1, 2]
    medianOf(values)
    expect(values).toEqual([3, 1, 2])
  })

  it('is refused of nothing', () => {
    expect(() => medianOf([])).toThrow(RangeError)
  })
})

describe('a quantile', () => {
  it.each([
    [0, 10],
    [0.125, 12.5],
    [0.99, 29.8],
    [1, 30],
  ])('at %d stands in proportion between its neighbours', (share, value) => {
    expect(quantile([10, 20, 30], share)).toBeCloseTo(value)
  })
})

describe('the spread of rounds', () => {
  it('has their median, the lowest and the highest', () => {
    expect(spreadOf([3, 90, 1, 4])).toEqual({ median: 3.5, lowest: 1, highest: 90 })
  })
})

describe('the CPU of a process', () => {
  it('is the first number of schedstat, which is in nanoseconds', () => {
    expect(parseRunTime('123456789 42 7\n')).toBe(123_456_789)
  })

  it('grows by what the process uses', () => {
    const before = readCpuMicros(process.pid)
    const began = process.cpuUsage()
    while (process.cpuUsage(began).user < 60_000) Math.random()
    const used = readCpuMicros(process.pid) - before
    expect(used).toBeGreaterThan(50_000)
    expect(used).toBeLessThan(600_000)
  })
})

/** Looks after 5, 7, 11 and 13 µs at: a function, nothing to do, workerd itself, the function. */
const PROFILE: Profile = {
  nodes: [
    { id: 1, callFrame: { functionName: 'verify', url: 'file:///w/worker.js', lineNumber: 41 } },
    { id: 2, callFrame: { functionName: '(idle)', url: '', lineNumber: -1 } },
    { id: 3, callFrame: { functionName: '(program)', url: '', lineNumber: -1 } },
    { id: 4, callFrame: { functionName: '', url: 'node-internal:events', lineNumber: 0 } },
  ],
  samples: [1, 2, 3, 1, 4],
  timeDeltas: [5, 7, 11, 13, 3000],
}

describe('self-times', () => {
  it('count what a look finds until the next look, longest first and without idling', () => {
    expect(selfTimesOf(PROFILE)).toEqual([
      { where: 'verify worker.js:42', micros: 3007 },
      { where: '(program)', micros: 13 },
      { where: '(anonymous) node-internal:events:1', micros: 0 },
    ])
  })

  it('are described for a request, with their share', () => {
    const [first] = describeSelfTimes(selfTimesOf(PROFILE), 10, 1).split('\n')
    expect(first?.trim().split(/\s+/)).toEqual(['300.70', 'µs', '99.6', '%', 'verify', 'worker.js:42'])
  })

  it('make the CPU of a start, workerd included', () => {
    expect(activeMsOf(PROFILE)).toBeCloseTo(3.02)
  })

  it('are not made up from what is no profile', () => {
    expect(() => parseProfile({ nodes: [], samples: [] })).toThrow(TypeError)
    expect(parseProfile(PROFILE)).toBe(PROFILE)
  })
})

describe('the options', () => {
  it('have defaults of at least five rounds', () => {
    expect(parseOptions([])).toMatchObject({ only: [], profile: null })
    expect(parseOptions([]).rounds).toBeGreaterThanOrEqual(5)
  })

  it('are taken as they are given', () => {
    const args = ['--only', 'hono,known', '--rounds', '3', '--requests', '400', '--connections', '8']
    expect(parseOptions([...args, '--profile', 'known'])).toEqual({
      only: ['hono', 'known'],
      rounds: 3,
      requests: 400,
      connections: 8,
      profile: 'known',
    })
  })

  it.each([['--rounds', '0'], ['--requests', '1.5'], ['--connections', 'many'], ['--loud']])(
    'refuse %s %s',
    (...args) => {
      expect(() => parseOptions(args)).toThrow(TypeError)
    },
  )
})

describe('the contestants', () => {
  it('are all there are where nobody is named, each name once', () => {
    const names = selectContestants([]).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(expect.arrayContaining(['hono', 'known', 'marker-kv', 'session', 'haproxy']))
  })

  it('are those that are named, and nobody else', () => {
    expect(selectContestants(['known', 'hono']).map(({ name }) => name)).toEqual(['hono', 'known'])
    expect(() => selectContestants(['hono', 'nobody'])).toThrow(/nobody.*bare, hono/)
  })
})

async function mint(count: number): Promise<readonly string[]> {
  return Array.from({ length: count }, () => crypto.randomUUID())
}

describe('the credentials', () => {
  it('that were seen take turns, and those that were not are all new', async () => {
    const again = await (await seenAgain(mint, bearer))(130)
    expect([again[64], again[128]]).toEqual([again[0], again[0]])
    expect(new Set(again.map(String)).size).toBe(64)
    expect(new Set((await neverSeen(mint, bearer)(130)).map(String)).size).toBe(130)
  })

  it('that are missing stay missing', async () => {
    expect(await inTurn([[]])(2)).toEqual([[], []])
  })

  it.each([bearer('eyJhbGciOiJFUzI1NiJ9.e30.AAAAAAAAAAAAAAAA'), cookie('a=1; s=QQQQQQQQQQQQQQQQQQ')])(
    'are damaged near their end, and nowhere else',
    (name = '', value = '') => {
      const [sameName, other = ''] = damaged([name, value])
      expect([sameName, other.length]).toEqual([name, value.length])
      const differing = value.split('').flatMap((character, at) => (character === other[at] ? [] : [at]))
      expect(differing).toEqual([value.length - 10])
    },
  )
})
