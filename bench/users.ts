// The users of the bench, each with a session, and how storage comes to know them.

import { markerKey } from '../src/sessions/markers.ts'
import { newSessionId } from '../src/sessions/session-token.ts'
import type { Query, Storage } from './storage.ts'

export interface User {
  readonly id: string
  readonly session: string
}

/** More than there are connections, so that no two requests that are under way at once are of one user. */
export const USERS: readonly User[] = Array.from({ length: 64 }, (_, at) => ({
  id: `u_${at}`,
  session: newSessionId(),
}))

/** The token version of every user, and so each one's marker. */
export const VERSION = 1_700_000_000_000

/** Writes everything that a gateway would have written when these users signed in. */
export async function seedUsers(storage: Storage): Promise<void> {
  await storage.run(USERS.flatMap(({ id, session }) => [insertUser(id), insertSession(session, id)]))
  for (const { id } of USERS) await storage.put(markerKey(id), String(VERSION))
}

function insertUser(id: string): Query {
  return {
    sql: `INSERT INTO users (id, roles, scopes, token_version, published_version, created_at, changed_at)
          VALUES (?1, '["staff"]', '["orders:read","orders:write"]', ?2, ?2, unixepoch(), unixepoch())`,
    params: [id, VERSION],
  }
}

function insertSession(session: string, user: string): Query {
  return {
    sql: `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, expires_at, auth_time)
          VALUES (?1, ?2, 0, unixepoch(), unixepoch(), unixepoch(), unixepoch() + 86400, unixepoch())`,
    params: [session, user],
  }
}
