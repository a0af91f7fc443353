// The SQL of the audit trail: who did what to whom, in the batch of what it records. Nothing here changes an event.

import type { Database, Source } from '../database.ts'
import { isObject } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { readInteger, readNullable, readObject, readText } from '../rows.ts'

/** What may be recorded: an action is what was tried, its outcome whether it was done. */
export type AuditAction =
  | 'sign_in'
  | 'session.end'
  | 'session.reuse'
  | 'password.change'
  | 'password.reset_link'
  | 'password.reset'
  | 'identity.link'
  | 'identity.unlink'
  | 'identity.suspend'
  | 'user.create'
  | 'user.import'
  | 'user.change'
  | 'user.disable'
  | 'user.enable'
  | 'user.delete'
  | 'client.create'
  | 'client.change'
  | 'client.rotate'
  | 'client.delete'
  | 'key.create'
  | 'key.change'
  | 'key.rotate'
  | 'key.delete'
  | 'subject.revoke'
  | 'admin.bootstrap'
  | 'admin.grant'
  | 'admin.revoke'
  | 'audit.left_out'

/** Who acts, where it is not the id of a user, client or key: of those none has a space. */
export const STRANGER = 'a stranger'

/** More about an event. Never a secret, and no e-mail. */
export type AuditDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

export interface AuditEvent {
  readonly actor: string
  readonly action: AuditAction
  /** The id of who or what is acted on. */
  readonly target: string | null
  readonly outcome: 'success' | 'failure'
  readonly requestId: string | null
  readonly details: AuditDetails
}

/** Records an event, whatever else its batch does. */
export function insertAudit(db: Database, { target, ...event }: AuditEvent): D1PreparedStatement {
  return insertAuditOf(db, event, sourceOf(target))
}

/** The source of an event that is there whatever else its batch does. */
export function sourceOf(target: string | null): Source {
  return { sql: `SELECT ?1 AS target, '{}' AS details`, parameters: [target] }
}

/** An event whose target a source tells; an actor of `null` is the target himself. */
export interface FoundEvent extends Omit<AuditEvent, 'actor' | 'target'> {
  readonly actor: string | null
}

/** Records an event for each row of a source: none where the change that it tells of finds nothing to do. */
export function insertAuditOf(db: Database, event: FoundEvent, source: Source): D1PreparedStatement {
  const { sql, parameters } = source
  const at = (place: number): string => `?${parameters.length + place}`
  return db
    .prepare(
      `INSERT INTO audit_events (at, actor, action, target, outcome, request_id, details)
       SELECT unixepoch(), coalesce(${at(1)}, target), ${at(2)}, target, ${at(3)}, ${at(4)}, json_patch(details, ${at(5)})
       FROM (${sql})`,
    )
    .bind(...parameters, event.actor, event.action, event.outcome, event.requestId, JSON.stringify(event.details))
}

/** Of the oldest `limit` events, deletes those that are more than `retention` seconds old; a row for each. */
export function removeOldAudit(db: Database, retention: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM audit_events WHERE id IN (
         SELECT id FROM (SELECT id, at FROM audit_events ORDER BY id LIMIT ?2) WHERE at <= unixepoch() - ?1)
       RETURNING 1`,
    )
    .bind(retention, limit)
}

/** Which events are looked for; `null` is any. */
export interface TrailFilter {
  readonly actor: string | null
  readonly target: string | null
  readonly action: string | null
}

const COLUMNS = ['actor', 'target', 'action'] as const

/** Events before an id, the newest first. */
export function selectTrail(db: Database, filter: TrailFilter, before: number, limit: number): D1PreparedStatement {
  // A term for what is looked for only: an index serves no term that may be about nothing.
  const terms = COLUMNS.filter((column) => filter[column] !== null)
  const where = terms.map((column, at) => ` AND ${column} = ?${at + 3}`).join('')
  return db
    .prepare(
      `SELECT id, at, actor, action, target, outcome, request_id, details FROM audit_events
       WHERE id < ?1${where} ORDER BY id DESC LIMIT ?2`,
    )
    .bind(before, limit, ...terms.map((column) => filter[column]))
}

/** An event as it was recorded. */
export interface RecordedEvent {
  readonly id: number
  /** Unix seconds. */
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly target: string | null
  readonly outcome: string
  readonly requestId: string | null
  readonly details: JsonObject
}

/** A row of `selectTrail`. */
export function parseRecorded(row: unknown): RecordedEvent {
  if (!isObject(row)) throw new TypeError('a row is none')
  return {
    id: readInteger(row['id']),
    at: readInteger(row['at']),
    actor: readText(row['actor']),
    action: readText(row['action']),
    target: readNullable(row['target'], readText),
    outcome: readText(row['outcome']),
    requestId: readNullable(row['request_id'], readText),
    details: readObject(row['details']),
  }
}
