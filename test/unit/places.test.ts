import { describe, expect, it } from 'vitest'

import { createPlaces } from '../../src/accounts/places.ts'

const BOUNDS = { places: 2, waiting: 3, perOrigin: 4, patience: 2000 }

function createClock() {
  const state = { now: 0 }
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  return {
    state,
    nowMs: () => state.now,
    sleepMs: (milliseconds: number) =>
      new Promise<void>((wake) => {
        sleepers.add({ at: state.now + milliseconds, wake })
      }),
    /** Cancels every request that sleeps now. */
    cancelAll: () => sleepers.clear(),
    advance: async (milliseconds: number) => {
      for (const end = state.now + milliseconds; state.now < end;) {
        state.now += 10
        for (const sleeper of [...sleepers].filter(({ at }) => at <= state.now)) {
          sleepers.delete(sleeper)
          sleeper.wake()
        }
        for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
      }
    },
  }
}

/** What became of each request, in the order of their coming. */
function createScene(bounds = BOUNDS) {
  const clock = createClock()
  const places = createPlaces(bounds, clock)
  const outcomes: ('waits' | 'holds' | 'refused')[] = []
  const leaves = new Map<number, () => void>()
  async function come(origin = `origin ${outcomes.length}`): Promise<void> {
    const number = outcomes.push('waits') - 1
    const leave = await places.take(origin)
    outcomes[number] = leave === null ? 'refused' : 'holds'
    if (leave !== null) leaves.set(number, leave)
  }
  return {
    clock,
    outcomes,
    come: (count: number, origin?: string) => void Array.from({ length: count }, () => void come(origin)),
    leave: (number: number) => leaves.get(number)?.(),
  }
}

describe('places', () => {
  it('are given to as many as there are, then to a queue, and the rest is refused at once', async () => {
    const { clock, outcomes, come } = createScene()
    come(7)
    await clock.advance(10)
    expect(outcomes).toEqual(['holds', 'holds', 'waits', 'waits', 'waits', 'refused', 'refused'])
  })

  it('go to those who wait, in the order of their coming', async () => {
    const { clock, outcomes, come, leave } = createScene()
    come(5)
    await clock.advance(100)
    leave(1)
    await clock.advance(40)
    expect(outcomes).toEqual(['holds', 'holds', 'holds', 'waits', 'waits'])
    leave(0)
    leave(2)
    await clock.advance(40)
    expect(outcomes).toEqual(['holds', 'holds', 'holds', 'holds', 'holds'])
  })

  it('are waited for no longer than the patience, and the queue is empty then', async () => {
    const { clock, outcomes, come } = createScene()
    come(5)
    await clock.advance(2100)
    expect(outcomes).toEqual(['holds', 'holds', 'refused', 'refused', 'refused'])
    come(3)
    await clock.advance(10)
    expect(outcomes.slice(5)).toEqual(['waits', 'waits', 'waits'])
  })

  it('are not kept from others by waiters whose clients have gone', async () => {
    const { clock, outcomes, come, leave } = createScene()
    come(5)
    await clock.advance(10)
    clock.cancelAll()
    leave(0)
    await clock.advance(1100)
    come(1)
    await clock.advance(10)
    expect(outcomes.at(-1)).toBe('holds')
  })

  it('are free after a minute where the request that held one has vanished', async () => {
    const { clock, outcomes, come } = createScene()
    come(2)
    await clock.advance(60_010)
    come(2)
    await clock.advance(10)
    expect(outcomes.slice(2)).toEqual(['holds', 'holds'])
  })

  it('are not all taken by one origin', async () => {
    const { clock, outcomes, come } = createScene({ ...BOUNDS, perOrigin: 3 })
    come(5, 'a network')
    come(1, 'another')
    await clock.advance(10)
    expect(outcomes).toEqual(['holds', 'holds', 'waits', 'refused', 'refused', 'waits'])
  })

  it('are given once for each that is left, also where it is left twice', async () => {
    const { clock, outcomes, come, leave } = createScene()
    come(4)
    await clock.advance(10)
    leave(0)
    leave(0)
    await clock.advance(40)
    expect(outcomes).toEqual(['holds', 'holds', 'holds', 'waits'])
  })
})
