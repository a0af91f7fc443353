// Password hashing on the thread that also serves requests: few at once, and other requests' turn between two.

import { Denial } from '../denial.ts'
import { addressBlocks } from '../rate-limit.ts'
import type { Verdict } from './passwords.ts'
import { hashPassword, verifyPassword } from './passwords.ts'
import type { Clock } from './places.ts'
import { createPlaces } from './places.ts'

/** `hashPassword` and `verifyPassword`, each in its turn. */
export interface Passwords {
  readonly hash: (password: string) => Promise<string>
  readonly verify: (password: string, hash: string | null) => Promise<Verdict>
}

/** Who asks. */
export interface Hashed {
  readonly clientAddress: string | null
  readonly waitUntil: (work: Promise<unknown>) => void
}

export interface Hashing {
  /**
   * Runs work that hashes, in one of a few places. It is finished also where its client has gone, so that its place is freed.
   * @throws Denial `unavailable` where too many wait or the wait was too long; the work has then not begun
   */
  readonly admit: <T>(asker: Hashed, work: (passwords: Passwords) => Promise<T>) => Promise<T>
}

/**
 * A hash takes 120 ms: sixteen wait some two seconds. Four places, so that one hashes while others wait for D1. One network
 * takes half of all.
 */
const BOUNDS = { places: 4, waiting: 16, perOrigin: 10, patience: 2000 } as const

/**
 * Milliseconds between two hashes in which other requests are served: enough for an upstream's answer to come and go. With
 * 10, a known token waits for two hashes at the median (docs/scale.md).
 */
const PAUSE = 50
/** Milliseconds since a hash began after which it has ended: the clock of a Worker stands still while it computes. */
const QUIET = 2000

export function createHashing(clock: Clock): Hashing {
  const places = createPlaces(BOUNDS, clock)
  const inTurn = createTurns(clock)
  const passwords: Passwords = {
    hash: (password) => inTurn(() => hashPassword(password)),
    verify: (password, hash) => inTurn(() => verifyPassword(password, hash)),
  }
  return {
    admit: async ({ clientAddress, waitUntil }, work) => {
      const leave = await places.take(addressBlocks(clientAddress).at(-1) ?? '')
      if (leave === null) throw new Denial('unavailable', { reason: 'too many passwords to hash' })
      const working = work(passwords).finally(leave)
      waitUntil(working.then(ignore, ignore))
      return working
    },
  }
}

/**
 * Runs hashes one at a time: one begins when a pause has passed in which no other began. A hash blocks its thread, so what
 * has come meanwhile is served in the pause that follows. No turn is held, so none can be lost.
 */
function createTurns({ nowMs, sleepMs }: Clock): <T>(work: () => Promise<T>) => Promise<T> {
  const begun = { count: 0, at: Number.NEGATIVE_INFINITY }
  return async (work) => {
    for (let seen = -1; seen !== begun.count && nowMs() - begun.at < QUIET;) {
      seen = begun.count
      await sleepMs(PAUSE)
    }
    begun.count += 1
    begun.at = nowMs()
    return work()
  }
}

function ignore(): void {}
