// My ways to sign in at providers: listed, and removed.

import type { Teller } from '../audit/tell.ts'
import { tell } from '../audit/tell.ts'
import type { Database } from '../database.ts'
import { findBrokenColumn, runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import {
  begunSessions,
  deleteIdentity,
  endBegun,
  parseIdentity,
  raiseForRemoval,
  removableIdentity,
  requireRemovable,
  selectIdentities,
} from '../identities/store.ts'
import type { Identity, Removal } from '../identities/store.ts'
import type { JsonObject } from '../json.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { Ended } from '../sessions/lifecycle.ts'
import type { SessionState } from '../sessions/store.ts'
import { parseRaised, parseSession, replaceCredential, selectSession } from '../sessions/store.ts'
import { answerJson } from './answer.ts'
import { readBody } from './body.ts'
import type { Caller } from './caller.ts'
import { usesCookies } from './caller.ts'
import { announceEnded } from './effective.ts'
import { credentialsOf } from './issue.ts'
import { requireRecentProof } from './recent-proof.ts'
import type { Site } from './same-site.ts'
import { enforceTransport } from './same-site.ts'
import { requireLiving } from './session.ts'
import { enforceAddressLimit } from './sign-in.ts'
import { tellerFor } from './teller.ts'

/** `GET /auth/identities`. @throws Denial `credential_required`, `invalid_token`, `session_ended` */
export async function showIdentities(exchange: Exchange, caller: Caller | null): Promise<Response> {
  const { session, cookies } = await requireLiving(exchange, caller)
  const identities = await listIdentities(exchange.runtime.db, session.userId)
  return answerJson({ identities: identities.map(describeIdentity) }, cookies)
}

export async function listIdentities(db: Database, userId: string): Promise<readonly Identity[]> {
  const [rows = []] = await runBatch(db, [selectIdentities(db, userId)])
  return rows.map(parseIdentity).filter((identity) => identity !== null)
}

/** Never the subject: it may be an e-mail address. */
export function describeIdentity({ id, provider, linkedAt, suspendedAt }: Identity): JsonObject {
  return { id, provider, linked_at: linkedAt, suspended_at: suspendedAt }
}

/**
 * `DELETE /auth/identities/:id`. The sessions that it began end, but for the one that asks, which gets a new credential.
 * @throws Denial `cross_site_request`, `credential_required`, `session_ended`, `insufficient_user_authentication`,
 *   `no_route` where the user has no such identity, `conflict` for the last way in
 */
export async function removeIdentity(
  exchange: Exchange,
  site: Site,
  caller: Caller | null,
  id: string,
): Promise<Response> {
  await enforceAddressLimit(exchange)
  const { password } = await readBody(exchange.request, ['password'])
  const transport = usesCookies(caller) ? 'cookie' : 'token'
  enforceTransport(site, transport)
  const living = await requireLiving(exchange, caller)
  await requireRecentProof(exchange, living.session, password, living.cookies)
  const removed = await removeOwn(exchange, living.session, id)
  const { cookies, members } = await credentialsOf(exchange.runtime, removed.session, transport)
  return announceEnded(exchange, removed.ended, cookies, async () => members)
}

export interface Removed {
  readonly ended: Ended
  /** The session that asked, with its new credential. */
  readonly session: SessionState
}

/** Removes an identity of the session's user. Does NOT publish. @throws Denial `no_route`, `conflict`, `session_ended` */
export async function removeOwn(exchange: Exchange, { sessionId, userId }: SessionState, id: string): Promise<Removed> {
  const { db, config } = exchange.runtime
  const { idleTimeout } = config.sessions
  const removal = { ...(await findRemoval(exchange.runtime, userId, id)), isForced: false }
  const after = [replaceCredential(db, sessionId, idleTimeout), selectSession(db, sessionId, idleTimeout)]
  const { ended, rows } = await commitRemoval(db, removal, sessionId, tellerFor(exchange, null), after)
  const session = parseSession(rows.at(-1)?.[0])
  if (session?.alive !== true) throw new Denial('session_ended', { reason: 'ended since it was read' })
  return { ended, session }
}

/** @throws Denial `no_route` where the user has no identity of this id */
export async function findRemoval(
  { db, config }: Pick<Runtime, 'db' | 'config'>,
  userId: string,
  id: string,
): Promise<Omit<Removal, 'isForced'>> {
  const identity = (await listIdentities(db, userId)).find((each) => each.id === id)
  if (identity === undefined) throw new Denial('no_route', { reason: 'no such identity' })
  const { provider, subject } = identity
  return { userId, provider, subject, countsPassword: config.passwords.signIn }
}

/**
 * Deletes an identity and ends the sessions that it began, but for `kept`: one batch, with `after`, whose rows come back.
 * @throws Denial `conflict` where it is the last way in
 */
export async function commitRemoval(
  db: Database,
  removal: Removal,
  kept: string,
  teller: Teller,
  after: readonly D1PreparedStatement[] = [],
): Promise<{ readonly ended: Ended; readonly rows: readonly (readonly unknown[])[] }> {
  const begun = [removal.userId, removal.provider, removal.subject, kept] as const
  try {
    const [, , raised = [], ended = [], ...rows] = await runBatch(db, [
      requireRemovable(db, removal),
      tell(db, teller, 'identity.unlink', {}, removableIdentity(removal)),
      deleteIdentity(db, removal),
      tell(db, teller, 'session.end', { reason: 'identity' }, begunSessions(begun)),
      raiseForRemoval(db, removal),
      endBegun(db, begun),
      ...after,
    ])
    const users = raised.map(parseRaised).filter((user) => user !== null)
    return { ended: { ended: ended.length, raised: users }, rows }
  } catch (cause) {
    if (findBrokenColumn(cause) !== 'users.token_version') throw cause
    throw new Denial('conflict', { members: { detail: 'the last way to sign in' }, cause })
  }
}
