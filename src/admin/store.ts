// The SQL of the admin API: a function a statement. What is written about somebody comes after `requirePerson` in its batch.

import { DELETED } from '../accounts/deletion-store.ts'
import type { Database, Source } from '../database.ts'
import { isObject } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { readInteger, readNullable, readObject, readText, readTexts } from '../rows.ts'
import { ALIVE, RAISE } from '../sessions/store.ts'

/** A user as administrators see him. */
export interface Person {
  readonly id: string
  readonly email: string | null
  readonly hasPassword: boolean
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: JsonObject
  readonly tokenVersion: number
  readonly disabledAt: number | null
  readonly createdAt: number
  readonly changedAt: number
}

/** Clients and API keys are users as well; people are all others who have not been deleted. */
const IS_PERSON = `substr(u.id, 1, 4) NOT IN ('cli_', 'key_') AND u.deleted_at IS NULL`

const PERSON = `SELECT u.id, u.email, u.password_hash IS NOT NULL AS has_password, u.roles, u.scopes, u.claims,
  u.token_version, u.disabled_at, u.created_at, u.changed_at FROM users u WHERE ${IS_PERSON}`

export function selectPerson(db: Database, id: string): D1PreparedStatement {
  return db.prepare(`${PERSON} AND u.id = ?1`).bind(id)
}

export function selectPersonByEmail(db: Database, email: string): D1PreparedStatement {
  return db.prepare(`${PERSON} AND u.email = ?1`).bind(email)
}

/** People whose ids come after one, in the order of their ids. */
export function selectPeople(db: Database, after: string, limit: number): D1PreparedStatement {
  return db.prepare(`${PERSON} AND u.id > ?1 ORDER BY u.id LIMIT ?2`).bind(after, limit)
}

/**
 * People whose e-mail begins with a text and comes after one, in the order of their e-mails. No address holds the
 * character that bounds the range, and no character of the text has a meaning of its own.
 */
export function selectPeopleByPrefix(db: Database, prefix: string, after: string, limit: number): D1PreparedStatement {
  return db
    .prepare(`${PERSON} AND u.email >= ?1 AND u.email < ?1 || char(1114111) AND u.email > ?2 ORDER BY u.email LIMIT ?3`)
    .bind(prefix, after, limit)
}

/**
 * Breaks `NOT NULL` of `users.token_version`, and with it the transaction, unless there is such a person, of that version
 * where one is given.
 */
export function requirePerson(db: Database, id: string, version: number | null): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, token_version, created_at, changed_at) SELECT ?1, NULL, 0, 0
       WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = ?1 AND ${IS_PERSON} AND (?2 IS NULL OR ?2 = u.token_version))`,
    )
    .bind(id, version)
}

/** A user to come. */
export interface NewPerson {
  readonly id: string
  readonly email: string | null
  readonly passwordHash: string | null
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: JsonObject
  readonly isDisabled: boolean
}

/** Adds users. An id or e-mail that is taken breaks `UNIQUE`, and with it the transaction. */
export function insertPeople(db: Database, people: readonly NewPerson[]): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, email, password_hash, roles, scopes, claims, disabled_at, token_version, created_at, changed_at)
       SELECT value ->> 'id', value ->> 'email', value ->> 'passwordHash', value -> 'roles', value -> 'scopes', value -> 'claims',
         iif(value ->> 'isDisabled', unixepoch(), NULL), CAST(unixepoch('subsec') * 1000 AS INTEGER), unixepoch(), unixepoch()
       FROM json_each(?1) ORDER BY key`,
    )
    .bind(JSON.stringify(people))
}

/** Which of these users have an id or e-mail that is taken: rows of `position` and `member`. */
export function selectTaken(db: Database, people: readonly NewPerson[]): D1PreparedStatement {
  return db
    .prepare(
      `SELECT key AS position, 'id' AS member FROM json_each(?1) JOIN users u ON u.id = value ->> 'id'
       UNION ALL
       SELECT key AS position, 'email' AS member FROM json_each(?1) JOIN users u ON u.email = value ->> 'email'
       ORDER BY 1, 2`,
    )
    .bind(JSON.stringify(people.map(({ id, email }) => ({ id, email }))))
}

/** Sets the e-mail and raises the version where it was another; one that is taken breaks `UNIQUE`. */
export function updateEmail(db: Database, id: string, email: string | null): D1PreparedStatement {
  return db
    .prepare(`UPDATE users SET email = ?2, ${RAISE} WHERE id = ?1 AND email IS NOT ?2 RETURNING id, token_version`)
    .bind(id, email)
}

/** Disables a user and raises epoch and version: every session ends. Who is disabled stays so since then. */
export function disablePerson(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET disabled_at = coalesce(disabled_at, unixepoch()), session_epoch = session_epoch + 1, ${RAISE}
       WHERE id = ?1 RETURNING id, token_version`,
    )
    .bind(id)
}

/** Erases a user and raises epoch and version: every session ends, and none opens under the id until the row is gone. */
export function deletePerson(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET ${DELETED}, session_epoch = session_epoch + 1, ${RAISE} WHERE id = ?1 RETURNING id, token_version`,
    )
    .bind(id)
}

/** Lets a user sign in again; what has ended stays ended. */
export function enablePerson(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET disabled_at = NULL, ${RAISE} WHERE id = ?1 AND disabled_at IS NOT NULL RETURNING id, token_version`,
    )
    .bind(id)
}

/** Breaks `NOT NULL` of `users.token_version`, and with it the transaction, unless the user has that session and it is alive. */
export function requireSession(
  db: Database,
  userId: string,
  sessionId: string,
  idleTimeout: number,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO users (id, token_version, created_at, changed_at) SELECT ?2, NULL, 0, 0
       WHERE NOT EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = ?3 AND s.user_id = ?2 AND ${IS_PERSON} AND ${ALIVE})`,
    )
    .bind(idleTimeout, userId, sessionId)
}

/** The `id` of a client or key that has not been ended; no row where there is none. */
export function selectMachine(db: Database, id: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT u.id FROM users u WHERE u.id = ?1 AND u.disabled_at IS NULL
         AND (EXISTS (SELECT 1 FROM clients c WHERE c.id = u.id) OR EXISTS (SELECT 1 FROM api_keys k WHERE k.id = u.id))`,
    )
    .bind(id)
}

/** The machine that the statement before has changed, if it has: a source of its audit event. */
export function changedMachine(id: string): Source {
  return { sql: `SELECT ?1 AS target, '{}' AS details WHERE changes() > 0`, parameters: [id] }
}

/** Clients whose ids come after one, in the order of their ids, ended ones too. Never a secret, nor its digest. */
export function selectClients(db: Database, after: string, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT c.id, c.name, iif(c.jwks IS NULL, 'secret', 'keys') AS proof,
         iif(c.previous_until > unixepoch(), c.previous_until, NULL) AS previous_until, c.created_at, u.disabled_at,
         u.roles, u.scopes, u.claims
       FROM clients c JOIN users u ON u.id = c.id WHERE c.id > ?1 ORDER BY c.id LIMIT ?2`,
    )
    .bind(after, limit)
}

/** A client as administrators see it. */
export interface ClientEntry extends Pick<Person, 'id' | 'roles' | 'scopes' | 'claims' | 'createdAt' | 'disabledAt'> {
  readonly name: string
  readonly proof: string
  /** Unix seconds; `null` while there is one secret only. */
  readonly previousUntil: number | null
}

/** A row of `selectClients`. */
export function parseClientEntry(row: unknown): ClientEntry {
  if (!isObject(row)) throw new TypeError('a row is none')
  return {
    id: readText(row['id']),
    name: readText(row['name']),
    proof: readText(row['proof']),
    previousUntil: readNullable(row['previous_until'], readInteger),
    createdAt: readInteger(row['created_at']),
    disabledAt: readNullable(row['disabled_at'], readInteger),
    roles: readTexts(row['roles']),
    scopes: readTexts(row['scopes']),
    claims: readObject(row['claims']),
  }
}

/** A row of a statement that selects people. */
export function parsePerson(row: unknown): Person | null {
  if (!isObject(row)) return null
  return {
    id: readText(row['id']),
    email: readNullable(row['email'], readText),
    hasPassword: row['has_password'] === 1,
    roles: readTexts(row['roles']),
    scopes: readTexts(row['scopes']),
    claims: readObject(row['claims']),
    tokenVersion: readInteger(row['token_version']),
    disabledAt: readNullable(row['disabled_at'], readInteger),
    createdAt: readInteger(row['created_at']),
    changedAt: readInteger(row['changed_at']),
  }
}

/** What of an import is taken. */
export interface Taken {
  readonly position: number
  readonly member: string
}

/** A row of `selectTaken`. */
export function parseTaken(row: unknown): Taken {
  if (!isObject(row)) throw new TypeError('a row is none')
  return { position: readInteger(row['position']), member: readText(row['member']) }
}
