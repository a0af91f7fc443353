// The order of hashes and of other requests: in Node, where the work itself can be replaced.
import { beforeEach, expect, it, vi } from 'vitest'

import { createHashing } from '../../src/accounts/hashing.ts'

const steps: string[] = []

vi.mock('../../src/accounts/passwords.ts', () => ({
  verifyPassword: async () => {
    steps.push('hash')
    return { outcome: 'wrong' }
  },
  hashPassword: async () => {
    steps.push('hash')
    return 'hash'
  },
}))

beforeEach(() => {
  steps.length = 0
})

/** A clock on which a sleep lasts one turn of the event loop; other requests come in every turn. */
function createClock() {
  return {
    nowMs: () => 0,
    sleepMs: () => new Promise<void>((resolve) => setTimeout(resolve, 1)),
  }
}

function serveOthers(): () => void {
  const timer = setInterval(() => steps.push('other'), 1)
  return () => clearInterval(timer)
}

function asker(n: number) {
  return { clientAddress: `192.0.2.${n}`, waitUntil: () => undefined }
}

/** What stands between a hash and the next. */
function gaps(): readonly number[] {
  const [, ...between] = steps.join(' ').split('hash')
  return between.slice(0, -1).map((text) => text.split('other').length - 1)
}

it('other requests are served between any two hashes, whoever asks for them', async () => {
  const { admit } = createHashing(createClock())
  const stop = serveOthers()
  await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      admit(asker(n), async (passwords) => {
        await passwords.verify('x', null)
        await passwords.hash('x')
      }),
    ),
  )
  stop()
  expect(steps.filter((step) => step === 'hash')).toHaveLength(24)
  expect(Math.min(...gaps())).toBeGreaterThan(0)
})

it('a hash that begins long after the last one waits for nothing', async () => {
  const clock = { now: 0, slept: 0 }
  const { admit } = createHashing({ nowMs: () => clock.now, sleepMs: async () => void (clock.slept += 1) })
  await admit(asker(1), (passwords) => passwords.hash('x'))
  clock.now = 10_000
  await admit(asker(1), (passwords) => passwords.hash('x'))
  expect(clock.slept).toBe(0)
})
