// What an isolate has counted becomes figures of this hour.

import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import { addFigures, DENIALS } from './store.ts'

/** Adds denials by code. Does NOT try again: what failed may have been done, and would count twice. */
export async function addDenials(db: Database, counts: ReadonlyMap<string, number>): Promise<void> {
  const named = [...counts].map(([code, count]) => [`${DENIALS}${code}`, count] as const)
  await runBatch(db, [addFigures(db, Object.fromEntries(named))])
}
