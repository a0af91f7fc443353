// Figures of a run in the units that people compare, and tables of them.

import type { Outcome } from './run.ts'

export interface Quantiles {
  readonly mean: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

export interface Figures {
  readonly requests: number
  readonly kvReadsPer1000: number
  readonly digestReadsPer1000: number
  readonly waitingShare: number
  readonly waitMs: Quantiles
  readonly askedPer1000: number
  readonly statementsPerSecond: number
  readonly writesPerHour: number
  readonly refusedWrites: number
  /** Seconds from the commit to the last request that was trusted: of tokens used from then on only, and of such in steady use. */
  readonly quietDelay: Quantiles
  readonly activeDelay: Quantiles
  /** Reads at $0.50 and writes at $5 a million, were every second of 30 days like these. */
  readonly dollarsPerMonth: number
}

export function figuresOf(outcome: Outcome): Figures {
  const { requests, markerReads, digestReads, writes, seconds, delays } = outcome
  const reads = markerReads + digestReads
  const monthly = (30 * 86_400) / seconds
  return {
    requests,
    kvReadsPer1000: (1000 * reads) / requests,
    digestReadsPer1000: (1000 * digestReads) / requests,
    waitingShare: outcome.waitsMs.length / requests,
    waitMs: quantiles(outcome.waitsMs),
    askedPer1000: (1000 * outcome.asked) / requests,
    statementsPerSecond: outcome.statements / seconds,
    writesPerHour: (3600 * writes) / seconds,
    refusedWrites: outcome.refusedWrites,
    quietDelay: quantiles(delays.filter((delay) => !delay.activeBefore).map(({ delayMs }) => delayMs / 1000)),
    activeDelay: quantiles(delays.filter((delay) => delay.activeBefore).map(({ delayMs }) => delayMs / 1000)),
    dollarsPerMonth: (monthly * (reads * 0.5 + writes * 5)) / 1e6,
  }
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((one, other) => one - other)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const mean = sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length)
  return { mean, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

const COLUMNS: readonly (readonly [title: string, cell: (figures: Figures) => string])[] = [
  ['KV reads/1000', (figures) => figures.kvReadsPer1000.toFixed(1)],
  ['waiting', (figures) => `${(figures.waitingShare * 100).toFixed(2)} %`],
  ['wait p50/p99 ms', ({ waitMs }) => `${waitMs.p50.toFixed(0)} / ${waitMs.p99.toFixed(0)}`],
  ['ask D1/1000', (figures) => figures.askedPer1000.toFixed(2)],
  ['writer D1/s', (figures) => figures.statementsPerSecond.toFixed(2)],
  ['KV writes/h (429)', (figures) => `${figures.writesPerHour.toFixed(0)} (${figures.refusedWrites})`],
  ['$/month', (figures) => figures.dollarsPerMonth.toFixed(0)],
  ['delay s, fresh use: mean p50 p95 p99 max', ({ quietDelay }) => spread(quietDelay)],
  ['steady use: mean p50 p95 p99 max', ({ activeDelay }) => spread(activeDelay)],
]

function spread({ mean, p50, p95, p99, max }: Quantiles): string {
  return [mean, p50, p95, p99, max].map((seconds) => seconds.toFixed(1)).join(' ')
}

/** A table in Markdown, a row a name. */
export function tableOfFigures(title: string, rows: readonly (readonly [name: string, figures: Figures])[]): string {
  return table(
    [title, ...COLUMNS.map(([name]) => name)],
    rows.map(([name, figures]) => [name, ...COLUMNS.map(([, cell]) => cell(figures))]),
  )
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
