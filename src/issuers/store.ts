// The SQL of revoked subjects of other issuers: a function a statement, races decided in SQL on D1's clock.

import type { Database } from '../database.ts'
import { isObject } from '../json.ts'
import { readInteger, readText } from '../rows.ts'

/** A subject, and the unix second of D1's clock up to which its tokens are refused. */
export type RevokedSubject = readonly [subject: string, revokedAt: number]

/**
 * The name of an issuer's marker. No id of a user has a space, so none can take it.
 */
export function issuerMarkerId(issuer: string): string {
  return `${MARKER}${issuer}`
}

const MARKER = 'issuer '

/** Refuses every token that an issuer gave to a subject until now. Never lowers what was there. */
export function revokeSubject(db: Database, issuer: string, subject: string): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO revoked_subjects (issuer, subject, revoked_at) VALUES (?1, ?2, unixepoch())
       ON CONFLICT (issuer, subject) DO UPDATE SET revoked_at = max(revoked_at, excluded.revoked_at)`,
    )
    .bind(issuer, subject)
}

/** Raises the version of an issuer's revocations as a user's is raised, and returns it under its marker's `id`. */
export function raiseRevocations(db: Database, issuer: string): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO revoked_issuers (issuer, revocations) VALUES (?1, CAST(unixepoch('subsec') * 1000 AS INTEGER))
       ON CONFLICT (issuer) DO UPDATE SET revocations = max(revocations + 1, excluded.revocations)
       RETURNING '${MARKER}' || issuer AS id, revocations AS token_version`,
    )
    .bind(issuer)
}

/** Notes that a version reached KV, and tells the version that is current by now: `confirmPublished` of a marker of this kind. */
export function confirmIssuerPublished(db: Database, markerId: string, version: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE revoked_issuers SET published = max(published, ?2) WHERE issuer = ?1
       RETURNING '${MARKER}' || issuer AS id, revocations AS token_version`,
    )
    .bind(markerId.slice(MARKER.length), version)
}

/** Issuers of whose revocations some may still matter, those first whose marker was never confirmed, then by chance. */
export function selectRevokedIssuers(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT '${MARKER}' || issuer AS id, revocations AS token_version FROM revoked_issuers i
       WHERE published < revocations OR EXISTS (SELECT 1 FROM revoked_subjects s WHERE s.issuer = i.issuer)
       ORDER BY published < revocations DESC, random() LIMIT ?1`,
    )
    .bind(limit)
}

/** The version of an issuer's revocations, 0 where there was none, and D1's clock. */
export function selectRevocations(db: Database, issuer: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT coalesce((SELECT revocations FROM revoked_issuers WHERE issuer = ?1), 0) AS version, unixepoch() AS read_at`,
    )
    .bind(issuer)
}

/** What was revoked since a unix second, the newest first. */
export function selectRevokedSubjects(db: Database, issuer: string, since: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT subject, revoked_at FROM revoked_subjects WHERE issuer = ?1 AND revoked_at >= ?2
       ORDER BY revoked_at DESC LIMIT ?3`,
    )
    .bind(issuer, since, limit)
}

export function selectRevokedSubject(db: Database, issuer: string, subject: string): D1PreparedStatement {
  return db
    .prepare(`SELECT subject, revoked_at FROM revoked_subjects WHERE issuer = ?1 AND subject = ?2`)
    .bind(issuer, subject)
}

/**
 * Deletes up to `limit` revocations that no token can be older than; a row for each. `lifetimes` is by issuer the seconds for which its
 * tokens may pass; what an issuer has that is not among them stays, in case it comes back.
 */
export function removeOldRevocations(
  db: Database,
  lifetimes: Readonly<Record<string, number>>,
  limit: number,
): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM revoked_subjects WHERE (issuer, subject) IN (
         SELECT s.issuer, s.subject FROM json_each(?1) AS lifetime JOIN revoked_subjects s ON s.issuer = lifetime.key
         WHERE s.revoked_at < unixepoch() - lifetime.value LIMIT ?2)
       RETURNING 1`,
    )
    .bind(JSON.stringify(lifetimes), limit)
}

/** A row of `selectRevocations`. */
export function parseRevocations(row: unknown): { readonly version: number; readonly readAt: number } {
  if (!isObject(row)) throw new TypeError('D1 gave no version of revocations')
  return { version: readInteger(row['version']), readAt: readInteger(row['read_at']) }
}

/** A row of `selectRevokedSubjects` or `selectRevokedSubject`. */
export function parseRevokedSubject(row: unknown): RevokedSubject {
  if (!isObject(row)) throw new TypeError('D1 gave no subject')
  return [readText(row['subject']), readInteger(row['revoked_at'])]
}
