// How long things hold: TOKENS, SESSIONS, REVOCATION.

import type { Config } from './config.ts'
import { readDuration, readInteger, readOptionalTable, refuse, type Table } from './read.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Seconds after which no access token that any configuration allows is good any more: the bounds below, together. */
export const LONGEST_TOKEN_LIFE = HOUR + MINUTE

export function readTokens(root: Table): Config['tokens'] {
  const table = readOptionalTable(root, 'TOKENS', ['access_ttl', 'clock_skew'])
  return {
    accessTtl: readDuration(table, 'access_ttl', '1m', '1h') ?? 15 * MINUTE,
    clockSkew: readDuration(table, 'clock_skew', '0s', '60s') ?? 5,
  }
}

export function readSessions(root: Table, accessTtl: number): Config['sessions'] {
  const table = readOptionalTable(root, 'SESSIONS', SESSION_MEMBERS)
  const sessions = {
    idleTimeout: readDuration(table, 'idle_timeout', '2m', '3650d') ?? 14 * DAY,
    absoluteTimeout: readDuration(table, 'absolute_timeout', '2m', '3650d') ?? 90 * DAY,
    rotateAfter: readDuration(table, 'rotate_after', '10s', '365d') ?? HOUR,
    reuseGrace: readDuration(table, 'reuse_grace', '5s', '5m') ?? 30,
    maxPerUser: readInteger(table, 'max_per_user', 1, 1000) ?? 50,
  }
  refuseDisorder(table, sessions, accessTtl)
  return sessions
}

export function readRevocation(root: Table): Config['revocation'] {
  const table = readOptionalTable(root, 'REVOCATION', ['isolate_ttl', 'kv_ttl'])
  return {
    isolateTtl: readDuration(table, 'isolate_ttl', '0s', '5m') ?? 5,
    kvTtl: readDuration(table, 'kv_ttl', '30s', '1h') ?? 30,
  }
}

const SESSION_MEMBERS = ['idle_timeout', 'absolute_timeout', 'rotate_after', 'reuse_grace', 'max_per_user']

/** Each of these would end sessions that are in use, or call an honest repetition theft (DESIGN §6). */
function refuseDisorder(table: Table, sessions: Config['sessions'], accessTtl: number): void {
  const { idleTimeout, absoluteTimeout, rotateAfter, reuseGrace } = sessions
  if (idleTimeout < 2 * accessTtl) refuse(table, 'idle_timeout', 'must be at least twice TOKENS.access_ttl')
  if (absoluteTimeout < idleTimeout) refuse(table, 'absolute_timeout', 'must be at least idle_timeout')
  if (rotateAfter < 2 * reuseGrace) refuse(table, 'rotate_after', 'must be at least twice reuse_grace')
}
