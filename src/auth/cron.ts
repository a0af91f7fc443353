// Every minute: lost publications are made again, what nobody needs any more is forgotten, and recent changes told until the next.

import { removeOldAttempts } from '../accounts/store.ts'
import { removeOldAssertions } from '../clients/store.ts'
import type { Config } from '../config/config.ts'
import { runBatch } from '../database.ts'
import { republishIssuers } from '../issuers/lifecycle.ts'
import { removeOldRevocations } from '../issuers/store.ts'
import { removeOldResets } from '../resets/store.ts'
import type { Runtime } from '../runtime.ts'
import { republish } from '../sessions/publish.ts'
import { dropOldHints, removeOldLogoutTokens } from '../sessions/store.ts'
import { tellRecent } from '../sessions/ticks.ts'

/** Rows of each kind that one run removes. */
const REMOVE_LIMIT = 20_000

/** Neither part waits for the other, nor ends with it. */
export async function tidy(runtime: Runtime, scheduledAt: number): Promise<void> {
  const { config, db } = runtime
  const told = tellRecent(runtime, scheduledAt)
  try {
    await republish(runtime)
    if (config.issuers.length > 0) await republishIssuers(runtime)
    await runBatch(db, [
      removeOldAttempts(db, REMOVE_LIMIT),
      removeOldLogoutTokens(db, REMOVE_LIMIT),
      dropOldHints(db, config.sessions.idleTimeout, REMOVE_LIMIT),
      removeOldRevocations(db, lifetimesOf(config), REMOVE_LIMIT),
      removeOldResets(db, REMOVE_LIMIT),
      removeOldAssertions(db, REMOVE_LIMIT),
    ])
  } finally {
    await told
  }
}

/** Seconds for which a token of each issuer may pass; a revocation is over when none can be as old. */
function lifetimesOf({ issuers, tokens }: Config): Readonly<Record<string, number>> {
  return Object.fromEntries(issuers.map(({ issuer, maxLifetime }) => [issuer, maxLifetime + tokens.clockSkew]))
}
