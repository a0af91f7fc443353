// What the bench says of what it measured: data, table and chart.

import { describe, expect, it } from 'vitest'

import { chartOf } from '../../bench/chart.ts'
import { selectContestants } from '../../bench/contestants.ts'
import type { Measured, Report } from '../../bench/report.ts'
import { reportOf } from '../../bench/report.ts'
import type { Turn } from '../../bench/rounds.ts'
import { tableOf } from '../../bench/table.ts'

function turn(cpuMicrosPerRequest: number): Turn {
  return { cpuMicrosPerRequest, requestsPerSecond: 1e6 / cpuMicrosPerRequest, latenciesMs: Float64Array.of(1, 2, 3) }
}

/** The machine is twice as slow in the second round; garbage is collected in one turn of each round. */
const ROUNDS = new Map([
  ['hono', [[turn(80), turn(80), turn(140)], [turn(200)]]],
  ['known', [[turn(105), turn(105), turn(120)], [turn(190)]]],
  ['better-auth', [[turn(600), turn(600), turn(600)], [turn(1200)]]],
])

function report(names: readonly string[], measured: Partial<Measured> = {}): Report {
  const entrants = selectContestants(names).map((contestant) => ({ contestant, bundle: { folder: '', kib: 59.44 } }))
  const nothing = { rounds: ROUNDS, counts: new Map(), startupsMs: new Map(), ...measured }
  return reportOf(entrants, nothing, { rounds: 2, requests: 3, connections: 1 })
}

const ALL = ['hono', 'known', 'better-auth']

describe('the report', () => {
  it('compares each round with the pass-through in it, with all the garbage that it left', () => {
    const [hono, known] = report(ALL).results
    expect(hono?.ratio).toEqual({ median: 1, lowest: 1, highest: 1 })
    expect(known?.ratio?.median).toBeCloseTo((0.95 + 1.1) / 2)
    expect([known?.ratio?.lowest, known?.ratio?.highest]).toEqual([0.95, 1.1])
  })

  it('has no ratio where the pass-through took no part', () => {
    const { results } = report(['known'], { rounds: new Map([['known', [[turn(110)]]]]) })
    expect(results[0]?.ratio).toBeNull()
  })

  it('tells those who check nothing, the gateway and the alternatives apart', () => {
    expect(report(ALL).results.map(({ group }) => group)).toEqual(['pass-through', 'gatehouse', 'alternative'])
  })

  it('knows starts by program, and calls by contestant', () => {
    const counts = new Map([['known', { databaseRoundTrips: 0, markerReads: 0.25 }]])
    const [hono, known] = report(ALL, { counts, startupsMs: new Map([['gatehouse', 23.4]]) }).results
    expect([hono?.startupMs, known?.startupMs]).toEqual([null, 23.4])
    expect([hono?.counts, known?.counts]).toEqual([{}, { databaseRoundTrips: 0, markerReads: 0.25 }])
  })
})

describe('the table', () => {
  it('has a row for each, with as many cells as headings', () => {
    const rows = tableOf(report(ALL)).trimEnd().split('\n')
    expect(rows).toHaveLength(2 + ALL.length)
    expect(new Set(rows.map((row) => row.split(' | ').length)).size).toBe(1)
  })

  it('shows medians with their spread, and leaves empty what was not measured', () => {
    const counts = new Map([['known', { databaseRoundTrips: 0, markerReads: 0.25 }]])
    const row = tableOf(report(ALL, { counts })).split('\n')[3]
    expect(row?.split('|').map((cell) => cell.trim())).toEqual([
      '',
      'gatehouse, known token',
      '1.02 (0.95–1.10)',
      '150 (110–190)',
      '8929',
      '2.0',
      '3.0',
      '0',
      '0.25',
      '',
      '59.4',
      '',
    ])
  })
})

describe('the chart', () => {
  const svg = chartOf(report(ALL))

  it('has a bar for each, as long as its ratio', () => {
    const widths = [...svg.matchAll(/<rect class="(?:pass-through|gatehouse|alternative)"[^>]* width="([\d.]+)"/g)]
    expect(widths.map(([, width]) => Number(width) / 130)).toEqual([
      expect.closeTo(1),
      expect.closeTo(1.025, 2),
      expect.closeTo(3),
    ])
  })

  it('marks the spread from the lowest to the highest', () => {
    const [, from, to] = /class="spread" d="M([\d.]+) [^H]*H([\d.]+)/.exec(svg.slice(svg.indexOf('known token'))) ?? []
    expect([(Number(from) - 330) / 130, (Number(to) - 330) / 130]).toEqual([
      expect.closeTo(0.95, 2),
      expect.closeTo(1.1, 2),
    ])
  })

  it('cuts a bar that is too long, and writes its number', () => {
    expect(svg).toContain('>6.00 →<')
    expect(svg).not.toMatch(/(?:x|width)="(?:8[5-9]\d|9\d\d|\d{4,})/)
  })

  it('suits a dark page too, and takes titles without their marks', () => {
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(svg).not.toContain('`')
  })

  it('leaves out who was not compared', () => {
    const alone = report(['known'], { rounds: new Map([['known', [[turn(110)]]]]) })
    expect(chartOf(alone)).not.toContain('known token')
  })
})
