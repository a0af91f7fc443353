// The SQL that bounds a user's past: addresses that are known, expired sessions, and how many ended ones are kept.

import type { Database } from '../database.ts'
import { END } from './store.ts'

/** Ended sessions of a user that are kept, and rows of each kind that one sign-in removes beyond them. */
const ENDED_KEPT = 100
const ADDRESSES_KEPT = 100
const STEP = 20

/** Remembers the address of a session that has opened; does nothing where it has not. */
export function insertKnownAddress(db: Database, sessionId: string): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO known_addresses (user_id, address, seen_at)
       SELECT user_id, address, unixepoch() FROM sessions WHERE id = ?1 AND address IS NOT NULL
       ON CONFLICT (user_id, address) DO UPDATE SET seen_at = excluded.seen_at`,
    )
    .bind(sessionId)
}

/** Forgets a few of a user's addresses, those seen longest ago, where there are more than are kept. */
export function trimKnownAddresses(db: Database, userId: string): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM known_addresses WHERE user_id = ?1 AND address IN (
         SELECT address FROM known_addresses WHERE user_id = ?1 ORDER BY seen_at DESC
         LIMIT ${STEP} OFFSET ${ADDRESSES_KEPT})`,
    )
    .bind(userId)
}

/** Ends a few of a user's sessions that have expired or are of an older epoch, so that those without an end stay few. */
export function endExpired(db: Database, userId: string, idleTimeout: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET ${END}, end_reason = 'expired' WHERE id IN (
         SELECT id FROM sessions WHERE user_id = ?1 AND ended_at IS NULL
           AND (expires_at <= unixepoch() OR last_seen_at + ?2 <= unixepoch()
             OR session_epoch < (SELECT session_epoch FROM users WHERE id = ?1))
         ORDER BY created_at LIMIT ${STEP})`,
    )
    .bind(userId, idleTimeout)
}

/** Deletes a few of a user's ended sessions, those that ended first, where there are more than are kept. */
export function trimEnded(db: Database, userId: string): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM sessions WHERE id IN (
         SELECT id FROM sessions WHERE user_id = ?1 AND ended_at IS NOT NULL ORDER BY ended_at DESC
         LIMIT ${STEP} OFFSET ${ENDED_KEPT})`,
    )
    .bind(userId)
}

/** Forgets up to `limit` addresses that were last seen `keep` seconds ago, the oldest first; a row for each. */
export function removeOldAddresses(db: Database, keep: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM known_addresses WHERE (user_id, address) IN (
         SELECT user_id, address FROM known_addresses WHERE seen_at <= unixepoch() - ?1 ORDER BY seen_at LIMIT ?2)
       RETURNING 1`,
    )
    .bind(keep, limit)
}
