// Publication: D1 has committed, now KV is told, and D1 is asked whether it went on meanwhile (DESIGN §7).

import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import { inLanes } from '../lanes.ts'
import type { Log } from '../log.ts'
import { describeFault } from '../log.ts'
import type { Markers } from './markers.ts'
import { confirmPublished, countUnpublished, selectUnsettled, selectUnpublished } from './publication-store.ts'
import type { RaisedVersion } from './store.ts'
import { parseCount, parseRaised } from './store.ts'

export interface Publisher {
  readonly db: Database
  readonly markers: Markers
  readonly log: Log
}

/** Notes that a version reached KV, and returns the `id` and `token_version` of now. */
type Confirm = (db: Database, id: string, version: number) => D1PreparedStatement

/** Puts of one call; a user who changes faster than that is left to the cron. */
const ATTEMPTS = 3
/** Puts of one user in a tick, of which the next is a minute away. */
const TICK_ATTEMPTS = 2
/** Users of one tick: with two KV and two D1 operations each they stay inside an invocation's 1,000 of either. */
const TICK_SHARE = 100
const TICK_UNSETTLED = 200

/**
 * Puts the marker of a version that D1 has committed, confirms it, and puts again while D1 is newer.
 * Does NOT throw: a publication that fails is logged, and the cron puts it right.
 */
export async function publish(
  publisher: Publisher,
  { userId, tokenVersion }: RaisedVersion,
  attempts = ATTEMPTS,
  confirm: Confirm = confirmPublished,
): Promise<void> {
  try {
    await publishLatest(publisher, userId, tokenVersion, attempts, confirm)
  } catch (error) {
    publisher.log({ event: 'publication', subject: userId, ...describeFault(error) })
  }
}

async function publishLatest(
  publisher: Publisher,
  userId: string,
  version: number,
  attempts: number,
  confirm: Confirm,
): Promise<void> {
  const { db, markers } = publisher
  await markers.put(userId, version)
  const [rows] = await runBatch(db, [confirm(db, userId, version)])
  const current = parseRaised(rows?.[0])
  if (current === null || current.tokenVersion <= version || attempts <= 1) return
  await publishLatest(publisher, userId, current.tokenVersion, attempts - 1, confirm)
}

/**
 * The cron's part: publishes what was never confirmed, and what is not settled yet once more. Neither can
 * crowd out the other, nor can users whose put always fails; what a tick leaves over is reported.
 */
export async function republish(publisher: Publisher): Promise<void> {
  const { db, log } = publisher
  const [unpublished = [], unsettled = [], counted] = await runBatch(db, [
    selectUnpublished(db, TICK_SHARE),
    selectUnsettled(db, TICK_UNSETTLED),
    countUnpublished(db),
  ])
  const users = [...unpublished, ...unsettled].map(parseRaised).filter((user) => user !== null)
  await publishInLanes(publisher, users)
  const left = parseCount(counted?.[0]) - users.length
  if (left > 0) log({ event: 'cron', reason: 'backlog', count: left })
}

/** Publishes as many as a tick has. */
export function publishInLanes(
  publisher: Publisher,
  users: readonly RaisedVersion[],
  confirm: Confirm = confirmPublished,
): Promise<void> {
  return inLanes(users, (user) => publish(publisher, user, TICK_ATTEMPTS, confirm))
}
