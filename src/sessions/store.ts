// The SQL of users' versions and of sessions: a function a statement, races decided in SQL on D1's clock.

import type { Database, Source } from '../database.ts'
import { IS_GATEWAY_SCOPE, scopesOfSession } from '../gateway-scopes.ts'
import { isObject } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { readInteger, readNullable, readObject, readText, readTexts } from '../rows.ts'

/** A session joined with its user, as D1 holds them at this moment. */
export interface SessionState {
  readonly sessionId: string
  readonly userId: string
  readonly clientId: string
  readonly alive: boolean
  readonly generation: number
  /** Gets the same successor while it is in its window; `null` where the credential was replaced on purpose. */
  readonly previousGeneration: number | null
  /** Access tokens of the session with a lower version have been replaced on purpose. */
  readonly leastVersion: number
  /** The current generation has been presented. */
  readonly successorPresented: boolean
  /** Unix seconds of D1's clock: of the last rotation, and of this reading. */
  readonly rotatedAt: number
  readonly readAt: number
  readonly authTime: number
  readonly amr: readonly string[]
  /** Unix seconds at which the session ends if nothing else ends it: the earlier of both timeouts. */
  readonly endsAt: number
  readonly tokenVersion: number
  /** 0 before the first marker was put. */
  readonly publishedVersion: number
  readonly roles: readonly string[]
  /** What `scopesOfSession` leaves of the user's. */
  readonly scopes: readonly string[]
  readonly claims: JsonObject
}

/** A user's version after a statement raised it. */
export interface RaisedVersion {
  readonly userId: string
  readonly tokenVersion: number
}

/** What began a session, where it was a provider. */
export interface ProviderSession {
  /** Its id in the configuration. */
  readonly id: string
  readonly subject: string
  /** The provider's own session, where it names it. */
  readonly session: string | null
  /** Kept to sign out by, as long as the session lives: encrypted, by the session's id. */
  readonly sealedIdToken: string | null
  /** Unix seconds of the sign-in there. */
  readonly authTime: number
  /** Unix seconds of the provider's clock, at which it said so. */
  readonly issuedAt: number
}

/** What is known of it while the session lives. */
export interface Beginning extends Omit<ProviderSession, 'authTime' | 'issuedAt'> {
  readonly sessionId: string
}

/** `client_id` of the console's sessions; the site's own are `gatehouse`, and neither passes for the other. */
export const CONSOLE_CLIENT = 'gatehouse-console'

export interface NewSession {
  readonly sessionId: string
  readonly userId: string
  /** What was checked; the session opens only if both still hold. */
  readonly checked: { readonly sessionEpoch: number; readonly passwordHash: string | null }
  readonly amr: readonly string[]
  readonly clientId?: typeof CONSOLE_CLIENT
  /** What the sign-in asked for; absent or `null`: nothing. */
  readonly scopes?: readonly string[] | null
  /** Absent: signed in here and now. */
  readonly provider?: ProviderSession
  readonly absoluteTimeout: number
  readonly userAgent: string | null
  readonly address: string | null
}

/** `?1` of a statement that uses it is the idle timeout. Not ended, inside both timeouts, of the user's epoch, not disabled. */
export const ALIVE = `s.ended_at IS NULL AND s.expires_at > unixepoch() AND s.last_seen_at + ?1 > unixepoch()
  AND s.session_epoch = u.session_epoch AND u.disabled_at IS NULL`

/** Never issues a number twice, even on a database that was restored to an earlier time. */
export const RAISE = `token_version = max(token_version + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER)), changed_at = unixepoch()`

export function selectSession(db: Database, sessionId: string, idleTimeout: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT s.id, s.user_id, s.client_id, (${ALIVE}) AS alive, s.generation, s.previous_generation, s.least_version,
         s.successor_presented, s.rotated_at,
         unixepoch() AS read_at, s.auth_time, s.amr, s.scopes AS asked_scopes,
         min(s.expires_at, s.last_seen_at + ?1) AS ends_at,
         u.token_version, coalesce(u.published_version, 0) AS published_version, u.roles, u.scopes, u.claims
       FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2`,
    )
    .bind(idleTimeout, sessionId)
}

/** A user who needs no session, which is what clients are: what his tokens are worth at this moment. */
export interface PrincipalState {
  readonly userId: string
  readonly tokenVersion: number
  /** Tokens of a lower version have been ended. */
  readonly leastVersion: number
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: JsonObject
}

/** A user as such; no row where there is none, or he is disabled. His epoch is the lowest version of a token that holds. */
export function selectPrincipal(db: Database, userId: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT id, token_version, session_epoch AS least_version, roles, scopes, claims
       FROM users WHERE id = ?1 AND disabled_at IS NULL`,
    )
    .bind(userId)
}

/** The provider has ended the session, or all of the subject's, since it gave the ID token. Each half by the index that fits. */
const LOGGED_OUT = `(EXISTS (SELECT 1 FROM logout_tokens l
    WHERE l.provider = ?10 AND l.provider_session = ?12 AND l.issued_at >= ?14)
  OR EXISTS (SELECT 1 FROM logout_tokens l
    WHERE l.provider = ?10 AND l.subject = ?11 AND l.issued_at >= ?14 AND (l.provider_session IS NULL OR ?12 IS NULL)))`

/** Opens a session if the epoch and the credential, or the provider's word, that were checked still hold; else inserts nothing. */
export function insertSession(db: Database, session: NewSession): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, expires_at, auth_time,
         amr, user_agent, address, provider, provider_subject, provider_session, id_token_sealed, client_id, scopes)
       SELECT ?1, u.id, u.session_epoch, unixepoch(), unixepoch(), unixepoch(), unixepoch() + ?5,
         min(coalesce(?9, unixepoch()), unixepoch()), ?6, ?7, ?8, ?10, ?11, ?12, ?13, ?15, ?16
       FROM users u
       WHERE u.id = ?2 AND u.session_epoch = ?3 AND u.password_hash IS ?4 AND u.disabled_at IS NULL AND NOT ${LOGGED_OUT}`,
    )
    .bind(
      session.sessionId,
      session.userId,
      session.checked.sessionEpoch,
      session.checked.passwordHash,
      session.absoluteTimeout,
      JSON.stringify(session.amr),
      session.userAgent,
      session.address,
      session.provider?.authTime ?? null,
      session.provider?.id ?? null,
      session.provider?.subject ?? null,
      session.provider?.session ?? null,
      session.provider?.sealedIdToken ?? null,
      session.provider?.issuedAt ?? null,
      session.clientId ?? 'gatehouse',
      textsOf(session.scopes ?? null),
    )
}

/** Whoever signs in for the first time has a marker to wait for. */
export function awaitMarker(db: Database, userId: string): D1PreparedStatement {
  return db.prepare(`UPDATE users SET published_version = 0 WHERE id = ?1 AND published_version IS NULL`).bind(userId)
}

/** Raises the version of the user whose session is about to be ended; no row where it had ended already. */
export function raiseVersionOfSession(db: Database, sessionId: string, onlyIfOpened: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET ${RAISE}
       WHERE id = (SELECT user_id FROM sessions WHERE id = ?1 AND ended_at IS NULL)
         AND (?2 = '' OR EXISTS (SELECT 1 FROM sessions WHERE id = ?2))
       RETURNING id, token_version`,
    )
    .bind(sessionId, onlyIfOpened)
}

/** Every statement that ends sessions sets this: with them goes the ID token that was kept to sign out by. */
export const END = `ended_at = unixepoch(), id_token_sealed = NULL`

/** Ends one session; where `onlyIfOpened` names another session, only if that one exists. */
export function endSession(db: Database, sessionId: string, reason: string, onlyIfOpened: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET ${END}, end_reason = ?2
       WHERE id = ?1 AND ended_at IS NULL AND (?3 = '' OR EXISTS (SELECT 1 FROM sessions WHERE id = ?3))
       RETURNING id`,
    )
    .bind(sessionId, reason, onlyIfOpened)
}

export const SURPLUS = `SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?2 AND ${ALIVE}
  ORDER BY s.created_at DESC, s.rowid DESC LIMIT -1 OFFSET ?3`

/** Raises the user's version if more than `maxPerUser` of his sessions are alive. */
export function raiseVersionForSurplus(
  db: Database,
  userId: string,
  idleTimeout: number,
  maxPerUser: number,
): D1PreparedStatement {
  return db
    .prepare(`UPDATE users SET ${RAISE} WHERE id = ?2 AND EXISTS (${SURPLUS}) RETURNING id, token_version`)
    .bind(idleTimeout, userId, maxPerUser)
}

/** Ends the oldest sessions of a user beyond `maxPerUser`. */
export function endSurplus(db: Database, userId: string, idleTimeout: number, maxPerUser: number): D1PreparedStatement {
  return db
    .prepare(`UPDATE sessions SET ${END}, end_reason = 'limit' WHERE id IN (${SURPLUS}) RETURNING id`)
    .bind(idleTimeout, userId, maxPerUser)
}

/** A session token that is presented, and the clocks that it is judged by, in seconds. */
export interface Presentation {
  readonly sessionId: string
  readonly generation: number
  readonly idleTimeout: number
  /** A current token younger than this is enough as it is. */
  readonly spacing: number
  /** For how long after a rotation its predecessor gets the same successor. */
  readonly grace: number
}

/** Seconds by which `last_seen_at` may lag, so that presenting a token again and again writes nothing. */
const SEEN_LAG = 60

/** `ALIVE` for statements that update `sessions` itself; `?1` is the idle timeout. */
const LIVING = `ended_at IS NULL AND expires_at > unixepoch() AND last_seen_at + ?1 > unixepoch() AND EXISTS (
  SELECT 1 FROM users u
  WHERE u.id = sessions.user_id AND u.session_epoch = sessions.session_epoch AND u.disabled_at IS NULL)`

/** The successor of the presented generation is handed out again: its answer may have been lost, or was not the only one asked for. */
const IN_GRACE = `previous_generation IS ?3 AND rotated_at + ?5 >= unixepoch()`

/**
 * The one statement that decides a rotation (DESIGN §6): a current token that is old enough, a predecessor whose
 * successor nobody ever presented, or a generation that only a database from before a restore can have issued.
 */
export function rotateSession(db: Database, presented: Presentation): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET previous_generation = ?3, generation = max(generation, ?3) + 1, successor_presented = 0,
         rotated_at = unixepoch(), last_seen_at = unixepoch()
       WHERE id = ?2 AND ${LIVING} AND (
         (generation = ?3 AND rotated_at + ?4 <= unixepoch())
         OR generation < ?3
         OR (previous_generation IS ?3 AND successor_presented = 0 AND NOT (${IN_GRACE})))
       RETURNING id`,
    )
    .bind(presented.idleTimeout, presented.sessionId, presented.generation, presented.spacing, presented.grace)
}

/** Remembers that the current token was presented: its predecessor is no longer a lost answer's. */
export function presentCurrent(
  db: Database,
  { idleTimeout, sessionId, generation }: Presentation,
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET successor_presented = 1, last_seen_at = unixepoch()
       WHERE id = ?2 AND ${LIVING} AND generation = ?3
         AND (successor_presented = 0 OR last_seen_at + ${SEEN_LAG} <= unixepoch())`,
    )
    .bind(idleTimeout, sessionId, generation)
}

/**
 * What is neither current nor a predecessor in its window was stolen, or is what a thief left to its owner. After a credential
 * was replaced on purpose, requests that were on their way with the old one are refused for a window and end nothing.
 */
export const REUSED = `${LIVING} AND generation > ?3 AND NOT (${IN_GRACE})
  AND (replaced_at IS NULL OR replaced_at + ?5 < unixepoch())`

/**
 * Whether presenting the token now would be a success: it is current, or of a database that went back, or a predecessor
 * in its window or whose successor nobody ever presented. Changes nothing.
 */
export function selectHonoured(db: Database, presented: Omit<Presentation, 'spacing'>): D1PreparedStatement {
  return db
    .prepare(
      `SELECT 1 AS honoured FROM sessions WHERE id = ?2 AND ${LIVING}
         AND (generation <= ?3 OR (previous_generation IS ?3 AND successor_presented = 0) OR (${IN_GRACE}))`,
    )
    .bind(presented.idleTimeout, presented.sessionId, presented.generation, 0, presented.grace)
}

/** Raises the version of the user whose session a reused token is about to end. Comes after `rotateSession`. */
export function raiseVersionForReuse(db: Database, presented: Presentation): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET ${RAISE} WHERE id = (SELECT user_id FROM sessions WHERE id = ?2 AND ${REUSED})
       RETURNING id, token_version`,
    )
    .bind(presented.idleTimeout, presented.sessionId, presented.generation, 0, presented.grace)
}

/** Ends the session of a reused token, and no other. Comes after `raiseVersionForReuse`. */
export function endReused(db: Database, presented: Presentation): D1PreparedStatement {
  return db
    .prepare(`UPDATE sessions SET ${END}, end_reason = 'reuse' WHERE id = ?2 AND ${REUSED} RETURNING id`)
    .bind(presented.idleTimeout, presented.sessionId, presented.generation, 0, presented.grace)
}

/** How many sessions of the user are alive. */
export function countAlive(db: Database, userId: string, idleTimeout: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT count(*) AS count FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?2 AND ${ALIVE}`,
    )
    .bind(idleTimeout, userId)
}

/** Raises epoch and version of the user of a session that is alive, which ends every session of his. */
export function raiseEpoch(db: Database, sessionId: string, idleTimeout: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET session_epoch = session_epoch + 1, ${RAISE}
       WHERE id = (SELECT s.user_id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE})
       RETURNING id, token_version`,
    )
    .bind(idleTimeout, sessionId)
}

/** A session as its owner sees it. */
export interface Device {
  readonly sessionId: string
  readonly createdAt: number
  readonly lastSeenAt: number
  readonly endsAt: number
  readonly userAgent: string | null
  readonly address: string | null
}

/** The living sessions of a user, the one seen last first. */
export function selectDevices(db: Database, userId: string, idleTimeout: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT s.id, s.created_at, s.last_seen_at, min(s.expires_at, s.last_seen_at + ?1) AS ends_at, s.user_agent, s.address
       FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?2 AND ${ALIVE}
       ORDER BY s.last_seen_at DESC, s.created_at DESC`,
    )
    .bind(idleTimeout, userId)
}

/** Raises the version of a user whose own session is about to be ended; no row where it is not his or not alive. */
export function raiseVersionOfOwn(
  db: Database,
  userId: string,
  sessionId: string,
  idleTimeout: number,
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET ${RAISE} WHERE id = ?2
         AND EXISTS (${OWN}) RETURNING id, token_version`,
    )
    .bind(idleTimeout, userId, sessionId)
}

/** Ends a session if it is the user's and alive. */
export function endOwn(db: Database, userId: string, sessionId: string, idleTimeout: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET ${END}, end_reason = 'by_owner'
       WHERE id = ?3 AND user_id = ?2 AND ${LIVING} RETURNING id`,
    )
    .bind(idleTimeout, userId, sessionId)
}

/** A living session of a user, and his living ones beside it. */
export const OWN = `SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?3 AND s.user_id = ?2 AND ${ALIVE}`
const OTHERS = `SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id <> ?3 AND s.user_id = ?2 AND ${ALIVE}`

/** Raises the version of a user whose other sessions are about to be ended; no row where his own is not alive, or alone. */
export function raiseVersionOfOthers(
  db: Database,
  userId: string,
  sessionId: string,
  idleTimeout: number,
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET ${RAISE} WHERE id = ?2 AND EXISTS (${OWN}) AND EXISTS (${OTHERS}) RETURNING id, token_version`,
    )
    .bind(idleTimeout, userId, sessionId)
}

/** Ends every living session of the user but his own, which must be alive. */
export function endOthersOf(db: Database, userId: string, sessionId: string, idleTimeout: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET ${END}, end_reason = 'by_owner'
       WHERE id <> ?3 AND user_id = ?2 AND ${LIVING} AND EXISTS (${OWN}) RETURNING id`,
    )
    .bind(idleTimeout, userId, sessionId)
}

/**
 * Sets another password, if the one that was checked still is the user's and the session that asks is alive, and
 * raises epoch and version: every session ends.
 */
export function replacePassword(db: Database, change: PasswordChange, idleTimeout: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET password_hash = ?4, session_epoch = session_epoch + 1, ${RAISE}
       WHERE password_hash = ?3
         AND id = (SELECT s.user_id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE})
       RETURNING id, token_version`,
    )
    .bind(idleTimeout, change.sessionId, change.from, change.to)
}

/**
 * A new credential of a session: no copy of the one before is honoured again (ASVS 7.2.4), neither as a predecessor nor as an
 * access token of a version before the user's current one. Comes after the statement that raises that version.
 */
const REPLACE = `generation = generation + 1, previous_generation = NULL, successor_presented = 0, rotated_at = unixepoch(),
  replaced_at = unixepoch(), least_version = (SELECT token_version FROM users WHERE users.id = sessions.user_id)`

/** A new credential of a session that is alive. Comes after the statement that raises its user's version. */
export function replaceCredential(db: Database, sessionId: string, idleTimeout: number): D1PreparedStatement {
  return db.prepare(`UPDATE sessions SET ${REPLACE} WHERE id = ?2 AND ${LIVING}`).bind(idleTimeout, sessionId)
}

/** Raises the version of the user of a session that is alive. */
export function raiseVersionOfAlive(db: Database, sessionId: string, idleTimeout: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET ${RAISE}
       WHERE id = (SELECT s.user_id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE})
       RETURNING id, token_version`,
    )
    .bind(idleTimeout, sessionId)
}

/**
 * Takes the session that changed the password over into the new epoch, with a new credential; not one that had ended before.
 */
export function keepSession(db: Database, sessionId: string, passwordHash: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET session_epoch = session_epoch + 1, ${REPLACE} WHERE id = ?1 AND ended_at IS NULL
         AND EXISTS (SELECT 1 FROM users u
           WHERE u.id = sessions.user_id AND u.session_epoch = sessions.session_epoch + 1 AND u.password_hash = ?2)`,
    )
    .bind(sessionId, passwordHash)
}

/** A password hash that was checked, and the one to come. */
export interface PasswordChange {
  readonly sessionId: string
  readonly from: string
  readonly to: string
}

/**
 * Opens a session for a user whom an upstream vouches for; a user who is not there or disabled breaks `NOT NULL` of
 * `sessions.user_id`, and with it the transaction.
 */
export function insertVouchedSession(db: Database, session: Omit<NewSession, 'checked'>): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, expires_at, auth_time,
         amr, user_agent, address)
       SELECT ?1, u.id, u.session_epoch, unixepoch(), unixepoch(), unixepoch(), unixepoch() + ?3, unixepoch(), ?4, ?5, ?6
       FROM (SELECT ?2 AS user_id) named LEFT JOIN users u ON u.id = named.user_id AND u.disabled_at IS NULL`,
    )
    .bind(
      session.sessionId,
      session.userId,
      session.absoluteTimeout,
      JSON.stringify(session.amr),
      session.userAgent,
      session.address,
    )
}

/** Raises the version of a user, a client or a key. */
export function raiseVersionOfUser(db: Database, userId: string): D1PreparedStatement {
  return db.prepare(`UPDATE users SET ${RAISE} WHERE id = ?1 RETURNING id, token_version`).bind(userId)
}

/** Raises epoch and version of a user, which ends every session. */
export function raiseEpochOf(db: Database, userId: string): D1PreparedStatement {
  return db
    .prepare(`UPDATE users SET session_epoch = session_epoch + 1, ${RAISE} WHERE id = ?1 RETURNING id, token_version`)
    .bind(userId)
}

/** Ends the sessions that the raising of a user's epoch has left behind. Comes after it, and after `keepSession`. */
export function endOfOldEpoch(db: Database, userId: string, reason: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET ${END}, end_reason = ?2
       WHERE user_id = ?1 AND ended_at IS NULL AND session_epoch < (SELECT session_epoch FROM users WHERE id = ?1)`,
    )
    .bind(userId, reason)
}

/** Roles, scopes and claims to come; `null` and absent claims stay as they are. */
export interface ProfileUpdate {
  readonly roles: readonly string[] | null
  readonly scopes: readonly string[] | null
  readonly claims: JsonObject
  /** Of all three together, as `profileProblem` counts them. */
  readonly maxBytes: number
  /** Scopes that begin with `gatehouse:` stay whatever the others become: an administrator's are to give and to take. */
  readonly keepsOwnScopes: boolean
}

/**
 * Updates a user and raises his version where that changes anything. A profile that grows beyond its limit breaks
 * `NOT NULL` of `users.claims`, and with it the transaction.
 */
export function updateProfile(db: Database, userId: string, profile: ProfileUpdate): D1PreparedStatement {
  return db
    .prepare(
      `WITH ${MERGED}, sized AS (
         SELECT roles, scopes, claims,
           octet_length(json_object('roles', json(roles), 'scopes', json(scopes), 'claims', json(claims))) AS bytes
         FROM merged
       )
       UPDATE users SET roles = sized.roles, scopes = sized.scopes, claims = iif(sized.bytes <= ?6, sized.claims, NULL),
         ${RAISE}
       FROM sized
       WHERE users.id = ?1 AND users.deleted_at IS NULL
         AND (users.roles, users.scopes, json(users.claims)) IS NOT (sized.roles, sized.scopes, sized.claims)
       RETURNING id, token_version`,
    )
    .bind(...profileParameters(userId, profile), profile.maxBytes)
}

/** What a user will have; `?1` is his id. */
export const MERGED = `merged AS (
  SELECT coalesce(?2, roles) AS roles, iif(?3 IS NULL, scopes, (
    SELECT json_group_array(value) FROM (
      SELECT value FROM json_each(?3)
      UNION ALL SELECT value FROM json_each(scopes) WHERE ?5 AND ${IS_GATEWAY_SCOPE}))) AS scopes,
    json_patch(claims, ?4) AS claims
  FROM users WHERE id = ?1)`

export function profileParameters(userId: string, update: ProfileUpdate): Source['parameters'] {
  const { roles, scopes, claims, keepsOwnScopes } = update
  return [userId, textsOf(roles), textsOf(scopes), JSON.stringify(claims), keepsOwnScopes ? 1 : 0]
}

function textsOf(texts: readonly string[] | null): string | null {
  return texts === null ? null : JSON.stringify(texts)
}

/** Deletes up to `limit` sessions that have been over for `keep` seconds, the oldest first; a row for each. */
export function removeOldSessions(db: Database, keep: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM sessions WHERE id IN (
         SELECT id FROM sessions WHERE coalesce(ended_at, expires_at) <= unixepoch() - ?1
         ORDER BY coalesce(ended_at, expires_at) LIMIT ?2)
       RETURNING 1`,
    )
    .bind(keep, limit)
}

/** A row of `selectSession`. */
export function parseSession(row: unknown): SessionState | null {
  if (!isObject(row)) return null
  return {
    sessionId: readText(row['id']),
    userId: readText(row['user_id']),
    clientId: readText(row['client_id']),
    alive: row['alive'] === 1,
    generation: readInteger(row['generation']),
    previousGeneration: readNullable(row['previous_generation'], readInteger),
    leastVersion: readInteger(row['least_version']),
    successorPresented: row['successor_presented'] === 1,
    rotatedAt: readInteger(row['rotated_at']),
    readAt: readInteger(row['read_at']),
    authTime: readInteger(row['auth_time']),
    amr: readTexts(row['amr']),
    endsAt: readInteger(row['ends_at']),
    tokenVersion: readInteger(row['token_version']),
    publishedVersion: readInteger(row['published_version']),
    roles: readTexts(row['roles']),
    scopes: scopesOfSession(readNullable(row['asked_scopes'], readTexts), readTexts(row['scopes'])),
    claims: readObject(row['claims']),
  }
}

/** A row of `selectPrincipal`. */
export function parsePrincipal(row: unknown): PrincipalState | null {
  if (!isObject(row)) return null
  return {
    userId: readText(row['id']),
    tokenVersion: readInteger(row['token_version']),
    leastVersion: readInteger(row['least_version']),
    roles: readTexts(row['roles']),
    scopes: readTexts(row['scopes']),
    claims: readObject(row['claims']),
  }
}

/** A row of `selectDevices`. */
export function parseDevice(row: unknown): Device | null {
  if (!isObject(row)) return null
  return {
    sessionId: readText(row['id']),
    createdAt: readInteger(row['created_at']),
    lastSeenAt: readInteger(row['last_seen_at']),
    endsAt: readInteger(row['ends_at']),
    userAgent: readNullable(row['user_agent'], readText),
    address: readNullable(row['address'], readText),
  }
}

/** A row with `id` and `token_version`. */
export function parseRaised(row: unknown): RaisedVersion | null {
  return isObject(row) ? { userId: readText(row['id']), tokenVersion: readInteger(row['token_version']) } : null
}

/** The number of a `countAlive` or `countUnpublished` row. */
export function parseCount(row: unknown): number {
  return isObject(row) ? readInteger(row['count']) : 0
}
