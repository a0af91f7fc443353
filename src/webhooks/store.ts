// The SQL of deliveries to webhooks: written with what they tell of, taken by one sender at a time, kept until they are told or dead.

import type { Webhook } from '../config/config.ts'
import type { Database, Source } from '../database.ts'
import { isObject } from '../json.ts'
import { readText } from '../rows.ts'

/** One message on its way to one webhook. */
export interface Delivery {
  readonly id: string
  readonly webhook: string
  /** As it is sent and signed, byte for byte. */
  readonly body: string
}

/** Writes down a message for each row of a source, in the form of Standard Webhooks: `type`, `timestamp` and `data`. */
export function insertDeliveryOf(
  db: Database,
  webhook: Pick<Webhook, 'id'>,
  message: { readonly event: string; readonly data: string },
  { sql, parameters }: Source,
): D1PreparedStatement {
  const at = (place: number): string => `?${parameters.length + place}`
  return db
    .prepare(
      `INSERT INTO deliveries (id, webhook, event, body, created_at, next_at)
       SELECT 'msg_' || lower(hex(randomblob(16))), ${at(1)}, ${at(2)},
         json_object('type', ${at(2)}, 'timestamp', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'),
           'data', json_patch(json_patch(json_object('subject', target), details), ${at(3)})),
         unixepoch(), unixepoch()
       FROM (${sql})`,
    )
    .bind(...parameters, webhook.id, message.event, message.data)
}

/** Attempts at a delivery before it is given up: at once, then after 1, 4, 16 and 64 minutes, 4, 17 and 68 hours. */
const MAX_ATTEMPTS = 8
/** Seconds until the next attempt, or after the last until nothing is to be hoped for. */
const WAIT = `iif(attempts + 1 < ${MAX_ATTEMPTS}, 60 << (2 * attempts), 60)`

const DUE = `delivered_at IS NULL AND dead_at IS NULL AND next_at <= unixepoch()`

/** Seconds after which a delivery that nobody can send, its webhook being configured no more, counts as over. */
const UNWANTED_AFTER = 2_592_000

/**
 * Takes up to `limit` deliveries that are due, for this attempt alone: whoever comes next finds them due when this attempt
 * will have failed or its sender died. Those that have no attempt left are not among them.
 */
export function takeDue(db: Database, webhook: string, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE deliveries SET attempts = attempts + 1, next_at = unixepoch() + ${WAIT}
       WHERE id IN (SELECT id FROM deliveries WHERE webhook = ?1 AND ${DUE} AND attempts < ${MAX_ATTEMPTS}
         ORDER BY next_at LIMIT ?2)
       RETURNING id, webhook, body`,
    )
    .bind(webhook, limit)
}

/** Gives an attempt back that was taken and not made. */
export function putBack(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(`UPDATE deliveries SET attempts = attempts - 1, next_at = unixepoch() + 60 WHERE id = ?1 AND attempts > 0`)
    .bind(id)
}

export function markDelivered(db: Database, id: string): D1PreparedStatement {
  return db.prepare(`UPDATE deliveries SET delivered_at = unixepoch() WHERE id = ?1 AND delivered_at IS NULL`).bind(id)
}

/** Gives up to `limit` deliveries up whose last attempt has failed. */
export function buryDead(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE deliveries SET dead_at = unixepoch() WHERE id IN (
         SELECT id FROM deliveries WHERE ${DUE} AND attempts >= ${MAX_ATTEMPTS} ORDER BY next_at LIMIT ?1)
       RETURNING id, webhook, body`,
    )
    .bind(limit)
}

const OVER_AT = `coalesce(delivered_at, dead_at, created_at + ${UNWANTED_AFTER})`

/** Deletes up to `limit` deliveries that have been over for `keep` seconds, the oldest first; a row for each. */
export function removeOldDeliveries(db: Database, keep: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM deliveries WHERE id IN (
         SELECT id FROM deliveries WHERE ${OVER_AT} <= unixepoch() - ?1 ORDER BY ${OVER_AT} LIMIT ?2)
       RETURNING 1`,
    )
    .bind(keep, limit)
}

/** A row of `takeDue` or `buryDead`. */
export function parseDelivery(row: unknown): Delivery | null {
  if (!isObject(row)) return null
  return { id: readText(row['id']), webhook: readText(row['webhook']), body: readText(row['body']) }
}
