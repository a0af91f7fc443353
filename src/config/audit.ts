// AUDIT: how long the trail is kept.

import type { Config } from './config.ts'
import { readDuration, readOptionalTable, type Table } from './read.ts'

const DAY = 86_400

export function readAudit(root: Table): Config['audit'] {
  const table = readOptionalTable(root, 'AUDIT', ['retention'])
  return { retention: readDuration(table, 'retention', '1d', '3650d') ?? 90 * DAY }
}
