// The SQL of ways in that an account was given: identities at providers, listed, suspended, confirmed and removed.

import { sha256 } from '../crypto.ts'
import type { Database, Source } from '../database.ts'
import { isObject } from '../json.ts'
import { readInteger, readNullable, readText } from '../rows.ts'
import { ALIVE, END, RAISE } from '../sessions/store.ts'

/** A provider's subject that signs a user in. */
export interface Identity {
  /** Opaque: names provider and subject without saying them. */
  readonly id: string
  readonly provider: string
  readonly subject: string
  /** Unix seconds. */
  readonly linkedAt: number
  /** The account was made by it. */
  readonly isFounding: boolean
  /** Unix seconds; `null` while it signs in. */
  readonly suspendedAt: number | null
}

export function selectIdentities(db: Database, userId: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT provider, subject, created_at, founding, suspended_at FROM identities WHERE user_id = ?1
       ORDER BY created_at, provider, subject`,
    )
    .bind(userId)
}

/** A row of `selectIdentities`. */
export function parseIdentity(row: unknown): Identity | null {
  if (!isObject(row)) return null
  const [provider, subject] = [readText(row['provider']), readText(row['subject'])]
  return {
    id: sha256(JSON.stringify(['identity', provider, subject])).slice(0, 22),
    provider,
    subject,
    linkedAt: readInteger(row['created_at']),
    isFounding: row['founding'] === 1,
    suspendedAt: readNullable(row['suspended_at'], readInteger),
  }
}

/**
 * Identities that outlive no remedy: linked by a session, which may have been a thief's, and not suspended yet. `?1` is the
 * user. A later change of password does not confirm them, because the account's holder of then may have been the thief.
 */
const ADDED = `user_id = ?1 AND founding = 0 AND suspended_at IS NULL`

/**
 * Suspends every way in that was added to an account, and returns the `provider` of each. API keys and clients are accounts of
 * their own; another kind of credential that a user can add belongs here.
 */
export function suspendWaysIn(db: Database, userId: string): D1PreparedStatement {
  return db.prepare(`UPDATE identities SET suspended_at = unixepoch() WHERE ${ADDED} RETURNING provider`).bind(userId)
}

/** The ways in that `suspendWaysIn` is about to suspend: a row for each. */
export function addedWaysIn(userId: string): Source {
  return {
    sql: `SELECT user_id AS target, json_object('provider', provider) AS details FROM identities WHERE ${ADDED}`,
    parameters: [userId],
  }
}

/** A way in that a remedy has suspended, as answers say it. */
export interface Suspended {
  readonly provider: string
}

/** The rows of `suspendWaysIn`. */
export function parseAllSuspended(rows: readonly unknown[]): readonly Suspended[] {
  return rows.flatMap((row) => (isObject(row) ? [{ provider: readText(row['provider']) }] : []))
}

/** Breaks `NOT NULL` of `users.token_version`, and with it the transaction, unless the identity signs this user in. */
export function requireIdentity(
  db: Database,
  userId: string,
  { provider, subject }: Pick<Identity, 'provider' | 'subject'>,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, token_version, created_at, changed_at) SELECT ?1, NULL, 0, 0
       WHERE NOT EXISTS (SELECT 1 FROM identities
         WHERE provider = ?2 AND subject = ?3 AND user_id = ?1 AND suspended_at IS NULL)`,
    )
    .bind(userId, provider, subject)
}

/** One identity of a user that is to be removed. */
export interface Removal extends Pick<Identity, 'provider' | 'subject'> {
  readonly userId: string
  /** True removes the last way in as well. */
  readonly isForced: boolean
  /** Whether a password is a way in. */
  readonly countsPassword: boolean
}

/** True of an identity that may be removed: another way in is left, or it does not matter. `?1` to `?5` are of `Removal`. */
const REMOVABLE = `identities WHERE user_id = ?1 AND provider = ?2 AND subject = ?3 AND (?4
  OR (?5 AND EXISTS (SELECT 1 FROM users u WHERE u.id = ?1 AND u.password_hash IS NOT NULL))
  OR EXISTS (SELECT 1 FROM identities o
    WHERE o.user_id = ?1 AND o.suspended_at IS NULL AND (o.provider <> ?2 OR o.subject <> ?3)))`

function parametersOf({ userId, provider, subject, isForced, countsPassword }: Removal) {
  return [userId, provider, subject, Number(isForced), Number(countsPassword)]
}

/** Breaks `NOT NULL` of `users.token_version`, and with it the transaction, unless the identity may be removed. */
export function requireRemovable(db: Database, removal: Removal): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, token_version, created_at, changed_at) SELECT ?1, NULL, 0, 0
       WHERE NOT EXISTS (SELECT 1 FROM ${REMOVABLE})`,
    )
    .bind(...parametersOf(removal))
}

/** The identity that `deleteIdentity` is about to delete. */
export function removableIdentity(removal: Removal): Source {
  return {
    sql: `SELECT user_id AS target, json_object('provider', provider) AS details FROM ${REMOVABLE}`,
    parameters: parametersOf(removal),
  }
}

/** Comes after `requireRemovable`. */
export function deleteIdentity(db: Database, { userId, provider, subject }: Removal): D1PreparedStatement {
  return db
    .prepare(`DELETE FROM identities WHERE user_id = ?1 AND provider = ?2 AND subject = ?3`)
    .bind(userId, provider, subject)
}

/** Sessions that a removed identity began, but for one that is kept. `?1` to `?4`: user, provider, subject, session. */
const BEGUN = `user_id = ?1 AND provider = ?2 AND provider_subject = ?3 AND id <> ?4 AND ended_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.provider = ?2 AND i.subject = ?3)`

type Begun = readonly [userId: string, provider: string, subject: string, kept: string]

/** The sessions that `endBegun` is about to end. Comes after `deleteIdentity`. */
export function begunSessions(begun: Begun): Source {
  return {
    sql: `SELECT user_id AS target, json_object('sessions', json_group_array(id)) AS details FROM sessions
      WHERE ${BEGUN} HAVING count(*) > 0`,
    parameters: begun,
  }
}

/** Raises the version of a user whose identity has been removed. Comes after `deleteIdentity`. */
export function raiseForRemoval(db: Database, { userId, provider, subject }: Removal): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET ${RAISE} WHERE id = ?1
         AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.provider = ?2 AND i.subject = ?3)
       RETURNING id, token_version`,
    )
    .bind(userId, provider, subject)
}

/** Ends the sessions that a removed identity began. Comes after `raiseForRemoval`. */
export function endBegun(db: Database, begun: Begun): D1PreparedStatement {
  return db.prepare(`UPDATE sessions SET ${END}, end_reason = 'identity' WHERE ${BEGUN} RETURNING id`).bind(...begun)
}

/**
 * Breaks `NOT NULL` of `users.token_version`, and with it the transaction, where the identity is another user's or the session
 * is not alive.
 */
export function requireLinkable(
  db: Database,
  { sessionId, userId }: { readonly sessionId: string; readonly userId: string },
  idleTimeout: number,
  { provider, subject }: Pick<Identity, 'provider' | 'subject'>,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, token_version, created_at, changed_at) SELECT ?3, NULL, 0, 0
       WHERE EXISTS (SELECT 1 FROM identities WHERE provider = ?4 AND subject = ?5 AND user_id <> ?3)
         OR NOT EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE})`,
    )
    .bind(idleTimeout, sessionId, userId, provider, subject)
}

/**
 * Makes a provider's subject a way in of a session's user, if that session is alive: one that no user has, or one of the
 * same user, whose suspension that lifts.
 */
export function linkIdentityOfSession(
  db: Database,
  sessionId: string,
  idleTimeout: number,
  { provider, subject }: Pick<Identity, 'provider' | 'subject'>,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO identities (provider, subject, user_id, created_at)
       SELECT ?3, ?4, u.id, unixepoch() FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE}
       ON CONFLICT (provider, subject) DO UPDATE SET suspended_at = NULL, created_at = excluded.created_at
         WHERE identities.user_id = excluded.user_id AND identities.suspended_at IS NOT NULL`,
    )
    .bind(idleTimeout, sessionId, provider, subject)
}

/** The user to whom `linkIdentityOfSession` is about to give a way in, or to give one back. */
export function newIdentity(
  sessionId: string,
  idleTimeout: number,
  { provider, subject }: Pick<Identity, 'provider' | 'subject'>,
): Source {
  return {
    sql: `SELECT u.id AS target, json_object('provider', ?3) AS details
      FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE}
        AND NOT EXISTS (SELECT 1 FROM identities i
          WHERE i.provider = ?3 AND i.subject = ?4 AND (i.user_id <> u.id OR i.suspended_at IS NULL))`,
    parameters: [idleTimeout, sessionId, provider, subject],
  }
}
