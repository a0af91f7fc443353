// The SQL of users' versions and of sessions: a function a statement, races decided in SQL on D1's clock.

import type { Database, Source } from '../database.ts'
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
  /** Kept to sign out by, as long as the session lives. */
  readonly idToken: string | null
  /** Unix seconds of the sign-in there. */
  readonly authTime: number
  /** Unix seconds of the provider's clock, at which it said so. */
  readonly issuedAt: number
}

/** What is known of it while the session lives. */
export type Beginning = Omit<ProviderSession, 'authTime' | 'issuedAt'>

/** `client_id` of the console's sessions; the site's own are `gatehouse`, and neither passes for the other. */
export const CONSOLE_CLIENT = 'gatehouse-console'

export interface NewSession {
  readonly sessionId: string
  readonly userId: string
  /** What was checked; the session opens only if both still hold. */
  readonly checked: { readonly sessionEpoch: number; readonly passwordHash: string | null }
  readonly amr: readonly string[]
  readonly clientId?: typeof CONSOLE_CLIENT
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
      `SELECT s.id, s.user_id, s.client_id, (${ALIVE}) AS alive, s.generation, s.successor_presented, s.rotated_at,
         unixepoch() AS read_at, s.auth_time, s.amr,
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

/** The provider has said since then that the session, or everything of the subject, is over: its word was on its way. */
const LOGGED_OUT = `EXISTS (SELECT 1 FROM logout_tokens l WHERE l.provider = ?10 AND l.issued_at >= ?14
  AND (l.provider_session = ?12 OR ((l.provider_session IS NULL OR ?12 IS NULL) AND l.subject = ?11)))`

/** Opens a session if the epoch and the credential, or the provider's word, that were checked still hold; else inserts nothing. */
export function insertSession(db: Database, session: NewSession): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, expires_at, auth_time,
         amr, user_agent, address, provider, provider_subject, provider_session, id_token_hint, client_id)
       SELECT ?1, u.id, u.session_epoch, unixepoch(), unixepoch(), unixepoch(), unixepoch() + ?5,
         min(coalesce(?9, unixepoch()), unixepoch()), ?6, ?7, ?8, ?10, ?11, ?12, ?13, ?15
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
      session.provider?.idToken ?? null,
      session.provider?.issuedAt ?? null,
      session.clientId ?? 'gatehouse',
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

/** With the session goes the ID token that was kept to sign out by. */
const END = `ended_at = unixepoch(), id_token_hint = NULL`

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

const SURPLUS = `SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?2 AND ${ALIVE}
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

/** What is neither current nor a predecessor in its window was stolen, or is what a thief left to its owner. */
const REUSED = `${LIVING} AND generation > ?3 AND NOT (${IN_GRACE})`

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

/** How a session that has not ended began, if a provider began it. */
export function selectProviderSession(db: Database, sessionId: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT provider, provider_subject, provider_session, id_token_hint FROM sessions
       WHERE id = ?1 AND ended_at IS NULL AND provider IS NOT NULL`,
    )
    .bind(sessionId)
}

/** Makes a provider's subject that is nobody's a way in of a session's user, if that session is alive. */
export function insertIdentityOfSession(
  db: Database,
  sessionId: string,
  idleTimeout: number,
  identity: { readonly provider: string; readonly subject: string },
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO identities (provider, subject, user_id, created_at)
       SELECT ?3, ?4, u.id, unixepoch() FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE}
       ON CONFLICT (provider, subject) DO NOTHING`,
    )
    .bind(idleTimeout, sessionId, identity.provider, identity.subject)
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
const OF_PROVIDER = `ended_at IS NULL AND id IN (
  SELECT id FROM sessions WHERE provider = ?1 AND provider_session = ?3 AND (?2 IS NULL OR provider_subject = ?2)
  UNION ALL
  SELECT id FROM sessions WHERE provider = ?1 AND provider_subject = ?2 AND (?3 IS NULL OR provider_session IS NULL))`

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
      `UPDATE sessions SET id_token_hint = NULL WHERE id IN (
         SELECT id FROM sessions WHERE id_token_hint IS NOT NULL AND last_seen_at <= unixepoch() - ?1
         ORDER BY last_seen_at LIMIT ?2)
       RETURNING 1`,
    )
    .bind(idleTimeout, limit)
}

/** Drops the ID tokens of a user's sessions that the raising of his epoch has ended. Comes after it. */
export function dropHintsOf(db: Database, sessionId: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET id_token_hint = NULL
       WHERE id_token_hint IS NOT NULL AND user_id = (SELECT user_id FROM sessions WHERE id = ?1)
         AND session_epoch < (SELECT session_epoch FROM users WHERE id = sessions.user_id)`,
    )
    .bind(sessionId)
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
         AND EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?3 AND s.user_id = ?2 AND ${ALIVE})
       RETURNING id, token_version`,
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
const OWN = `SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?3 AND s.user_id = ?2 AND ${ALIVE}`
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
      `UPDATE sessions SET ended_at = unixepoch(), end_reason = 'by_owner'
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

/** Takes the session that changed the password over into the new epoch; not one that had ended before. */
export function keepSession(db: Database, sessionId: string, passwordHash: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE sessions SET session_epoch = session_epoch + 1 WHERE id = ?1 AND ended_at IS NULL
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

/** Raises epoch and version of a user, which ends every session of his. */
export function raiseEpochOf(db: Database, userId: string): D1PreparedStatement {
  return db
    .prepare(`UPDATE users SET session_epoch = session_epoch + 1, ${RAISE} WHERE id = ?1 RETURNING id, token_version`)
    .bind(userId)
}

/** Roles, scopes and claims to come; `null` and absent claims stay as they are. */
export interface ProfileUpdate {
  readonly roles: readonly string[] | null
  readonly scopes: readonly string[] | null
  readonly claims: JsonObject
  /** Of all three together, as `profileProblem` counts them. */
  readonly maxBytes: number
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
       UPDATE users SET roles = sized.roles, scopes = sized.scopes, claims = iif(sized.bytes <= ?5, sized.claims, NULL),
         ${RAISE}
       FROM sized
       WHERE users.id = ?1
         AND (users.roles, users.scopes, json(users.claims)) IS NOT (sized.roles, sized.scopes, sized.claims)
       RETURNING id, token_version`,
    )
    .bind(...profileParameters(userId, profile), profile.maxBytes)
}

/** What a user will have; `?1` is his id. */
const MERGED = `merged AS (
  SELECT coalesce(?2, roles) AS roles, coalesce(?3, scopes) AS scopes, json_patch(claims, ?4) AS claims
  FROM users WHERE id = ?1)`

function profileParameters(userId: string, { roles, scopes, claims }: ProfileUpdate): Source['parameters'] {
  return [userId, textsOf(roles), textsOf(scopes), JSON.stringify(claims)]
}

function textsOf(texts: readonly string[] | null): string | null {
  return texts === null ? null : JSON.stringify(texts)
}

/** Seconds after a change in which an older put, of a request that died, may still come last. */
const UNSETTLED_SECONDS = 300

/**
 * Notes that a version reached KV, and tells the version that is current by now. A put that comes so late that nothing
 * older can be on its way any more settles the version.
 */
export function confirmPublished(db: Database, userId: string, version: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET published_version = max(coalesce(published_version, 0), ?2),
         settled_version = iif(changed_at + ${UNSETTLED_SECONDS} <= unixepoch(), ?2, settled_version)
       WHERE id = ?1 RETURNING id, token_version`,
    )
    .bind(userId, version)
}

/** Who has never signed in has no tokens: his `published_version` is `NULL`, and nothing waits. */
const UNPUBLISHED = `published_version < token_version`
const UNSETTLED = `published_version >= token_version AND (settled_version IS NULL OR settled_version < token_version)`

/** Of a backlog, those who are chosen from by chance: to rank all of a million would take longer than a tick has. */
const SIGHT = 10_000

/**
 * Users whose version was never confirmed in KV: the `share` that waits longest, then as many of those behind them by
 * chance, so that nobody whose put fails again and again is in the others' way.
 */
export function selectUnpublished(db: Database, share: number): D1PreparedStatement {
  const waiting = `SELECT id, token_version FROM users WHERE ${UNPUBLISHED} ORDER BY changed_at, id`
  return db
    .prepare(
      `SELECT * FROM (${waiting} LIMIT ?1)
       UNION ALL
       SELECT * FROM (SELECT * FROM (${waiting} LIMIT ${SIGHT} OFFSET ?1) ORDER BY random() LIMIT ?1)`,
    )
    .bind(share)
}

/**
 * Users whose version was confirmed and is not settled: a put that was on its way may have come last. Those of a minute ago
 * come first, because theirs is over by now and this tick is their first; of the others as many as there is room for.
 */
export function selectUnsettled(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT id, token_version FROM users WHERE ${UNSETTLED}
       ORDER BY changed_at > unixepoch() - 60, changed_at <= unixepoch() - 120, random() LIMIT ?1`,
    )
    .bind(limit)
}

/**
 * The digest of recent changes, as JSON: everybody who changed in the last `window` seconds. Where they are more than `cap`,
 * those of the oldest second are left out, and it begins after them.
 */
export function selectRecent(db: Database, window: number, cap: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT json_object('since', since, 'as_of', unixepoch(), 'versions',
         json((SELECT json_group_object(id, token_version) FROM users WHERE changed_at >= since))) AS digest
       FROM (SELECT coalesce((SELECT changed_at + 1 FROM users WHERE changed_at >= unixepoch() - ?1
         ORDER BY changed_at DESC LIMIT 1 OFFSET ?2), unixepoch() - ?1) AS since)`,
    )
    .bind(window, cap)
}

/** How many users `selectUnpublished` and `selectUnsettled` have to choose from. */
export function countUnpublished(db: Database): D1PreparedStatement {
  return db.prepare(
    `SELECT (SELECT count(*) FROM users WHERE ${UNPUBLISHED}) + (SELECT count(*) FROM users WHERE ${UNSETTLED}) AS count`,
  )
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

/** The session that a batch has opened, if it did. Comes after its insertion. */
export function openedSession(sessionId: string): Source {
  const details = `json_object('session', id, 'amr', json(amr), 'address', address, 'provider', provider)`
  return { sql: `SELECT user_id AS target, ${details} AS details FROM sessions WHERE id = ?1`, parameters: [sessionId] }
}

/** How sources tell of sessions that end: all of a user's in one event. */
const SESSIONS = `json_object('sessions', json_group_array(s.id)) AS details`

/** The session that `endSession` is about to end, unless an epoch has ended it before. */
export function endingSession(sessionId: string, onlyIfOpened: string): Source {
  return {
    sql: `SELECT s.user_id AS target, ${SESSIONS} FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.id = ?1 AND s.ended_at IS NULL AND s.session_epoch = u.session_epoch
        AND (?2 = '' OR EXISTS (SELECT 1 FROM sessions WHERE id = ?2))
      GROUP BY s.user_id`,
    parameters: [sessionId, onlyIfOpened],
  }
}

/** The sessions that `endSurplus` is about to end. */
export function surplusSessions(userId: string, idleTimeout: number, maxPerUser: number): Source {
  return {
    sql: `SELECT ?2 AS target, ${SESSIONS} FROM (${SURPLUS}) s HAVING count(*) > 0`,
    parameters: [idleTimeout, userId, maxPerUser],
  }
}

/** The session that `endReused` is about to end. Comes after `rotateSession`. */
export function reusedSession({ idleTimeout, sessionId, generation, grace }: Presentation): Source {
  return {
    sql: `SELECT user_id AS target, json_object('sessions', json_array(id)) AS details FROM sessions
      WHERE id = ?2 AND ${REUSED}`,
    parameters: [idleTimeout, sessionId, generation, 0, grace],
  }
}

/** The sessions that `raiseEpoch` is about to end. */
export function sessionsBeside(sessionId: string, idleTimeout: number): Source {
  return {
    sql: `SELECT s.user_id AS target, ${SESSIONS} FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE ${ALIVE} AND s.user_id = (
        SELECT s.user_id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE})
      GROUP BY s.user_id`,
    parameters: [idleTimeout, sessionId],
  }
}

/** The sessions that `raiseEpochOf` is about to end. */
export function sessionsOf(userId: string, idleTimeout: number): Source {
  return {
    sql: `SELECT s.user_id AS target, ${SESSIONS} FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.user_id = ?2 AND ${ALIVE} GROUP BY s.user_id`,
    parameters: [idleTimeout, userId],
  }
}

/** The session that `endOwn` is about to end. */
export function ownSession(userId: string, sessionId: string, idleTimeout: number): Source {
  return {
    sql: `SELECT s.user_id AS target, ${SESSIONS} FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.id = ?3 AND s.user_id = ?2 AND ${ALIVE} GROUP BY s.user_id`,
    parameters: [idleTimeout, userId, sessionId],
  }
}

/** The sessions that `endOthersOf` is about to end. */
export function otherSessions(userId: string, sessionId: string, idleTimeout: number): Source {
  return {
    sql: `SELECT s.user_id AS target, ${SESSIONS} FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.user_id = ?2 AND s.id <> ?3 AND ${ALIVE} AND EXISTS (${OWN}) GROUP BY s.user_id`,
    parameters: [idleTimeout, userId, sessionId],
  }
}

/** The sessions that `endOfProvider` is about to end, a row for each user. */
export function sessionsOfProvider(logout: ProviderLogout): Source {
  return {
    sql: `SELECT s.user_id AS target, ${SESSIONS} FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.id IN (SELECT id FROM sessions WHERE ${OF_PROVIDER}) AND s.session_epoch = u.session_epoch
      GROUP BY s.user_id`,
    parameters: [logout.provider, logout.subject, logout.session],
  }
}

/** The user to whom `insertIdentityOfSession` is about to give another way in. */
export function newIdentity(
  sessionId: string,
  idleTimeout: number,
  { provider, subject }: { readonly provider: string; readonly subject: string },
): Source {
  return {
    sql: `SELECT u.id AS target, json_object('provider', ?3) AS details
      FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE}
        AND NOT EXISTS (SELECT 1 FROM identities WHERE provider = ?3 AND subject = ?4)`,
    parameters: [idleTimeout, sessionId, provider, subject],
  }
}

/** The user whose password `replacePassword` is about to replace. */
export function passwordChange({ sessionId, from }: PasswordChange, idleTimeout: number): Source {
  return {
    sql: `SELECT u.id AS target, json_object('session', s.id) AS details FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.id = ?2 AND ${ALIVE} AND u.password_hash = ?3`,
    parameters: [idleTimeout, sessionId, from],
  }
}

/** The other sessions that `replacePassword` is about to end. */
export function sessionsOfOldPassword({ sessionId, from }: PasswordChange, idleTimeout: number): Source {
  return {
    sql: `SELECT s.user_id AS target, ${SESSIONS} FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE ${ALIVE} AND s.id <> ?2 AND u.password_hash = ?3 AND s.user_id = (
        SELECT s.user_id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ?2 AND ${ALIVE})
      GROUP BY s.user_id`,
    parameters: [idleTimeout, sessionId, from],
  }
}

/** The user whom `updateProfile` is about to change, with the names of what changes. */
export function profileChange(userId: string, profile: ProfileUpdate): Source {
  return {
    sql: `WITH ${MERGED}, differences AS (
        SELECT column1 AS name FROM users u, merged m, (VALUES ('roles'), ('scopes'), ('claims'))
        WHERE u.id = ?1 AND CASE column1
          WHEN 'roles' THEN u.roles IS NOT m.roles
          WHEN 'scopes' THEN u.scopes IS NOT m.scopes
          ELSE json(u.claims) IS NOT m.claims END)
      SELECT ?1 AS target, json_object('changed', json_group_array(name)) AS details FROM differences HAVING count(*) > 0`,
    parameters: profileParameters(userId, profile),
  }
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
    successorPresented: row['successor_presented'] === 1,
    rotatedAt: readInteger(row['rotated_at']),
    readAt: readInteger(row['read_at']),
    authTime: readInteger(row['auth_time']),
    amr: readTexts(row['amr']),
    endsAt: readInteger(row['ends_at']),
    tokenVersion: readInteger(row['token_version']),
    publishedVersion: readInteger(row['published_version']),
    roles: readTexts(row['roles']),
    scopes: readTexts(row['scopes']),
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

/** A row of `selectProviderSession`. */
export function parseProviderSession(row: unknown): Beginning | null {
  if (!isObject(row)) return null
  return {
    id: readText(row['provider']),
    subject: readText(row['provider_subject']),
    session: readNullable(row['provider_session'], readText),
    idToken: readNullable(row['id_token_hint'], readText),
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

/** The row of `selectRecent`. */
export function parseDigestText(row: unknown): string {
  return readText(isObject(row) ? row['digest'] : null)
}

/** The number of a `countAlive` or `countUnpublished` row. */
export function parseCount(row: unknown): number {
  return isObject(row) ? readInteger(row['count']) : 0
}
