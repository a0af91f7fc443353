// Where a report is kept, in three forms that are checked in.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { chartOf } from './chart.ts'
import type { Report } from './report.ts'
import { tableOf } from './table.ts'

export function saveReport(report: Report): void {
  const folder = join(import.meta.dirname, 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'latest.json'), `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(join(folder, 'latest.md'), tableOf(report))
  writeFileSync(join(folder, 'latest.svg'), chartOf(report))
}
