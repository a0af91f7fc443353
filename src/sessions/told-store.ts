// Whom a change is told of: SELECTs that find what another statement of the batch changes, on the same terms (audit/tell.ts).

import type { Source } from '../database.ts'
import type { ProviderLogout } from './provider-store.ts'
import { OF_PROVIDER } from './provider-store.ts'
import type { PasswordChange, Presentation, ProfileUpdate } from './store.ts'
import { ALIVE, MERGED, OWN, REUSED, SURPLUS, profileParameters } from './store.ts'

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
