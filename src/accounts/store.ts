// The SQL of accounts and of guesses at them: a function a statement, races decided in SQL on D1's clock.

import type { Database, Source } from '../database.ts'
import { IS_GATEWAY_SCOPE } from '../gateway-scopes.ts'
import { isObject } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { readInteger, readNullable, readObject, readText, readTexts } from '../rows.ts'

/** What signing in needs to know of a user. */
export interface UserRow {
  readonly id: string
  readonly email: string | null
  readonly passwordHash: string | null
  readonly sessionEpoch: number
  /** Unix seconds; `null` while the user is not disabled. */
  readonly disabledAt: number | null
  readonly tokenVersion: number
  readonly publishedVersion: number | null
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: JsonObject
}

export interface NewUser {
  readonly id: string
  /** As `parseEmail` gives it. */
  readonly email: string
  readonly passwordHash: string
}

/** Where an attempt comes from and what it is aimed at. */
export interface Attempt {
  /** Digest of the e-mail, so that unknown users count alike and no address is kept. */
  readonly account: string
  /** The client's, as `sessions.address` holds it. Not empty. */
  readonly address: string
  /** The /48 of an IPv6 address; `null` of every other. */
  readonly network: string | null
}

/** Seconds after which a row of failures starts anew. */
const FORGOTTEN_AFTER = 3600

/**
 * Counts an attempt before its password is checked: in the row of its own address, where 4 failures are free, in that of
 * its IPv6 /48, where 12 are, and in the account-wide row (address ''), where 49 are. Each failure beyond these blocks its
 * row for 1, 2, 4 … seconds, one more because clock seconds are whole, at most 60.
 * Returns a row for each that counted. None, and nothing is counted, where one of them blocks; but an address from which
 * this user has signed in before is refused by its own row alone, so that no other client can lock it. One /48 cannot
 * lock the account for others: its own row blocks first.
 */
export function insertAttempt(
  db: Database,
  { account, address, network }: Attempt,
  email: string,
): D1PreparedStatement {
  return db
    .prepare(
      `WITH known (is_known) AS (
         SELECT EXISTS (
           SELECT 1 FROM users u JOIN known_addresses k ON k.user_id = u.id WHERE u.email = ?3 AND k.address = ?2)
       ), rules (address, free, binds) AS (
         SELECT ?2, 4, 1
         UNION ALL SELECT ?4, 12, NOT is_known FROM known WHERE ?4 IS NOT NULL
         UNION ALL SELECT '', 49, NOT is_known FROM known
       ), states AS (
         SELECT r.address, r.free, r.binds, 1 + coalesce(a.failures, 0) AS failures,
           coalesce(a.blocked_until, 0) > unixepoch() AS blocked
         FROM rules r LEFT JOIN sign_in_attempts a
           ON a.account = ?1 AND a.address = r.address AND a.failed_at > unixepoch() - ${FORGOTTEN_AFTER}
       )
       INSERT INTO sign_in_attempts (account, address, failures, blocked_until, failed_at)
       SELECT ?1, address, failures,
         CASE WHEN failures <= free THEN 0 ELSE unixepoch() + min(60, 1 + (1 << min(6, failures - free - 1))) END,
         unixepoch()
       FROM states
       WHERE NOT blocked AND NOT EXISTS (SELECT 1 FROM states WHERE blocked AND binds)
       ON CONFLICT (account, address) DO UPDATE
         SET failures = excluded.failures, blocked_until = excluded.blocked_until, failed_at = excluded.failed_at
       RETURNING address`,
    )
    .bind(account, address, email, network)
}

/** For how many seconds the attempt's rows block, `wait`; below 1 where they do not. */
export function selectWait(db: Database, { account, address, network }: Attempt): D1PreparedStatement {
  return db
    .prepare(
      `SELECT max(blocked_until) - unixepoch() AS wait FROM sign_in_attempts WHERE account = ?1 AND address IN (?2, ?3, '')`,
    )
    .bind(account, address, network)
}

/**
 * An attempt that was counted and has failed: the first four of an address at an account, and from then on those whose
 * number is a power of two.
 */
export function failedAttempt({ account, address }: Omit<Attempt, 'network'>, userId: string | null): Source {
  const counted = `SELECT failures FROM sign_in_attempts WHERE account = ?2 AND address = ?3`
  return {
    sql: `SELECT ?1 AS target, json_object('address', ?3, 'failures', failures) AS details
      FROM (SELECT coalesce((${counted}), 1) AS failures) WHERE failures <= 4 OR failures & (failures - 1) = 0`,
    parameters: [userId, account, address],
  }
}

/** A user whom a batch has made. Comes after his insertion, under an id that nobody had. */
export function newUser(id: string): Source {
  return { sql: `SELECT id AS target, '{}' AS details FROM users WHERE id = ?1`, parameters: [id] }
}

/** A user whom `insertNamedUser` is about to make. */
export function missingUser(id: string): Source {
  return {
    sql: `SELECT ?1 AS target, '{}' AS details WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = ?1)`,
    parameters: [id],
  }
}

/** Forgets the failures of one address. */
export function deleteAttempts(db: Database, { account, address }: Omit<Attempt, 'network'>): D1PreparedStatement {
  return db.prepare(`DELETE FROM sign_in_attempts WHERE account = ?1 AND address = ?2`).bind(account, address)
}

/** Takes one attempt back from rows of more than an address, with the blocks that it brought. */
export function takeBackAttempt(db: Database, account: string, rows: readonly string[]): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sign_in_attempts SET failures = max(0, failures - 1), blocked_until = 0
       WHERE account = ?1 AND address IN (SELECT value FROM json_each(?2))`,
    )
    .bind(account, JSON.stringify(rows))
}

/** Deletes up to `limit` rows that no longer count, the oldest first; a row for each. */
export function removeOldAttempts(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM sign_in_attempts WHERE (account, address) IN (
         SELECT account, address FROM sign_in_attempts WHERE failed_at <= unixepoch() - ${FORGOTTEN_AFTER}
         ORDER BY failed_at LIMIT ?1)
       RETURNING 1`,
    )
    .bind(limit)
}

const USER = `SELECT id, email, password_hash, session_epoch, disabled_at, token_version, published_version, roles, scopes, claims
  FROM users`

export function selectUserByEmail(db: Database, email: string): D1PreparedStatement {
  return db.prepare(`${USER} WHERE email = ?1`).bind(email)
}

export function selectUserById(db: Database, id: string): D1PreparedStatement {
  return db.prepare(`${USER} WHERE id = ?1`).bind(id)
}

/** Inserts a user without roles and scopes and returns its `id`; no row, and nothing inserted, where the e-mail is taken. */
export function insertUser(db: Database, { id, email, passwordHash }: NewUser): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, email, password_hash, token_version, created_at, changed_at)
       VALUES (?1, ?2, ?3, CAST(unixepoch('subsec') * 1000 AS INTEGER), unixepoch(), unixepoch())
       ON CONFLICT (email) DO NOTHING RETURNING id`,
    )
    .bind(id, email, passwordHash)
}

/** Inserts a user whom an upstream has named, without roles and scopes, unless there is one. */
export function insertNamedUser(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, token_version, created_at, changed_at)
       VALUES (?1, CAST(unixepoch('subsec') * 1000 AS INTEGER), unixepoch(), unixepoch())
       ON CONFLICT (id) DO NOTHING RETURNING id`,
    )
    .bind(id)
}

/** Breaks `NOT NULL` of `users.session_epoch`, and with it the transaction, where the user holds a scope of the gateway, in any case. */
export function refuseAdministrator(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET session_epoch = NULL WHERE id = ?1
       AND EXISTS (SELECT 1 FROM json_each(users.scopes) WHERE ${IS_GATEWAY_SCOPE})`,
    )
    .bind(id)
}

/** Somebody at a provider. */
export interface ProviderIdentity {
  /** The provider's id in the configuration. */
  readonly provider: string
  readonly subject: string
}

/** The user whom a provider's subject is. */
export function selectUserByIdentity(db: Database, { provider, subject }: ProviderIdentity): D1PreparedStatement {
  return db
    .prepare(`${USER} WHERE id = (SELECT user_id FROM identities WHERE provider = ?1 AND subject = ?2)`)
    .bind(provider, subject)
}

/** Inserts a user without e-mail, password, roles and scopes, unless the identity that he is made for is somebody's by now. */
export function insertUserOfProvider(
  db: Database,
  id: string,
  { provider, subject }: ProviderIdentity,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, token_version, created_at, changed_at)
       SELECT ?1, CAST(unixepoch('subsec') * 1000 AS INTEGER), unixepoch(), unixepoch()
       WHERE NOT EXISTS (SELECT 1 FROM identities WHERE provider = ?2 AND subject = ?3)`,
    )
    .bind(id, provider, subject)
}

/** Makes an identity that is nobody's the user's who was made for it, if he was. */
export function insertIdentity(
  db: Database,
  userId: string,
  { provider, subject }: ProviderIdentity,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO identities (provider, subject, user_id, created_at, founding)
       SELECT ?2, ?3, id, unixepoch(), 1 FROM users WHERE id = ?1
       ON CONFLICT (provider, subject) DO NOTHING`,
    )
    .bind(userId, provider, subject)
}

/** Stores the same password hashed anew, unless another one was set meanwhile. Ends nothing. Returns the `id` if it did. */
export function replacePasswordHash(db: Database, id: string, from: string, to: string): D1PreparedStatement {
  return db
    .prepare(`UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2 RETURNING id`)
    .bind(id, from, to)
}

/** A row of `selectUserByEmail` or `selectUserById`; `null` where there is none. */
export function parseUser(row: unknown): UserRow | null {
  if (!isObject(row)) return null
  return {
    id: readText(row['id']),
    email: readNullable(row['email'], readText),
    passwordHash: readNullable(row['password_hash'], readText),
    sessionEpoch: readInteger(row['session_epoch']),
    disabledAt: readNullable(row['disabled_at'], readInteger),
    tokenVersion: readInteger(row['token_version']),
    publishedVersion: readNullable(row['published_version'], readInteger),
    roles: readTexts(row['roles']),
    scopes: readTexts(row['scopes']),
    claims: readObject(row['claims']),
  }
}

/** The number of a `selectWait` row. */
export function parseWait(row: unknown): number {
  return isObject(row) && row['wait'] !== null ? readInteger(row['wait']) : 0
}

/** The address of an `insertAttempt` row. */
export function parseCounted(row: unknown): string {
  return isObject(row) ? readText(row['address']) : ''
}
