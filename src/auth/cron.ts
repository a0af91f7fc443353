// Every minute: publications that were lost are made again, and counted guesses that are over are forgotten.

import { removeOldAttempts } from '../accounts/store.ts'
import { runBatch } from '../database.ts'
import type { Runtime } from '../runtime.ts'
import { republish } from '../sessions/publish.ts'

/** Rows that one tick removes. */
const REMOVE_LIMIT = 20_000

export async function tidy(runtime: Runtime): Promise<void> {
  await republish(runtime)
  await runBatch(runtime.db, [removeOldAttempts(runtime.db, REMOVE_LIMIT)])
}
