// Every minute: recent changes are told until the next, lost publications made again, what is over removed, webhooks told.

import { recordHour } from '../figures/hourly.ts'
import { republishIssuers } from '../issuers/lifecycle.ts'
import type { Runtime } from '../runtime.ts'
import { republish } from '../sessions/publish.ts'
import { tellRecent } from '../sessions/ticks.ts'
import { deliverDue } from '../webhooks/deliver.ts'
import { removeOver } from './remove-over.ts'

/** Seconds after which a run leaves deliveries to the next. */
const DELIVERING = 50
/** Seconds between two looks at what is due. */
const PAUSE = 5

/** Ticks wait for nothing, publication for no other part, and none ends with another. */
export async function tidy(runtime: Runtime, scheduledAt: number): Promise<void> {
  const told = tellRecent(runtime, scheduledAt)
  try {
    await inTurn([
      () => republish(runtime),
      () => republishOthers(runtime),
      () => recordFigures(runtime),
      () => removeOver(runtime),
      () => deliverUntil(runtime, scheduledAt + DELIVERING),
    ])
  } finally {
    await told
  }
}

/** Where no other issuer is configured, none of its subjects can have been revoked. */
async function republishOthers(runtime: Runtime): Promise<void> {
  if (runtime.config.issuers.length > 0) await republishIssuers(runtime)
}

/** Every part runs, whatever became of those before it; what failed first is thrown in the end. */
async function inTurn(parts: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const part of parts) {
    try {
      await part()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** Looks for deliveries at least once, and then again and again, so that webhooks hear within seconds. */
async function deliverUntil(runtime: Runtime, end: number): Promise<void> {
  if (runtime.config.webhooks.length === 0) return
  for (;;) {
    const isFull = await deliverDue(runtime)
    if (runtime.now() + PAUSE > end) return
    if (!isFull) await runtime.sleepUntil(runtime.now() + PAUSE)
  }
}

async function recordFigures({ config, db }: Runtime): Promise<void> {
  if (config.console !== null) await recordHour(db)
}
