// What was measured, as data and as a table.

import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

import type { Contestant } from './contestants.ts'
import { PLAINEST } from './contestants.ts'
import type { Effort, Rounds, Turn } from './rounds.ts'
import type { StagedEntrant } from './stage.ts'
import type { Spread } from './statistics.ts'
import { medianOf, quantile, spreadOf } from './statistics.ts'

export interface Result {
  readonly name: string
  readonly title: string
  readonly cpuMicrosPerRequest: Spread
  /** CPU beside the plainest pass-through of the same moment; `null` where that one did not take part. */
  readonly ratio: Spread | null
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly bundleKib: number | null
}

export interface Report {
  readonly measuredAt: string
  readonly machine: string
  readonly effort: Effort & { readonly connections: number }
  readonly results: readonly Result[]
}

export function reportOf(entrants: readonly StagedEntrant[], rounds: Rounds, effort: Report['effort']): Report {
  return {
    measuredAt: new Date().toISOString(),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    effort,
    results: entrants.map(({ contestant, bundle }) => resultOf(contestant, rounds, bundle?.kib ?? null)),
  }
}

/** Both forms into results/, where they are checked in. */
export function saveReport(report: Report): void {
  const folder = join(import.meta.dirname, 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'latest.json'), `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(join(folder, 'latest.md'), tableOf(report))
}

function resultOf({ name, title }: Contestant, rounds: Rounds, bundleKib: number | null): Result {
  const own = rounds.get(name) ?? []
  const cpu = own.map((turns) => turns.map((turn) => turn.cpuMicrosPerRequest))
  const latenciesMs = Float64Array.from(own.flat().flatMap((turn) => Array.from(turn.latenciesMs))).toSorted()
  const plainest = rounds.get(PLAINEST)
  return {
    name,
    title,
    cpuMicrosPerRequest: spreadOf(cpu),
    ratio: plainest === undefined ? null : spreadOf(ratiosOf(own, plainest)),
    requestsPerSecond: medianOf(own.flat().map((turn) => turn.requestsPerSecond)),
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    bundleKib,
  }
}

/** Turn by turn with the one beside it: what slows a machine down slows both, and the median forgets what hit one. */
function ratiosOf(own: readonly (readonly Turn[])[], plainest: readonly (readonly Turn[])[]): number[][] {
  return own.map((turns, round) =>
    turns.map((turn, at) => turn.cpuMicrosPerRequest / (plainest[round]?.[at]?.cpuMicrosPerRequest ?? Number.NaN)),
  )
}

/** Markdown. */
export function tableOf({ results }: Report): string {
  const rows = results.map((result) => [
    result.title,
    `${result.cpuMicrosPerRequest.median.toFixed(1)} (${spread(result.cpuMicrosPerRequest, 1)})`,
    result.ratio === null ? '' : `${result.ratio.median.toFixed(2)} (${spread(result.ratio, 2)})`,
    result.requestsPerSecond.toFixed(0),
    result.p50Ms.toFixed(2),
    result.p99Ms.toFixed(2),
    result.bundleKib?.toFixed(1) ?? '',
  ])
  const all = [HEADINGS, HEADINGS.map((_, column) => (column === 0 ? '---' : '--:')), ...rows]
  return all.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

const HEADINGS = ['', 'CPU µs/request', '× Hono `proxy()`', 'requests/s', 'p50 ms', 'p99 ms', 'bundle KiB gzip']

function spread({ lowest, highest }: Spread, digits: number): string {
  return `${lowest.toFixed(digits)}–${highest.toFixed(digits)}`
}
