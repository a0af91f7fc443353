// The SQL of deleted users. The row stays for a day without its data: a digest of recent changes lists the rows of `users`, so a
// user that it does not list counts as unchanged, and a token of a row that was gone at once would pass until it expires.

import type { Database } from '../database.ts'

/** What a deletion sets beside epoch and version, which end every session and token. */
export const DELETED = `deleted_at = unixepoch(), disabled_at = coalesce(disabled_at, unixepoch()), email = NULL,
  password_hash = NULL, roles = '[]', scopes = '[]', claims = '{}'`

/** Erases what else is known of a user: ways in, links, addresses and devices. */
export function eraseTraces(db: Database, userId: string): readonly D1PreparedStatement[] {
  return [
    'DELETE FROM identities WHERE user_id = ?1',
    'DELETE FROM password_resets WHERE user_id = ?1',
    'DELETE FROM known_addresses WHERE user_id = ?1',
    `UPDATE sessions SET user_agent = NULL, address = NULL, provider_subject = NULL, provider_session = NULL
     WHERE user_id = ?1`,
  ].map((sql) => db.prepare(sql).bind(userId))
}

/** Seconds that a deleted user's row is kept: far more than the hour that an access token may live. */
const KEPT = 86_400

/** Deletes up to `limit` rows of users who were deleted a day ago and whose end has been published; a row for each. */
export function removeDeletedUsers(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM users WHERE id IN (
         SELECT id FROM users WHERE deleted_at <= unixepoch() - ${KEPT}
           AND (published_version IS NULL OR published_version >= token_version)
         ORDER BY deleted_at LIMIT ?1)
       RETURNING 1`,
    )
    .bind(limit)
}
