// What was measured, as data.

import { cpus } from 'node:os'

import type { Contestant } from './contestants.ts'
import { PLAINEST } from './contestants.ts'
import type { Counts } from './counts.ts'
import type { Effort, Rounds, Turn } from './rounds.ts'
import type { StagedEntrant } from './stage.ts'
import type { Spread } from './statistics.ts'
import { meanOf, medianOf, quantile, spreadOf } from './statistics.ts'

export interface Result {
  readonly name: string
  readonly title: string
  /** Who is compared: those who check nothing, the gateway, and what a user would pick instead. */
  readonly group: 'pass-through' | 'gatehouse' | 'alternative'
  readonly cpuMicrosPerRequest: Spread
  /** CPU beside the plainest pass-through of the same round; `null` where that one did not take part. */
  readonly ratio: Spread | null
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of one request. */
  readonly counts: Counts
  /** CPU before the first request; `null` where nobody measured it, as the next where there is no Worker. */
  readonly startupMs: number | null
  readonly bundleKib: number | null
}

export interface Report {
  readonly measuredAt: string
  readonly machine: string
  readonly effort: Effort & { readonly connections: number }
  readonly results: readonly Result[]
}

export interface Measured {
  readonly rounds: Rounds
  /** By contestant's name. */
  readonly counts: ReadonlyMap<string, Counts>
  /** By program. */
  readonly startupsMs: ReadonlyMap<string, number>
}

/** One who was measured. */
export type Reported = Pick<StagedEntrant, 'contestant' | 'bundle'>

export function reportOf(entrants: readonly Reported[], measured: Measured, effort: Report['effort']): Report {
  return {
    measuredAt: new Date().toISOString(),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    effort,
    results: entrants.map((entrant) => resultOf(entrant, measured)),
  }
}

function resultOf({ contestant, bundle }: Reported, { rounds, counts, startupsMs }: Measured): Result {
  const { name, title, program } = contestant
  const own = rounds.get(name) ?? []
  const latenciesMs = Float64Array.from(own.flat().flatMap((turn) => Array.from(turn.latenciesMs))).toSorted()
  const plainest = rounds.get(PLAINEST)
  return {
    name,
    title,
    group: groupOf(contestant),
    cpuMicrosPerRequest: spreadOf(own.map(cpuOf)),
    ratio: plainest === undefined ? null : spreadOf(ratiosOf(own, plainest)),
    requestsPerSecond: medianOf(own.flat().map((turn) => turn.requestsPerSecond)),
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    counts: counts.get(name) ?? {},
    startupMs: startupsMs.get(program) ?? null,
    bundleKib: bundle?.kib ?? null,
  }
}

function groupOf({ program, isLenient }: Contestant): Result['group'] {
  if (program === 'gatehouse') return 'gatehouse'
  return isLenient ? 'pass-through' : 'alternative'
}

/** Round by round: what slows a machine down slows both, and the median forgets what hit one. */
function ratiosOf(own: readonly (readonly Turn[])[], plainest: readonly (readonly Turn[])[]): readonly number[] {
  return own.map((turns, round) => cpuOf(turns) / cpuOf(plainest[round] ?? []))
}

/** Of a request in a round. A mean, because garbage is collected in few turns only, and is made in all of them. */
function cpuOf(turns: readonly Turn[]): number {
  return meanOf(turns.map((turn) => turn.cpuMicrosPerRequest))
}
