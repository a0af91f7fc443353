// The SQL of API keys: a function a statement, races decided in SQL on D1's clock.

import type { Database } from '../database.ts'
import { isObject } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { readInteger, readNullable, readObject, readText, readTexts } from '../rows.ts'
import { RAISE } from '../sessions/store.ts'

export interface Profile {
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: JsonObject
}

export interface NewKey extends Profile {
  /** For people: what uses it. */
  readonly name: string
  /** Unix seconds; `null` is never. */
  readonly expiresAt: number | null
}

/** A key joined with its user, as D1 holds them at this moment. */
export interface KeyState extends Profile {
  readonly id: string
  /** Neither ended nor expired, its user not disabled. */
  readonly alive: boolean
  readonly secretHash: string
  /** Of the secret before the last rotation, while it lives. */
  readonly previousSecretHash: string | null
  readonly previousUntil: number | null
  readonly expiresAt: number | null
  readonly tokenVersion: number
  /** Unix seconds of D1's clock. */
  readonly readAt: number
  /** Its last use was noted an hour ago or earlier. */
  readonly useIsDue: boolean
}

/** A key as those see it who administer it. */
export interface KeyEntry extends Profile {
  readonly id: string
  readonly name: string
  readonly alive: boolean
  /** Unix seconds, as the others; `null` while there is one secret only. */
  readonly previousUntil: number | null
  readonly expiresAt: number | null
  readonly lastUsedAt: number | null
  readonly createdAt: number
}

/** Seconds by which `last_used_at` may lag, so that no request in an hour but one writes. */
const USE_LAG = 3600
/** In place of a digest, of which it is none. */
const ENDED = 'ended'
const USE_IS_DUE = `(last_used_at IS NULL OR last_used_at <= unixepoch() - ${USE_LAG})`
const ALIVE = `k.secret_hash <> '${ENDED}' AND u.disabled_at IS NULL
  AND (k.expires_at IS NULL OR k.expires_at > unixepoch())`
const PREVIOUS_UNTIL = `iif(k.previous_until > unixepoch(), k.previous_until, NULL)`

/** The user of a new key, whose marker is to be put. */
export function insertKeyUser(db: Database, id: string, { roles, scopes, claims }: Profile): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, roles, scopes, claims, token_version, published_version, created_at, changed_at)
       VALUES (?1, ?2, ?3, ?4, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0, unixepoch(), unixepoch()) RETURNING id, token_version`,
    )
    .bind(id, JSON.stringify(roles), JSON.stringify(scopes), JSON.stringify(claims))
}

export function insertKey(
  db: Database,
  id: string,
  secretHash: string,
  { name, expiresAt }: Pick<NewKey, 'name' | 'expiresAt'>,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO api_keys (id, name, secret_hash, expires_at, created_at) VALUES (?1, ?2, ?3, ?4, unixepoch())`,
    )
    .bind(id, name, secretHash, expiresAt)
}

export function selectKey(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT k.id, (${ALIVE}) AS alive, k.secret_hash, k.previous_secret_hash, ${PREVIOUS_UNTIL} AS previous_until,
         k.expires_at, u.token_version, unixepoch() AS read_at, ${USE_IS_DUE} AS use_is_due, u.roles, u.scopes, u.claims
       FROM api_keys k JOIN users u ON u.id = k.id WHERE k.id = ?1`,
    )
    .bind(id)
}

/** Notes that a key is used, at most once an hour however many ask for it at once. */
export function noteUse(db: Database, id: string): D1PreparedStatement {
  return db.prepare(`UPDATE api_keys SET last_used_at = unixepoch() WHERE id = ?1 AND ${USE_IS_DUE}`).bind(id)
}

/** `?1` is the id, `?2` the overlap: while two secrets live no third may come, unless it is to be the only one. */
const ROTATABLE = `SELECT k.id FROM api_keys k JOIN users u ON u.id = k.id
  WHERE k.id = ?1 AND ${ALIVE} AND (?2 = 0 OR ${PREVIOUS_UNTIL} IS NULL)`

/** Raises the version of a key that is about to be rotated: isolates learn how long its secret still lives. */
export function raiseVersionForRotation(db: Database, id: string, overlap: number): D1PreparedStatement {
  return db.prepare(`UPDATE users SET ${RAISE} WHERE id = (${ROTATABLE}) RETURNING id, token_version`).bind(id, overlap)
}

/** Gives a key its next secret; the one before lives on for `overlap` seconds. */
export function rotateSecret(db: Database, id: string, overlap: number, secretHash: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE api_keys SET secret_hash = ?3, previous_secret_hash = iif(?2 > 0, secret_hash, NULL),
         previous_until = iif(?2 > 0, unixepoch() + ?2, NULL)
       WHERE id = (${ROTATABLE}) RETURNING id`,
    )
    .bind(id, overlap, secretHash)
}

/** Disables the user of a key that has not ended, and raises its version. */
export function disableKeyUser(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET disabled_at = coalesce(disabled_at, unixepoch()), ${RAISE}
       WHERE id = (SELECT id FROM api_keys WHERE id = ?1 AND secret_hash <> '${ENDED}') RETURNING id, token_version`,
    )
    .bind(id)
}

/** Takes its secrets from a key, so that nothing brings it back. Comes after `disableKeyUser`. */
export function forgetSecrets(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE api_keys SET secret_hash = '${ENDED}', previous_secret_hash = NULL, previous_until = NULL
       WHERE id = ?1 AND secret_hash <> '${ENDED}'`,
    )
    .bind(id)
}

/** The keys whose ids come after this one, in the order of their ids. */
export function selectKeys(db: Database, after: string, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT k.id, k.name, (${ALIVE}) AS alive, ${PREVIOUS_UNTIL} AS previous_until, k.expires_at, k.last_used_at,
         k.created_at, u.roles, u.scopes, u.claims
       FROM api_keys k JOIN users u ON u.id = k.id WHERE k.id > ?1 ORDER BY k.id LIMIT ?2`,
    )
    .bind(after, limit)
}

/** A row of `selectKey`; `null` where there is none. */
export function parseKey(row: unknown): KeyState | null {
  if (!isObject(row)) return null
  return {
    id: readText(row['id']),
    alive: row['alive'] === 1,
    secretHash: readText(row['secret_hash']),
    previousSecretHash: readNullable(row['previous_secret_hash'], readText),
    previousUntil: readNullable(row['previous_until'], readInteger),
    expiresAt: readNullable(row['expires_at'], readInteger),
    tokenVersion: readInteger(row['token_version']),
    readAt: readInteger(row['read_at']),
    useIsDue: row['use_is_due'] === 1,
    ...parseProfile(row),
  }
}

/** A row of `selectKeys`. */
export function parseKeyEntry(row: unknown): KeyEntry | null {
  if (!isObject(row)) return null
  return {
    id: readText(row['id']),
    name: readText(row['name']),
    alive: row['alive'] === 1,
    previousUntil: readNullable(row['previous_until'], readInteger),
    expiresAt: readNullable(row['expires_at'], readInteger),
    lastUsedAt: readNullable(row['last_used_at'], readInteger),
    createdAt: readInteger(row['created_at']),
    ...parseProfile(row),
  }
}

function parseProfile(row: JsonObject): Profile {
  return { roles: readTexts(row['roles']), scopes: readTexts(row['scopes']), claims: readObject(row['claims']) }
}

export function renameKey(db: Database, id: string, name: string): D1PreparedStatement {
  return db.prepare(`UPDATE api_keys SET name = ?2 WHERE id = ?1`).bind(id, name)
}

/** `expiresAt` in unix seconds; `null` takes the expiry away. */
export function setKeyExpiry(db: Database, id: string, expiresAt: number | null): D1PreparedStatement {
  return db.prepare(`UPDATE api_keys SET expires_at = ?2 WHERE id = ?1`).bind(id, expiresAt)
}
