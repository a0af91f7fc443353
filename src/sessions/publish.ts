// Publication: D1 has committed, now KV is told, and D1 is asked whether it went on meanwhile (DESIGN §7).

import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import type { Log } from '../log.ts'
import { describeFault } from '../log.ts'
import type { Markers } from './markers.ts'
import type { RaisedVersion } from './store.ts'
import { confirmPublished, parseRaised, selectUnpublished } from './store.ts'

export interface Publisher {
  readonly db: Database
  readonly markers: Markers
  readonly log: Log
}

/** Puts of one call; a user who changes faster than that is left to the cron. */
const ATTEMPTS = 3
/** Users of one cron tick: two KV and D1 operations each stay well inside an invocation's limits. */
const TICK_LIMIT = 200
/** What changed in these seconds is published once more, whatever was confirmed. */
const RECENT_SECONDS = 300

/**
 * Puts the marker of a version that D1 has committed, confirms it, and puts again while D1 is newer.
 * Does NOT throw: a publication that fails is logged, and the cron puts it right.
 */
export async function publish(publisher: Publisher, { userId, tokenVersion }: RaisedVersion): Promise<void> {
  try {
    await publishLatest(publisher, userId, tokenVersion, ATTEMPTS)
  } catch (error) {
    publisher.log({ event: 'publication', subject: userId, ...describeFault(error) })
  }
}

async function publishLatest(publisher: Publisher, userId: string, version: number, attempts: number): Promise<void> {
  const { db, markers } = publisher
  await markers.put(userId, version)
  const [rows] = await runBatch(db, [confirmPublished(db, userId, version)])
  const current = parseRaised(rows?.[0])
  if (current === null || current.tokenVersion <= version || attempts <= 1) return
  await publishLatest(publisher, userId, current.tokenVersion, attempts - 1)
}

/** The cron's part: publishes what was never confirmed, and once more what changed in the last five minutes. */
export async function republish(publisher: Publisher): Promise<void> {
  const [rows = []] = await runBatch(publisher.db, [selectUnpublished(publisher.db, RECENT_SECONDS, TICK_LIMIT)])
  const users = rows.map(parseRaised).filter((user) => user !== null)
  await users.reduce((before, user) => before.then(() => publish(publisher, user)), Promise.resolve())
  if (users.length === TICK_LIMIT) publisher.log({ event: 'cron', reason: 'backlog', count: users.length })
}
