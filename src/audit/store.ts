// The SQL of the audit trail: who did what to whom, in the batch of what it tells of. Nothing here changes an event.

import type { Database } from '../database.ts'

/** What may be recorded: an action is what was tried, its outcome whether it was done. */
export type AuditAction =
  | 'sign_in'
  | 'session.end'
  | 'session.reuse'
  | 'password.change'
  | 'password.reset_link'
  | 'password.reset'
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

/** Who acts: the id of a user, client or key, or one of these. No id has a space. */
export const STRANGER = 'a stranger'
export const GATEWAY = 'the gateway'

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

/**
 * A `SELECT` that finds what another statement of the batch changes, on the same terms: a row for each event, with its
 * `target` and, as a JSON object, its `details`. It comes before that statement where that one makes the terms untrue.
 */
export interface Source {
  /** Parameters are numbered from 1 without a gap. */
  readonly sql: string
  readonly parameters: readonly (string | number | null)[]
}

/** Records an event, whatever else its batch does. */
export function insertAudit(db: Database, { target, ...event }: AuditEvent): D1PreparedStatement {
  return insertAuditOf(db, event, { sql: `SELECT ?1 AS target, '{}' AS details`, parameters: [target] })
}

/** Records an event for each row of a source: none where the change that it tells of finds nothing to do. */
export function insertAuditOf(db: Database, event: Omit<AuditEvent, 'target'>, source: Source): D1PreparedStatement {
  const { sql, parameters } = source
  const at = (place: number): string => `?${parameters.length + place}`
  return db
    .prepare(
      `INSERT INTO audit_events (at, actor, action, target, outcome, request_id, details)
       SELECT unixepoch(), ${at(1)}, ${at(2)}, target, ${at(3)}, ${at(4)}, json_patch(details, ${at(5)}) FROM (${sql})`,
    )
    .bind(...parameters, event.actor, event.action, event.outcome, event.requestId, JSON.stringify(event.details))
}
