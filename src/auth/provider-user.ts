// Whose a provider's subject is: a user who is known by it, a new one, or the user who is signed in and links it.

import type { ProviderIdentity, UserRow } from '../accounts/store.ts'
import { insertIdentity, insertUserOfProvider, newUser, parseUser, selectUserByIdentity } from '../accounts/store.ts'
import { newUserId } from '../accounts/user-id.ts'
import { tell } from '../audit/tell.ts'
import { runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import { insertIdentityOfSession } from '../sessions/provider-store.ts'
import type { SessionState } from '../sessions/store.ts'
import { newIdentity } from '../sessions/told-store.ts'
import type { ProviderSignIn } from './open.ts'
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

/**
 * Makes the provider's subject a way in of the session's user too, who may have it already. One batch, by which the session has
 * to be alive still.
 * @throws Denial `invalid_sign_in` where it is somebody else's, or the session is over
 */
export async function linkIdentity(
  exchange: Exchange,
  { sessionId, userId }: SessionState,
  identity: ProviderIdentity,
): Promise<void> {
  const { db, config } = exchange.runtime
  const linked = newIdentity(sessionId, config.sessions.idleTimeout, identity)
  const [, rows] = await runBatch(db, [
    tell(db, tellerFor(exchange, null), 'identity.link', {}, linked),
    insertIdentityOfSession(db, sessionId, config.sessions.idleTimeout, identity),
    selectUserByIdentity(db, identity),
  ])
  const owner = parseUser(rows?.[0])
  if (owner?.id !== userId) throw new Denial('invalid_sign_in', { reason: "somebody else's identity, or over" })
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
  const session = await openFor(exchange, proof, 'cookie', { before: [], after: [] })
  if (session === null) throw new Denial('unavailable', { reason: 'changed since it was looked at' })
  return session
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
