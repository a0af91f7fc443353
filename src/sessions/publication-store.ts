// The SQL of publication: whose marker is to be put, and what is told of recent changes (DESIGN §7).

import type { Database } from '../database.ts'
import { isObject } from '../json.ts'
import { readText } from '../rows.ts'

/** Seconds after a change in which an older put, of a request that died, may still come last. */
const UNSETTLED_SECONDS = 300

/**
 * Notes that a version reached KV, and tells the version that is current by now. A put that comes so late that nothing
 * older can be on its way any more settles the version.
 */
export function confirmPublished(db: Database, userId: string, version: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET published_version = max(coalesce(published_version, 0), ?2),
         settled_version = iif(changed_at + ${UNSETTLED_SECONDS} <= unixepoch(), ?2, settled_version)
       WHERE id = ?1 RETURNING id, token_version`,
    )
    .bind(userId, version)
}

/** Who has never signed in has no tokens: his `published_version` is `NULL`, and nothing waits. */
const UNPUBLISHED = `published_version < token_version`
const UNSETTLED = `published_version >= token_version AND (settled_version IS NULL OR settled_version < token_version)`

/** Of a backlog, those who are chosen from by chance: to rank all of a million would take longer than a tick has. */
const SIGHT = 10_000

/**
 * Users whose version was never confirmed in KV: the `share` that waits longest, then as many of those behind them by
 * chance, so that nobody whose put fails again and again is in the others' way.
 */
export function selectUnpublished(db: Database, share: number): D1PreparedStatement {
  const waiting = `SELECT id, token_version FROM users WHERE ${UNPUBLISHED} ORDER BY changed_at, id`
  return db
    .prepare(
      `SELECT * FROM (${waiting} LIMIT ?1)
       UNION ALL
       SELECT * FROM (SELECT * FROM (${waiting} LIMIT ${SIGHT} OFFSET ?1) ORDER BY random() LIMIT ?1)`,
    )
    .bind(share)
}

/**
 * Users whose version was confirmed and is not settled: a put that was on its way may have come last. Those of a minute ago
 * come first, because theirs is over by now and this tick is their first; of the others as many as there is room for.
 */
export function selectUnsettled(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT id, token_version FROM users WHERE ${UNSETTLED}
       ORDER BY changed_at > unixepoch() - 60, changed_at <= unixepoch() - 120, random() LIMIT ?1`,
    )
    .bind(limit)
}

/**
 * The digest of recent changes, as JSON: everybody who changed in the last `window` seconds. Where they are more than `cap`,
 * those of the oldest second are left out, and it begins after them.
 */
export function selectRecent(db: Database, window: number, cap: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT json_object('since', since, 'as_of', unixepoch(), 'versions',
         json((SELECT json_group_object(id, token_version) FROM users WHERE changed_at >= since))) AS digest
       FROM (SELECT coalesce((SELECT changed_at + 1 FROM users WHERE changed_at >= unixepoch() - ?1
         ORDER BY changed_at DESC LIMIT 1 OFFSET ?2), unixepoch() - ?1) AS since)`,
    )
    .bind(window, cap)
}

/** How many users `selectUnpublished` and `selectUnsettled` have to choose from. */
export function countUnpublished(db: Database): D1PreparedStatement {
  return db.prepare(
    `SELECT (SELECT count(*) FROM users WHERE ${UNPUBLISHED}) + (SELECT count(*) FROM users WHERE ${UNSETTLED}) AS count`,
  )
}

/** The row of `selectRecent`. */
export function parseDigestText(row: unknown): string {
  return readText(isObject(row) ? row['digest'] : null)
}
