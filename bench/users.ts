// The users of the bench, each with a session, and how storage comes to know them.

import { markerKey } from '../src/sessions/markers.ts'
import { newSessionId } from '../src/sessions/session-token.ts'

export interface User {
  readonly id: string
  readonly session: string
}

/** So few that reading their markers again, every few seconds, is no part of what is measured. */
export const USERS: readonly User[] = Array.from({ length: 4 }, (_, at) => ({ id: `u_${at}`, session: newSessionId() }))

/** The token version of every user, and so each one's marker. */
export const VERSION = 1_700_000_000_000

/** Writes everything that a gateway would have written when these users signed in. */
export async function seedUsers(storagePort: number): Promise<void> {
  const storage = `http://127.0.0.1:${storagePort}`
  for (const { id, session } of USERS) {
    await write(`${storage}/${encodeURIComponent(markerKey(id))}`, 'PUT', String(VERSION))
    await write(storage, 'POST', JSON.stringify([insertUser(id), insertSession(session, id)]))
  }
}

async function write(url: string, method: string, body: string): Promise<void> {
  const { ok, status } = await fetch(url, { method, body })
  if (!ok) throw new Error(`storage answered ${status}`)
}

function insertUser(id: string) {
  return {
    sql: `INSERT INTO users (id, roles, scopes, token_version, published_version, created_at, changed_at)
          VALUES (?1, '["staff"]', '["orders:read","orders:write"]', ?2, ?2, unixepoch(), unixepoch())`,
    params: [id, VERSION],
  }
}

function insertSession(session: string, user: string) {
  return {
    sql: `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, expires_at, auth_time)
          VALUES (?1, ?2, 0, unixepoch(), unixepoch(), unixepoch(), unixepoch() + 86400, unixepoch())`,
    params: [session, user],
  }
}
