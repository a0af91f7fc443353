// What is over is removed: guesses and tokens that count no more, old sessions, deliveries and audit events, a bounded number at a time.

import { removeDeletedUsers } from '../accounts/deletion-store.ts'
import { removeOldAttempts } from '../accounts/store.ts'
import { removeOldRefusals } from '../audit/refusals-store.ts'
import { removeOldAudit } from '../audit/store.ts'
import { removeOldAssertions } from '../clients/store.ts'
import type { Config } from '../config/config.ts'
import { runBatch } from '../database.ts'
import { removeOldFigures } from '../figures/store.ts'
import { removeOldRevocations } from '../issuers/store.ts'
import { removeOldResets } from '../resets/store.ts'
import type { Runtime } from '../runtime.ts'
import { removeOldAddresses } from '../sessions/past-store.ts'
import { dropOldHints, removeOldLogoutTokens } from '../sessions/provider-store.ts'
import { removeOldSessions } from '../sessions/store.ts'
import { removeOldDeliveries } from '../webhooks/store.ts'

/** Rows of a kind that one batch removes: others wait for D1 no longer than that takes. */
const BATCH = 1000
/** Batches of one run of the cron. */
const BATCHES = 20

const DAY = 86_400
/**
 * Seconds that a session is kept when it has ended or expired. Nothing needs it then: to every token of it a session that is
 * gone is dead. It is there to be looked at.
 */
const SESSIONS_KEPT = 30 * DAY
const DELIVERIES_KEPT = 7 * DAY

/** What a run leaves over is reported, and the next goes on. @throws Error when D1 fails */
export async function removeOver({ db, config, log }: Pick<Runtime, 'db' | 'config' | 'log'>): Promise<void> {
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const removed = await runBatch(db, [
      removeOldAttempts(db, BATCH),
      removeOldRefusals(db, BATCH),
      removeOldResets(db, BATCH),
      removeOldAssertions(db, BATCH),
      removeOldLogoutTokens(db, BATCH),
      removeOldRevocations(db, lifetimesOf(config), BATCH),
      dropOldHints(db, config.sessions.idleTimeout, BATCH),
      removeOldSessions(db, SESSIONS_KEPT, BATCH),
      removeDeletedUsers(db, BATCH),
      removeOldAddresses(db, config.sessions.absoluteTimeout + SESSIONS_KEPT, BATCH),
      removeOldDeliveries(db, DELIVERIES_KEPT, BATCH),
      removeOldFigures(db, BATCH),
      removeOldAudit(db, config.audit.retention, BATCH),
    ])
    if (removed.every((rows) => rows.length < BATCH)) return
  }
  log({ event: 'cron', reason: 'more to remove' })
}

/** Seconds for which a token of each issuer may pass; a revocation is over when none can be as old. */
function lifetimesOf({ issuers, tokens }: Config): Readonly<Record<string, number>> {
  return Object.fromEntries(issuers.map(({ issuer, maxLifetime }) => [issuer, maxLifetime + tokens.clockSkew]))
}
