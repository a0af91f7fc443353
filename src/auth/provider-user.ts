// Whose a provider's subject is: a user who is known by it, a new one, or the user who is signed in and links it.

import type { ProviderIdentity, UserRow } from '../accounts/store.ts'
import { insertIdentity, insertUserOfProvider, newUser, parseUser, selectUserByIdentity } from '../accounts/store.ts'
import { newUserId } from '../accounts/user-id.ts'
import { tell } from '../audit/tell.ts'
import type { Database, Part } from '../database.ts'
import { findBrokenColumn, runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import { linkIdentityOfSession, newIdentity, requireIdentity, requireLinkable } from '../identities/store.ts'
import type { Exchange } from '../runtime.ts'
import type { RaisedVersion, SessionState } from '../sessions/store.ts'
import { parseRaised, parseSession, raiseVersionOfAlive, replaceCredential, selectSession } from '../sessions/store.ts'
import type { Proof, ProviderSignIn } from './open.ts'
import { openFor } from './open.ts'
import { tellerFor } from './teller.ts'

/**
 * Opens a session of the user whom the provider's subject is; of a new user where it is nobody's. One read and one batch; where
 * somebody else made the user meanwhile, both once more.
 * @throws Denial `invalid_sign_in` where the user is disabled, `unavailable` where he changed meanwhile
 */
export async function openForIdentity(
  exchange: Exchange,
  provider: ProviderSignIn,
  amr: readonly string[],
): Promise<SessionState> {
  const identity = { provider: provider.id, subject: provider.subject }
  const user = await findUser(exchange, identity)
  if (user !== null) return openForKnown(exchange, user, provider, amr)
  const opened = await openForNew(exchange, identity, provider, amr)
  if (opened !== null) return opened
  const other = await findUser(exchange, identity)
  if (other === null) throw new Denial('unavailable', { reason: 'changed since it was looked at' })
  return openForKnown(exchange, other, provider, amr)
}

/** A session that has been given a way in, with its new credential, and what must be published. */
export interface Linked {
  readonly session: SessionState
  readonly raised: readonly RaisedVersion[]
}

/**
 * Makes the provider's subject a way in of the session's user too, who may have it already, or had it suspended. One batch, by
 * which the session has to be alive still; it gets a new credential. Does NOT publish.
 * @throws Denial `invalid_sign_in` where the identity is another user's, or the session has ended
 */
export async function linkIdentity(
  exchange: Exchange,
  { sessionId, userId }: SessionState,
  identity: ProviderIdentity,
): Promise<Linked> {
  const { db, config } = exchange.runtime
  const { idleTimeout } = config.sessions
  const linked = newIdentity(sessionId, idleTimeout, identity)
  const [, , raised = [], , selected] = await runOrRefuse(db, "another user's identity, or the session has ended", [
    requireLinkable(db, { sessionId, userId }, idleTimeout, identity),
    tell(db, tellerFor(exchange, null), 'identity.link', {}, linked),
    linkIdentityOfSession(db, sessionId, idleTimeout, identity),
    raiseVersionOfAlive(db, sessionId, idleTimeout),
    replaceCredential(db, sessionId, idleTimeout),
    selectSession(db, sessionId, idleTimeout),
  ])
  const session = parseSession(selected?.[0])
  if (session === null) throw new TypeError('the session is not there after all')
  return { session, raised: raised.map(parseRaised).filter((user) => user !== null) }
}

/** What D1 rolled back on our own terms is a refusal; anything else that fails is a fault. */
async function runOrRefuse(
  db: Database,
  reason: string,
  parts: readonly Part[],
): Promise<readonly (readonly unknown[])[]> {
  try {
    return await runBatch(db, parts)
  } catch (cause) {
    throw findBrokenColumn(cause) === 'users.token_version' ? new Denial('invalid_sign_in', { reason, cause }) : cause
  }
}

async function findUser({ runtime }: Exchange, identity: ProviderIdentity): Promise<UserRow | null> {
  const [rows] = await runBatch(runtime.db, [selectUserByIdentity(runtime.db, identity)])
  return parseUser(rows?.[0])
}

async function openForKnown(
  exchange: Exchange,
  { id: userId, sessionEpoch, passwordHash, disabledAt }: UserRow,
  provider: ProviderSignIn,
  amr: readonly string[],
): Promise<SessionState> {
  if (disabledAt !== null) throw new Denial('invalid_sign_in', { reason: 'disabled' })
  const proof = { userId, checked: { sessionEpoch, passwordHash }, amr, provider }
  const before = [requireIdentity(exchange.runtime.db, userId, { provider: provider.id, subject: provider.subject })]
  const session = await openOrRefuse(exchange, proof, before)
  if (session === null) throw new Denial('unavailable', { reason: 'changed since it was looked at' })
  return session
}

/** An identity that is suspended, or was removed since it was read, signs in no user. @throws Denial `invalid_sign_in` */
async function openOrRefuse(
  exchange: Exchange,
  proof: Proof,
  before: readonly D1PreparedStatement[],
): Promise<SessionState | null> {
  try {
    return await openFor(exchange, proof, 'cookie', { before, after: [] })
  } catch (cause) {
    if (findBrokenColumn(cause) !== 'users.token_version') throw cause
    throw new Denial('invalid_sign_in', { reason: 'identity suspended or removed', cause })
  }
}

/** `null` where the identity is somebody's by now: neither user nor session was made. */
async function openForNew(
  exchange: Exchange,
  identity: ProviderIdentity,
  provider: ProviderSignIn,
  amr: readonly string[],
): Promise<SessionState | null> {
  const { db } = exchange.runtime
  const userId = newUserId()
  const proof = { userId, checked: { sessionEpoch: 0, passwordHash: null }, amr, provider }
  const told = tell(db, tellerFor(exchange, null), 'user.create', { provider: identity.provider }, newUser(userId))
  const before = [insertUserOfProvider(db, userId, identity), insertIdentity(db, userId, identity), ...told]
  return openFor(exchange, proof, 'cookie', { before, after: [] })
}
