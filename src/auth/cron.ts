// Every minute: lost publications are made again, what nobody needs any more is forgotten, and recent changes told until the next.

import { removeOldAttempts } from '../accounts/store.ts'
import { removeOldAssertions } from '../clients/store.ts'
import { runBatch } from '../database.ts'
import { removeOldResets } from '../resets/store.ts'
import type { Runtime } from '../runtime.ts'
import { republish } from '../sessions/publish.ts'
import { dropOldHints, removeOldLogoutTokens } from '../sessions/store.ts'
import { tellRecent } from '../sessions/ticks.ts'

/** Rows of each kind that one run removes. */
const REMOVE_LIMIT = 20_000

/** Neither part waits for the other, nor ends with it. */
export async function tidy(runtime: Runtime, scheduledAt: number): Promise<void> {
  const told = tellRecent(runtime, scheduledAt)
  try {
    await republish(runtime)
    await runBatch(runtime.db, [
      removeOldAttempts(runtime.db, REMOVE_LIMIT),
      removeOldResets(runtime.db, REMOVE_LIMIT),
      removeOldLogoutTokens(runtime.db, REMOVE_LIMIT),
      dropOldHints(runtime.db, runtime.config.sessions.idleTimeout, REMOVE_LIMIT),
      removeOldAssertions(runtime.db, REMOVE_LIMIT),
    ])
  } finally {
    await told
  }
}
