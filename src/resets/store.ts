// The SQL of links that set a password once: a function a statement, races decided in SQL on D1's clock.

import type { Database, Source } from '../database.ts'
import { isObject } from '../json.ts'
import { readText } from '../rows.ts'
import { RAISE } from '../sessions/store.ts'

/**
 * Keeps the digest of a user's link for `lifetime` seconds, in place of the one before. Who has no e-mail or is disabled
 * breaks `NOT NULL` of `password_resets.email`, and with it the transaction.
 */
export function insertReset(db: Database, userId: string, tokenHash: string, lifetime: number): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO password_resets (user_id, token_hash, email, session_epoch, expires_at)
       SELECT id, ?2, iif(disabled_at IS NULL, email, NULL), session_epoch, unixepoch() + ?3 FROM users WHERE id = ?1
       ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, email = excluded.email,
         session_epoch = excluded.session_epoch, expires_at = excluded.expires_at`,
    )
    .bind(userId, tokenHash, lifetime)
}

/** Not over, and its user is who he was when it was made: every new epoch (a new password, say) kills it. `?1` is its digest. */
const GOOD = `password_resets r JOIN users u ON u.id = r.user_id WHERE r.token_hash = ?1 AND r.expires_at > unixepoch()
  AND u.email = r.email AND u.session_epoch = r.session_epoch AND u.disabled_at IS NULL`

/** Whose password a link sets: his `id`; no row where the link is not good. */
export function selectReset(db: Database, tokenHash: string): D1PreparedStatement {
  return db.prepare(`SELECT u.id FROM ${GOOD}`).bind(tokenHash)
}

/** Breaks `NOT NULL` of `users.token_version`, and with it the transaction, unless the link is good. */
export function requireReset(db: Database, tokenHash: string): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, token_version, created_at, changed_at) SELECT '', NULL, 0, 0
       WHERE NOT EXISTS (SELECT 1 FROM ${GOOD})`,
    )
    .bind(tokenHash)
}

/** The reset that `resetPassword` is about to do. */
export function comingReset(tokenHash: string): Source {
  return { sql: `SELECT u.id AS target, '{}' AS details FROM ${GOOD}`, parameters: [tokenHash] }
}

/** Sets the password of a good link's user and raises epoch and version: every session ends, and no link of his is good. */
export function resetPassword(db: Database, tokenHash: string, passwordHash: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET password_hash = ?2, session_epoch = session_epoch + 1, ${RAISE}
       WHERE id = (SELECT u.id FROM ${GOOD}) RETURNING id, token_version`,
    )
    .bind(tokenHash, passwordHash)
}

export function deleteReset(db: Database, tokenHash: string): D1PreparedStatement {
  return db.prepare(`DELETE FROM password_resets WHERE token_hash = ?1`).bind(tokenHash)
}

/** Deletes up to `limit` links whose time is over, the oldest first; a row for each. */
export function removeOldResets(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM password_resets WHERE user_id IN (
         SELECT user_id FROM password_resets WHERE expires_at <= unixepoch() ORDER BY expires_at LIMIT ?1)
       RETURNING 1`,
    )
    .bind(limit)
}

/** The id of a `selectReset` row. */
export function parseReset(row: unknown): string | null {
  return isObject(row) ? readText(row['id']) : null
}
