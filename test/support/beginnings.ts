// Where a schedule begins: three people who signed in a moment ago, and whose markers were never put.

import type { Runtime } from '../../src/runtime.ts'
import { formatSessionToken } from '../../src/sessions/session-token.ts'
import type { AccessClaims } from '../../src/tokens/mint.ts'
import type { Client } from './clients.ts'
import { createClient, keep, NAMES } from './clients.ts'
import type { FakeD1 } from './fake-d1.ts'
import { mintAtOnce } from './plain.ts'
import type { Reference } from './reference.ts'

/** Unix seconds. */
export const START = 1_800_000_000
const START_MS = START * 1000
const HASH = 'hash of the very first password'
export const USERS = ['u0', 'u1']
const PEOPLE = [
  { name: 'ada in a browser', userId: 'u0', isBrowser: true, sessionId: 'ses_AAAAAAAAAAAAAAAAAAAAAA' },
  { name: 'ada by API', userId: 'u0', isBrowser: false, sessionId: 'ses_BBBBBBBBBBBBBBBBBBBBBB' },
  { name: 'bob in a browser', userId: 'u1', isBrowser: true, sessionId: 'ses_CCCCCCCCCCCCCCCCCCCCCC' },
]

/** Makes them, in D1 and in the reference. */
export type Beginning = (d1: FakeD1, reference: Reference) => readonly Client[]

/** Costs a signature for each of them, once for all schedules. */
export function prepareBeginning({ config, sessionKeys }: Runtime): Beginning {
  const { idleTimeout, absoluteTimeout } = config.sessions
  const { accessTtl } = config.tokens
  const people = PEOPLE.map((person) => ({
    person,
    token: formatSessionToken(sessionKeys, person.isBrowser ? 'c' : 'r', { ...person, generation: 1 }),
    claims: claimsOf(config, person),
  }))
  return (d1, reference) => {
    for (const id of USERS) {
      reference.users.set(id, { id, epoch: 0, version: START_MS, passwordHash: HASH, roles: [], isDisabled: false })
      d1.query(INSERT_USER, id, `${id}@example.com`, HASH, START_MS, START)
    }
    return people.map(({ person: { name, userId, isBrowser, sessionId }, token, claims }) => {
      reference.open({ sessionId, userId, checked: { sessionEpoch: 0, passwordHash: HASH } }, null)
      d1.query(INSERT_SESSION, sessionId, userId, START, START + absoluteTimeout)
      const client = createClient(name, userId, isBrowser)
      keep(client, NAMES.session, token, idleTimeout, START_MS)
      keep(client, NAMES.access, mintAtOnce(claims), accessTtl, START_MS)
      return client
    })
  }
}

const INSERT_USER = `INSERT INTO users (id, email, password_hash, token_version, published_version, created_at, changed_at)
  VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5)`
const INSERT_SESSION = `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at,
    auth_time, expires_at)
  VALUES (?1, ?2, 0, ?3, ?3, ?3, ?3, ?4)`

function claimsOf(
  { issuer, audience, tokens }: Runtime['config'],
  { userId, sessionId }: { readonly userId: string; readonly sessionId: string },
): AccessClaims {
  return {
    issuer,
    audience,
    subject: userId,
    clientId: 'gatehouse',
    issuedAt: START,
    expiresAt: START + tokens.accessTtl,
    authTime: START,
    amr: ['pwd'],
    scopes: [],
    roles: [],
    session: sessionId,
    version: START_MS,
    claims: {},
  }
}
