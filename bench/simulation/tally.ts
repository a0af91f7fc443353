// What a run counts: requests, what they waited, and what KV and D1 had to do for them.

import type { World } from './world.ts'

export interface Counts extends Meters {
  readonly requests: number
  /** How many requests asked D1 because of their standing. */
  readonly asked: number
  /** Of the requests that waited for KV. */
  readonly waitsMs: readonly number[]
}

export interface Tally {
  /** From the first call on, everything counts. */
  readonly begin: () => void
  readonly count: (waitMs: number, trusted: boolean) => void
  /** What thieves read is not counted as traffic. */
  readonly aside: <Result>(work: () => Result) => Result
  readonly result: () => Counts
}

interface Meters {
  readonly markerReads: number
  readonly digestReads: number
  readonly writes: number
  readonly refusedWrites: number
  readonly statements: number
}

export function createTally(world: World): Tally {
  const { markers, digests, statements } = world
  let start: Meters | null = null
  let requests = 0
  let asked = 0
  const waitsMs: number[] = []

  return {
    begin: () => {
      start ??= readMeters(world)
    },
    count: (waitMs, trusted) => {
      if (start === null) return
      requests += 1
      if (waitMs > 0) waitsMs.push(waitMs)
      if (!trusted) asked += 1
    },
    aside: (work) => {
      const [markerReads, digestReads, count] = [markers.meter.reads, digests.meter.reads, statements.count]
      const result = work()
      markers.meter.reads = markerReads
      digests.meter.reads = digestReads
      statements.count = count
      return result
    },
    result: () => ({ requests, asked, waitsMs, ...difference(readMeters(world), start ?? readMeters(world)) }),
  }
}

function readMeters({ markers, digests, statements }: World): Meters {
  return {
    markerReads: markers.meter.reads,
    digestReads: digests.meter.reads,
    writes: markers.meter.writes + digests.meter.writes,
    refusedWrites: markers.meter.refusedWrites + digests.meter.refusedWrites,
    statements: statements.count,
  }
}

function difference(end: Meters, start: Meters): Meters {
  return {
    markerReads: end.markerReads - start.markerReads,
    digestReads: end.digestReads - start.digestReads,
    writes: end.writes - start.writes,
    refusedWrites: end.refusedWrites - start.refusedWrites,
    statements: end.statements - start.statements,
  }
}
