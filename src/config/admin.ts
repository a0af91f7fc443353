// ADMIN: what administration asks of a sign-in.

import type { Config } from './config.ts'
import { readDuration, readOptionalTable, type Table } from './read.ts'

const MINUTE = 60

export function readAdmin(root: Table): Config['admin'] {
  const table = readOptionalTable(root, 'ADMIN', ['max_auth_age'])
  return { maxAuthAge: readDuration(table, 'max_auth_age', '1m', '12h') ?? 15 * MINUTE }
}
