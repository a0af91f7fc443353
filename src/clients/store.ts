// The SQL of clients and of their assertions: a function a statement, races decided in SQL on D1's clock.

import type { Database } from '../database.ts'
import type { JsonObject } from '../json.ts'
import { isObject } from '../json.ts'
import { readInteger, readNullable, readObject, readText, readTexts } from '../rows.ts'
import { RAISE } from '../sessions/store.ts'

/** A client that has not been ended, joined with its users row. */
export interface ClientRow {
  readonly id: string
  readonly secretHash: string | null
  /** Of the secret before, while it is still good. */
  readonly previousSecretHash: string | null
  readonly jwks: JsonObject | null
  readonly tokenVersion: number
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: JsonObject
}

export interface NewClientRow {
  readonly id: string
  readonly name: string
  readonly secretHash: string | null
  readonly jwks: JsonObject | null
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: JsonObject
}

export function selectClient(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT c.id, c.secret_hash, iif(c.previous_until > unixepoch(), c.previous_secret_hash, NULL) AS previous_secret_hash,
         c.jwks, u.token_version, u.roles, u.scopes, u.claims
       FROM clients c JOIN users u ON u.id = c.id WHERE c.id = ?1 AND u.disabled_at IS NULL`,
    )
    .bind(id)
}

/** The client as a user, whose first marker waits to be put. Comes before `insertClient`. */
export function insertClientUser(db: Database, client: NewClientRow): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, roles, scopes, claims, token_version, published_version, created_at, changed_at)
       VALUES (?1, ?2, ?3, ?4, CAST(unixepoch('subsec') * 1000 AS INTEGER), 0, unixepoch(), unixepoch())
       RETURNING id, token_version`,
    )
    .bind(client.id, JSON.stringify(client.roles), JSON.stringify(client.scopes), JSON.stringify(client.claims))
}

export function insertClient(db: Database, { id, name, secretHash, jwks }: NewClientRow): D1PreparedStatement {
  return db
    .prepare(`INSERT INTO clients (id, name, secret_hash, jwks, created_at) VALUES (?1, ?2, ?3, ?4, unixepoch())`)
    .bind(id, name, secretHash, jwks === null ? null : JSON.stringify(jwks))
}

const NOT_ENDED = `EXISTS (SELECT 1 FROM users u WHERE u.id = clients.id AND u.disabled_at IS NULL)`

/**
 * The secret that is current stays good for so many seconds; one before it ends. No row where there is no such client, or
 * one that has keys: a secret beside them would be another way in.
 */
export function replaceSecret(db: Database, id: string, secretHash: string, overlap: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE clients SET previous_secret_hash = secret_hash, previous_until = unixepoch() + ?3, secret_hash = ?2
       WHERE id = ?1 AND secret_hash IS NOT NULL AND ${NOT_ENDED} RETURNING id`,
    )
    .bind(id, secretHash, overlap)
}

/** Disables the client's user; no row where there is no such client, or it has been ended before. */
export function disableClient(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET disabled_at = unixepoch(), ${RAISE}
       WHERE id = (SELECT id FROM clients WHERE id = ?1) AND disabled_at IS NULL RETURNING id, token_version`,
    )
    .bind(id)
}

/** What the client could authenticate by goes; its name stays, for whoever reads what it has done. */
export function forgetSecrets(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE clients SET secret_hash = NULL, previous_secret_hash = NULL, previous_until = NULL, jwks = NULL
       WHERE id = ?1 AND (secret_hash IS NOT NULL OR jwks IS NOT NULL)`,
    )
    .bind(id)
}

/** Raises the client's version. Comes before `endTokensBelow`. */
export function raiseVersionOfClient(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(`UPDATE users SET ${RAISE} WHERE id = (SELECT id FROM clients WHERE id = ?1) RETURNING id, token_version`)
    .bind(id)
}

/** Every token of a version below the client's own no longer holds. */
export function endTokensBelow(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(`UPDATE users SET session_epoch = token_version WHERE id = (SELECT id FROM clients WHERE id = ?1)`)
    .bind(id)
}

/** An assertion that a client has proved itself by; `jti` as its digest. No row where it has come before. */
export function insertAssertion(
  db: Database,
  { clientId, jti, expiresAt }: { readonly clientId: string; readonly jti: string; readonly expiresAt: number },
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO client_assertions (client_id, jti, expires_at) VALUES (?1, ?2, ?3)
       ON CONFLICT (client_id, jti) DO NOTHING RETURNING jti`,
    )
    .bind(clientId, jti, expiresAt)
}

/** Seconds for which an assertion that has expired is still remembered: D1's clock may be ahead of the Worker's. */
const REMEMBERED_AFTER = 600

/** Deletes up to `limit` assertions that cannot come again, the oldest first. */
export function removeOldAssertions(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM client_assertions WHERE (client_id, jti) IN (
         SELECT client_id, jti FROM client_assertions WHERE expires_at <= unixepoch() - ${REMEMBERED_AFTER}
         ORDER BY expires_at LIMIT ?1)
       RETURNING 1`,
    )
    .bind(limit)
}

export function renameClient(db: Database, id: string, name: string): D1PreparedStatement {
  return db.prepare(`UPDATE clients SET name = ?2 WHERE id = ?1`).bind(id, name)
}

/** Other keys of a client that authenticates by keys; one that has a secret keeps it and gets none. */
export function replaceClientKeys(db: Database, id: string, jwks: string): D1PreparedStatement {
  return db.prepare(`UPDATE clients SET jwks = ?2 WHERE id = ?1 AND jwks IS NOT NULL`).bind(id, jwks)
}

/** A row of `selectClient`; `null` where there is none. */
export function parseClient(row: unknown): ClientRow | null {
  if (!isObject(row)) return null
  return {
    id: readText(row['id']),
    secretHash: readNullable(row['secret_hash'], readText),
    previousSecretHash: readNullable(row['previous_secret_hash'], readText),
    jwks: readNullable(row['jwks'], readObject),
    tokenVersion: readInteger(row['token_version']),
    roles: readTexts(row['roles']),
    scopes: readTexts(row['scopes']),
    claims: readObject(row['claims']),
  }
}
