// What was measured, as data and as a table.

import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

import type { Contestant } from './contestants.ts'
import { PLAINEST } from './contestants.ts'
import type { Effort, Round } from './rounds.ts'
import type { StagedEntrant } from './stage.ts'
import type { Spread } from './statistics.ts'
import { spreadOf } from './statistics.ts'

export interface Result {
  readonly name: string
  readonly title: string
  readonly cpuMicrosPerRequest: Spread
  /** CPU beside the plainest pass-through of the same round; `null` where that one did not take part. */
  readonly ratio: Spread | null
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly bundleKib: number
}

export interface Report {
  readonly measuredAt: string
  readonly machine: string
  readonly effort: Effort & { readonly connections: number }
  readonly results: readonly Result[]
}

type Rounds = ReadonlyMap<string, readonly Round[]>

export function reportOf(entrants: readonly StagedEntrant[], rounds: Rounds, effort: Report['effort']): Report {
  return {
    measuredAt: new Date().toISOString(),
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    effort,
    results: entrants.map(({ contestant, bundle }) => resultOf(contestant, rounds, bundle.kib)),
  }
}

/** Both forms into results/, where they are checked in. */
export function saveReport(report: Report): void {
  const folder = join(import.meta.dirname, 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'latest.json'), `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(join(folder, 'latest.md'), tableOf(report))
}

function resultOf({ name, title }: Contestant, rounds: Rounds, bundleKib: number): Result {
  const own = rounds.get(name) ?? []
  const cpu = own.map((round) => round.cpuMicrosPerRequest)
  const median = (read: (round: Round) => number): number => spreadOf(own.map(read)).median
  return {
    name,
    title,
    cpuMicrosPerRequest: spreadOf(cpu),
    ratio: ratioOf(
      cpu,
      rounds.get(PLAINEST)?.map((round) => round.cpuMicrosPerRequest),
    ),
    requestsPerSecond: median((round) => round.requestsPerSecond),
    p50Ms: median((round) => round.p50Ms),
    p99Ms: median((round) => round.p99Ms),
    bundleKib,
  }
}

/** Round by round, so that a slow minute of the machine is in both. */
function ratioOf(cpu: readonly number[], plainest: readonly number[] | undefined): Spread | null {
  if (plainest === undefined) return null
  return spreadOf(cpu.map((used, round) => used / (plainest[round] ?? Number.NaN)))
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
    result.bundleKib.toFixed(1),
  ])
  const all = [HEADINGS, HEADINGS.map((_, column) => (column === 0 ? '---' : '--:')), ...rows]
  return all.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

const HEADINGS = ['', 'CPU µs/request', '× Hono `proxy()`', 'requests/s', 'p50 ms', 'p99 ms', 'bundle KiB gzip']

function spread({ lowest, highest }: Spread, digits: number): string {
  return `${lowest.toFixed(digits)}–${highest.toFixed(digits)}`
}
