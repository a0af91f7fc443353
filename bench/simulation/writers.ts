// Who writes digests: whoever changed a user, into a few fixed keys, or a clock, into a new key a tick.

import type { Commit } from './digest.ts'
import { drawBetween } from './random.ts'
import type { Range } from './random.ts'
import type { World } from './world.ts'
import { isWithin, MINUTE_MS, PUT_MS } from './world.ts'

export interface Coverage {
  /** Everyone is listed who changed in these: the life of an access token, and some slack. */
  readonly windowMs: number
  /** No more users than these; the window shrinks instead. */
  readonly cap: number
}

const READ_MS: Range = [10, 50]
const LATE_MS: Range = [3000, 10_000]
const RETRY_MS: Range = [500, 1500]
const ATTEMPTS = 3

/** Rewrites the key of a commit's user from D1; what KV refuses is tried again, at last by the cron. */
export function createKeyWriter(world: World, keys: number, { windowMs, cap }: Coverage): (commit: Commit) => void {
  const { agenda, truth, digests, random, statements, faults } = world

  function write(atMs: number, key: number, attempts: number): void {
    const asOfMs = atMs + drawBetween(random, READ_MS)
    agenda.add(asOfMs, () => {
      statements.count += 1
      const digest = truth.digest(asOfMs, windowMs, cap, (user) => user % keys === key)
      agenda.add(asOfMs + drawBetween(random, PUT_MS), (putAtMs) => {
        if (digests.put(putAtMs, key, digest) === 'stored' || attempts <= 1) return
        write(putAtMs + drawBetween(random, RETRY_MS), key, attempts - 1)
      })
    })
  }

  for (let atMs = 0; atMs < world.durationMs; atMs += MINUTE_MS)
    for (let key = 0; key < keys; key += 1)
      if (!isWithin(faults.cronDead, atMs)) agenda.add(atMs, () => write(atMs, key, ATTEMPTS))
  return ({ user, atMs }) => write(atMs, user % keys, ATTEMPTS)
}

/** Writes the digest of D1 under a new key a tick; the key is the tick's number. */
export function startTicks(world: World, everyMs: number, { windowMs, cap }: Coverage): void {
  const { agenda, truth, digests, random, statements, faults } = world

  function write(tick: number): void {
    const asOfMs = tick * everyMs + drawBetween(random, READ_MS)
    const lateMs = random() < faults.lateTicks ? drawBetween(random, LATE_MS) : 0
    agenda.add(asOfMs, () => {
      statements.count += 1
      const digest = truth.digest(asOfMs, windowMs, cap, () => true)
      agenda.add(asOfMs + drawBetween(random, PUT_MS) + lateMs, (putAtMs) => digests.put(putAtMs, tick, digest))
    })
  }

  for (let tick = 1; tick * everyMs < world.durationMs; tick += 1)
    if (!isWithin(faults.cronDead, tick * everyMs) && (tick * everyMs) % MINUTE_MS >= faults.cronLateMs) write(tick)
}
