// The SQL of sessions that an OpenID provider began, and of what it says is over.

import type { Database } from '../database.ts'
import { isObject } from '../json.ts'
import { readNullable, readText } from '../rows.ts'
import type { Beginning } from './store.ts'
import { END, RAISE } from './store.ts'

/** How a session that has not ended began, if a provider began it. */
export function selectProviderSession(db: Database, sessionId: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT id AS session_id, provider, provider_subject, provider_session, id_token_sealed FROM sessions
       WHERE id = ?1 AND ended_at IS NULL AND provider IS NOT NULL`,
    )
    .bind(sessionId)
}

/** What a provider says is over: a session of its own, everything of a subject, or the former if it is of the latter or was never named. */
export interface ProviderLogout {
  readonly provider: string
  readonly subject: string | null
  readonly session: string | null
}

/** As the token says it, in unix seconds. */
export interface NotedLogout extends ProviderLogout {
  readonly jti: string
  readonly issuedAt: number
  /** Until when it could come again. */
  readonly expiresAt: number
}

/**
 * Sessions that the provider began, and no others, each by the index that fits. Neither subject nor session: none. Where both
 * are named, sessions of the subject that no ID token has named are over too: any of them may be the one that is meant.
 */
export const OF_PROVIDER = `ended_at IS NULL AND id IN (
  SELECT id FROM sessions
  WHERE provider = ?1 AND provider_session = ?3 AND ended_at IS NULL AND (?2 IS NULL OR provider_subject = ?2)
  UNION ALL
  SELECT id FROM sessions
  WHERE provider = ?1 AND provider_subject = ?2 AND ended_at IS NULL AND (?3 IS NULL OR provider_session IS NULL))`

/** Takes note of a logout token; one that came before breaks the primary key, and with it the transaction. */
export function insertLogoutToken(db: Database, token: NotedLogout): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO logout_tokens (provider, jti, subject, provider_session, issued_at, expires_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
    )
    .bind(token.provider, token.jti, token.subject, token.session, token.issuedAt, token.expiresAt)
}

/** Raises the versions of the users whose sessions a provider is about to end. */
export function raiseVersionsOfProvider(db: Database, logout: ProviderLogout): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET ${RAISE} WHERE id IN (SELECT user_id FROM sessions WHERE ${OF_PROVIDER})
       RETURNING id, token_version`,
    )
    .bind(logout.provider, logout.subject, logout.session)
}

/** Ends the sessions that a provider says are over. */
export function endOfProvider(db: Database, logout: ProviderLogout): D1PreparedStatement {
  return db
    .prepare(`UPDATE sessions SET ${END}, end_reason = 'provider' WHERE ${OF_PROVIDER} RETURNING id`)
    .bind(logout.provider, logout.subject, logout.session)
}

/** Deletes up to `limit` logout tokens that have expired, the oldest first. */
export function removeOldLogoutTokens(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM logout_tokens WHERE (provider, jti) IN (
         SELECT provider, jti FROM logout_tokens WHERE expires_at < unixepoch() ORDER BY expires_at LIMIT ?1)
       RETURNING 1`,
    )
    .bind(limit)
}

/** Drops up to `limit` ID tokens of sessions that are over because nobody used them, or with all of their user's. */
export function dropOldHints(db: Database, idleTimeout: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET id_token_sealed = NULL WHERE id IN (
         SELECT id FROM sessions WHERE id_token_sealed IS NOT NULL AND last_seen_at <= unixepoch() - ?1
         ORDER BY last_seen_at LIMIT ?2)
       RETURNING 1`,
    )
    .bind(idleTimeout, limit)
}

/** A row of `selectProviderSession`. */
export function parseProviderSession(row: unknown): Beginning | null {
  if (!isObject(row)) return null
  return {
    sessionId: readText(row['session_id']),
    id: readText(row['provider']),
    subject: readText(row['provider_subject']),
    session: readNullable(row['provider_session'], readText),
    sealedIdToken: readNullable(row['id_token_sealed'], readText),
  }
}
