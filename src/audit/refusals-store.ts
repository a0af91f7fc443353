// The SQL of refusals: which of them the audit trail records, and events that count those it leaves out.

import type { Database, Source } from '../database.ts'
import type { FoundEvent } from './store.ts'
import { insertAuditOf, STRANGER } from './store.ts'

/** Whom a refusal counts against. */
export interface Refused {
  /** A keyed digest of the e-mail that was tried (`digestAccount`), or the id of a client, key or user; '' where none was named. */
  readonly account: string
  /** As `addressBlock` gives it. */
  readonly address: string
  /** The account exists. Its first refusals of an hour are recorded, however many there are elsewhere. */
  readonly isKnown: boolean
}

/** Refusals of an hour that are recorded: of one account, of one address block, and of all. */
const MOST = { account: 20, address: 60, all: 2000 } as const
/** Of these, what no other bound takes from an account that exists. */
const RESERVED = 4
/** Seconds from the first refusal of a counter until it starts again. */
const WINDOW = 3600

/**
 * Records what a source finds as refused, within the bounds, and counts what is left out in one `audit.left_out` event an
 * hour for the account, the address block or everything. An attacker can neither fill the database nor hide one account
 * behind others. Five statements of one batch, without rows of their own; none does anything where the source finds nothing.
 */
export function insertRefusalOf(
  db: Database,
  event: Omit<FoundEvent, 'outcome'>,
  source: Source,
  refused: Refused,
): readonly D1PreparedStatement[] {
  const { sql, parameters } = source
  const isLeftOut = `EXISTS (SELECT 1 FROM ${countersOf(parameters.length)} WHERE leaves_out = 1)`
  const recorded = {
    sql: `SELECT * FROM (${sql}) WHERE NOT ${isLeftOut}`,
    parameters: [...parameters, refused.account, refused.address],
  }
  return [
    countRefusal(db, source, refused),
    insertAuditOf(db, { ...event, outcome: 'failure' }, recorded),
    insertLeftOut(db, source, refused, event.requestId),
    linkLeftOut(db, source, refused),
    updateLeftOut(db, source, refused),
  ]
}

/** The three counters of a refusal, as a subquery; its account and address are the two parameters after `places`. */
function countersOf(places: number): string {
  return `(SELECT * FROM refusals WHERE (scope, key) IN
    (VALUES ('account', ?${places + 1}), ('address', ?${places + 2}), ('all', '')))`
}

/**
 * Counts a refusal, and decides: `leaves_out` is 1 in the counter that leaves it out, which is its account's where the
 * account exists, and else the first that is full.
 */
function countRefusal(db: Database, { sql, parameters }: Source, { account, address, isKnown }: Refused) {
  const at = (place: number): string => `?${parameters.length + place}`
  return db
    .prepare(
      `WITH bounds (scope, key, most) AS (
         VALUES ('account', ${at(1)}, ${MOST.account}), ('address', ${at(2)}, ${MOST.address}), ('all', '', ${MOST.all})
       ), counters AS (
         SELECT b.scope, b.key, b.most, coalesce(r.since, unixepoch()) AS since, coalesce(r.recorded, 0) AS recorded,
           coalesce(r.left_out, 0) AS left_out, r.event
         FROM bounds b LEFT JOIN refusals r
           ON r.scope = b.scope AND r.key = b.key AND r.since > unixepoch() - ${WINDOW}
       ), leaving (scope) AS (
         SELECT CASE ${at(3)} WHEN 1 THEN 'account' ELSE scope END FROM counters
         WHERE recorded >= most AND NOT EXISTS (
           SELECT 1 FROM counters WHERE scope = 'account' AND ${at(3)} = 1 AND recorded < ${RESERVED})
         ORDER BY scope LIMIT 1
       )
       INSERT INTO refusals (scope, key, since, recorded, left_out, leaves_out, event)
       SELECT scope, key, since, recorded + NOT EXISTS (SELECT 1 FROM leaving), left_out + (scope IN leaving),
         scope IN leaving, event
       FROM counters WHERE EXISTS (SELECT 1 FROM (${sql}))
       ON CONFLICT (scope, key) DO UPDATE SET since = excluded.since, recorded = excluded.recorded,
         left_out = excluded.left_out, leaves_out = excluded.leaves_out, event = excluded.event`,
    )
    .bind(...parameters, account, address, isKnown ? 1 : 0)
}

/** Inserts the event of a counter that leaves out its first refusal of the hour. */
function insertLeftOut(db: Database, { sql, parameters }: Source, refused: Refused, requestId: string | null) {
  const source = {
    sql: `SELECT CASE c.scope WHEN 'account' THEN f.target END AS target,
        json_patch('{}', json_object('scope', c.scope, 'account', CASE c.scope WHEN 'account' THEN c.key END)) AS details
      FROM ${countersOf(parameters.length)} c, (${sql}) f WHERE c.leaves_out = 1 AND c.event IS NULL`,
    parameters: [...parameters, refused.account, refused.address],
  }
  const event = { actor: STRANGER, action: 'audit.left_out', outcome: 'failure', requestId, details: {} } as const
  return insertAuditOf(db, event, source)
}

/** Gives a counter the event that `insertLeftOut` has just inserted. */
function linkLeftOut(db: Database, { sql, parameters }: Source, { account, address }: Refused) {
  return db
    .prepare(
      `UPDATE refusals SET event = (SELECT max(id) FROM audit_events)
       WHERE (scope, key) IN (SELECT scope, key FROM ${countersOf(parameters.length)}) AND leaves_out = 1
         AND event IS NULL AND EXISTS (SELECT 1 FROM (${sql}))`,
    )
    .bind(...parameters, account, address)
}

/** Sets the event's count and, unless it is of everything, the address that was left out last. */
function updateLeftOut(db: Database, { sql, parameters }: Source, { account, address }: Refused) {
  return db
    .prepare(
      `UPDATE audit_events SET details = json_patch(details, json_object(
         'left_out', c.left_out, 'address', CASE WHEN c.scope <> 'all' THEN ?${parameters.length + 2} END))
       FROM ${countersOf(parameters.length)} c
       WHERE audit_events.id = c.event AND c.leaves_out = 1 AND EXISTS (SELECT 1 FROM (${sql}))`,
    )
    .bind(...parameters, account, address)
}

/** Deletes up to `limit` counters that have expired, the oldest first; a row for each. */
export function removeOldRefusals(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM refusals WHERE (scope, key) IN (
         SELECT scope, key FROM refusals WHERE since <= unixepoch() - ${WINDOW} ORDER BY since LIMIT ?1)
       RETURNING 1`,
    )
    .bind(limit)
}
