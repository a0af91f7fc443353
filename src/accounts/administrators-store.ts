// The SQL of administrators: which user is the last of them, and which scopes of the gateway a change gives and takes.

import type { Database, Source } from '../database.ts'
import { ADMIN_SCOPE, IS_GATEWAY_SCOPE, isGatewayScope } from '../gateway-scopes.ts'

/** Clients and API keys are users too, and count as no administrator: an operator cannot sign in as one. */
const IS_PERSON = `substr(id, 1, 4) NOT IN ('cli_', 'key_')`

/**
 * Breaks `NOT NULL` of `users.scopes`, and with it the transaction, where the user is the only enabled administrator. It
 * comes before the statement that disables, demotes or deletes the user: D1 runs one transaction after the other, so two
 * that remove the last two administrators leave one. The others are found by the index `users_administrators`.
 */
export function keepAdministrator(db: Database, userId: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE users SET scopes = NULL
       WHERE id = ?1 AND disabled_at IS NULL AND ${IS_PERSON}
         AND EXISTS (SELECT 1 FROM json_each(users.scopes) WHERE value = '${ADMIN_SCOPE}')
         AND NOT EXISTS (SELECT 1 FROM users
           WHERE id <> ?1 AND disabled_at IS NULL AND instr(scopes, '"${ADMIN_SCOPE}"') > 0 AND ${IS_PERSON})`,
    )
    .bind(userId)
}

/** The column that `keepAdministrator` breaks. */
export const LAST_ADMINISTRATOR = 'users.scopes'

/** The scopes of the gateway that a user, client or key is about to get. Comes before the change. */
export function grantedScopes(userId: string, next: readonly string[]): Source {
  return scopesBetween(userId, next, { of: '?2', without: 'u.scopes' })
}

/** The scopes of the gateway that a user, client or key is about to lose. Comes before the change; a deletion leaves none. */
export function revokedScopes(userId: string, next: readonly string[]): Source {
  return scopesBetween(userId, next, { of: 'u.scopes', without: '?2' })
}

function scopesBetween(
  userId: string,
  next: readonly string[],
  { of, without }: { readonly of: string; readonly without: string },
): Source {
  return {
    sql: `SELECT u.id AS target, json_object('scopes', json_group_array(DISTINCT value)) AS details
      FROM users u, json_each(${of}) WHERE u.id = ?1 AND ${IS_GATEWAY_SCOPE}
        AND value NOT IN (SELECT value FROM json_each(${without})) GROUP BY u.id`,
    parameters: [userId, JSON.stringify(next)],
  }
}

/** The scopes of the gateway that new users, clients or keys come with: a row for each that has some. */
export function initialScopes(created: readonly { readonly id: string; readonly scopes: readonly string[] }[]): Source {
  const privileged = created.map(({ id, scopes }) => ({ id, scopes: scopes.filter(isGatewayScope) }))
  return {
    sql: `SELECT value ->> 'id' AS target, json_object('scopes', value -> 'scopes') AS details FROM json_each(?1) ORDER BY key`,
    parameters: [JSON.stringify(privileged.filter(({ scopes }) => scopes.length > 0))],
  }
}
