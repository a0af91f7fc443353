// The report as a table.

import type { Report, Result } from './report.ts'
import type { Spread } from './statistics.ts'

/** Markdown. */
export function tableOf({ results }: Report): string {
  const rows = [
    COLUMNS.map(({ heading }) => heading),
    COLUMNS.map((_, at) => (at === 0 ? '---' : '--:')),
    ...results.map((result) => COLUMNS.map(({ textOf }) => textOf(result))),
  ]
  return rows.map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

interface Column {
  readonly heading: string
  readonly textOf: (result: Result) => string
}

const COLUMNS: readonly Column[] = [
  { heading: '', textOf: ({ title }) => title },
  { heading: '× Hono `proxy()`', textOf: ({ ratio }) => (ratio === null ? '' : spread(ratio, 2)) },
  { heading: 'CPU µs/request', textOf: ({ cpuMicrosPerRequest }) => spread(cpuMicrosPerRequest, 0) },
  { heading: 'requests/s', textOf: ({ requestsPerSecond }) => requestsPerSecond.toFixed(0) },
  { heading: 'p50 ms', textOf: ({ p50Ms }) => p50Ms.toFixed(1) },
  { heading: 'p99 ms', textOf: ({ p99Ms }) => p99Ms.toFixed(1) },
  { heading: 'D1 round trips', textOf: ({ counts }) => count(counts['databaseRoundTrips']) },
  { heading: 'KV reads', textOf: ({ counts }) => count(counts['markerReads']) },
  { heading: 'start-up CPU ms', textOf: ({ startupMs }) => startupMs?.toFixed(0) ?? '' },
  { heading: 'bundle KiB gzip', textOf: ({ bundleKib }) => bundleKib?.toFixed(1) ?? '' },
]

function spread({ median, lowest, highest }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${lowest.toFixed(digits)}–${highest.toFixed(digits)})`
}

/** Of a request: a whole number where every request is like the others. */
function count(value: number | undefined): string {
  if (value === undefined) return ''
  return Number.isInteger(value) ? String(value) : value.toFixed(2)
}
