// A session's life: opened, looked at, ended. D1 decides each step; tokens and HTTP are not known here.

import type { Teller } from '../audit/tell.ts'
import { tell } from '../audit/tell.ts'
import type { Database } from '../database.ts'
import { findTakenColumn, runBatch } from '../database.ts'
import { endExpired, insertKnownAddress, trimEnded, trimKnownAddresses } from './past-store.ts'
import type { NotedLogout } from './provider-store.ts'
import {
  endOfProvider,
  insertLogoutToken,
  parseProviderSession,
  raiseVersionsOfProvider,
  selectProviderSession,
} from './provider-store.ts'
import type {
  Beginning,
  Device,
  NewSession,
  PasswordChange,
  PrincipalState,
  RaisedVersion,
  SessionState,
} from './store.ts'
import {
  awaitMarker,
  countAlive,
  endOfOldEpoch,
  endOthersOf,
  endOwn,
  keepSession,
  parseDevice,
  parsePrincipal,
  raiseVersionOfOthers,
  raiseVersionOfOwn,
  replacePassword,
  selectDevices,
  endSession,
  endSurplus,
  insertSession,
  parseCount,
  parseRaised,
  parseSession,
  raiseEpoch,
  raiseVersionForSurplus,
  raiseVersionOfSession,
  selectPrincipal,
  selectSession,
} from './store.ts'
import {
  endingSession,
  openedSession,
  otherSessions,
  ownSession,
  passwordChange,
  sessionsBeside,
  sessionsOfOldPassword,
  sessionsOfProvider,
  surplusSessions,
} from './told-store.ts'

export interface SessionLimits {
  readonly idleTimeout: number
  readonly absoluteTimeout: number
  readonly maxPerUser: number
}

export type Opened =
  | { readonly outcome: 'opened'; readonly session: SessionState; readonly raised: readonly RaisedVersion[] }
  | { readonly outcome: 'refused' }

/** Statements of other stores that belong to the transaction of an opening. */
export interface OtherStatements {
  readonly before: readonly D1PreparedStatement[]
  readonly after: readonly D1PreparedStatement[]
}

export interface Ended {
  readonly ended: number
  /** What must be published; empty where nothing was there to end. */
  readonly raised: readonly RaisedVersion[]
}

/** The other sessions have ended, and the one that asked has a new credential. */
export interface PasswordChanged extends Ended {
  readonly session: SessionState
}

/**
 * Opens a session, ends the one that it replaces in the same browser and the oldest beyond the limit: one batch.
 * Refused where epoch or credential changed since they were checked, or the user is disabled by now.
 */
export async function openSession(
  db: Database,
  limits: SessionLimits,
  session: NewSession,
  replaces: string | null,
  others: OtherStatements,
  teller: Teller,
): Promise<Opened> {
  const { sessionId, userId } = session
  const { idleTimeout, maxPerUser } = limits
  const [, , ofReplaced, , ofSurplus, , selected] = await runBatch(db, [
    others.before,
    insertSession(db, session),
    awaitMarker(db, userId),
    tell(db, teller, 'session.end', { reason: 'replaced' }, endingSession(replaces ?? '', sessionId)),
    raiseVersionOfSession(db, replaces ?? '', sessionId),
    endSession(db, replaces ?? '', 'replaced', sessionId),
    tell(db, teller, 'session.end', { reason: 'limit' }, surplusSessions(userId, idleTimeout, maxPerUser)),
    raiseVersionForSurplus(db, userId, idleTimeout, maxPerUser),
    endSurplus(db, userId, idleTimeout, maxPerUser),
    selectSession(db, sessionId, idleTimeout),
    tell(db, teller, 'sign_in', {}, openedSession(sessionId)),
    boundPast(db, session, idleTimeout),
    others.after,
  ])
  const opened = parseSession(selected?.[0])
  if (opened === null || !opened.alive) return { outcome: 'refused' }
  const raised = [ofReplaced?.[0], ofSurplus?.[0]].map(parseRaised).filter((user) => user !== null)
  return { outcome: 'opened', session: opened, raised: toPublish(opened, raised) }
}

/** What a sign-in tidies of its user's past, a bounded number of rows. */
export function boundPast(
  db: Database,
  { sessionId, userId }: Pick<NewSession, 'sessionId' | 'userId'>,
  idleTimeout: number,
): readonly D1PreparedStatement[] {
  return [
    insertKnownAddress(db, sessionId),
    trimKnownAddresses(db, userId),
    endExpired(db, userId, idleTimeout),
    trimEnded(db, userId),
  ]
}

/** The versions that were raised, each user once, and the user's own where his marker was never put. */
function toPublish(session: SessionState, raised: readonly RaisedVersion[]): readonly RaisedVersion[] {
  const own = { userId: session.userId, tokenVersion: session.tokenVersion }
  const others = raised.filter((user) => user.userId !== session.userId)
  const ownChanged = others.length < raised.length || session.publishedVersion === 0
  return ownChanged ? [own, ...others] : others
}

/** The session as D1 holds it now; `null` where it never was. One round trip. */
export async function findSession(db: Database, sessionId: string, idleTimeout: number): Promise<SessionState | null> {
  const [rows] = await runBatch(db, [selectSession(db, sessionId, idleTimeout)])
  return parseSession(rows?.[0])
}

/** A user who needs no session, as D1 holds him now; `null` where there is none or he is disabled. One round trip. */
export async function findPrincipal(db: Database, userId: string): Promise<PrincipalState | null> {
  const [rows] = await runBatch(db, [selectPrincipal(db, userId)])
  return parsePrincipal(rows?.[0])
}

/** What has ended, and which provider had begun it. */
export interface EndedOne extends Ended {
  readonly began: Beginning | null
}

/** Ends one session. Safe to repeat: what has ended stays ended, and nothing is raised twice. */
export async function endOne(db: Database, sessionId: string, reason: string, teller: Teller): Promise<EndedOne> {
  const [began, raised = [], ended = []] = await runBatch(db, [
    selectProviderSession(db, sessionId),
    tell(db, teller, 'session.end', { reason }, endingSession(sessionId, '')),
    raiseVersionOfSession(db, sessionId, ''),
    endSession(db, sessionId, reason, ''),
  ])
  return { ...summarise(raised, ended), began: parseProviderSession(began?.[0]) }
}

function summarise(raised: readonly unknown[], ended: readonly unknown[]): Ended {
  return { ended: ended.length, raised: raised.map(parseRaised).filter((user) => user !== null) }
}

/**
 * Ends the sessions that a provider began and says are over; `null` where it has said so before with the same token.
 * One batch: what is done was noted, and what was not noted is not done.
 */
export async function endByProvider(db: Database, logout: NotedLogout, teller: Teller): Promise<Ended | null> {
  try {
    const [, raised = [], ended = []] = await runBatch(db, [
      insertLogoutToken(db, logout),
      tell(db, teller, 'session.end', { reason: 'provider' }, sessionsOfProvider(logout)),
      raiseVersionsOfProvider(db, logout),
      endOfProvider(db, logout),
    ])
    return summarise(raised, ended)
  } catch (error) {
    if (findTakenColumn(error)?.startsWith('logout_tokens.') === true) return null
    throw error
  }
}

/** Ends every session of the user whose living session asks for it; `null` where that session is not alive. */
export async function endAll(
  db: Database,
  { sessionId, userId }: { readonly sessionId: string; readonly userId: string },
  idleTimeout: number,
  teller: Teller,
): Promise<Ended | null> {
  const [alive, raised] = await runBatch(db, [
    countAlive(db, userId, idleTimeout),
    tell(db, teller, 'session.end', { reason: 'everywhere' }, sessionsBeside(sessionId, idleTimeout)),
    raiseEpoch(db, sessionId, idleTimeout),
    endOfOldEpoch(db, userId, 'everywhere'),
  ])
  const user = parseRaised(raised?.[0])
  return user === null ? null : { ended: parseCount(alive?.[0]), raised: [user] }
}

/** The living sessions of a user. One round trip. */
export async function listDevices(db: Database, userId: string, idleTimeout: number): Promise<readonly Device[]> {
  const [rows = []] = await runBatch(db, [selectDevices(db, userId, idleTimeout)])
  return rows.map(parseDevice).filter((device) => device !== null)
}

/** Ends a session of the user's own; nothing where it is somebody else's, or over. Safe to repeat. */
export async function endDevice(
  db: Database,
  userId: string,
  sessionId: string,
  idleTimeout: number,
  teller: Teller,
): Promise<Ended> {
  const [raised = [], ended = []] = await runBatch(db, [
    tell(db, teller, 'session.end', { reason: 'by_owner' }, ownSession(userId, sessionId, idleTimeout)),
    raiseVersionOfOwn(db, userId, sessionId, idleTimeout),
    endOwn(db, userId, sessionId, idleTimeout),
  ])
  return summarise(raised, ended)
}

/** Ends every session of the user but the one that asks, if that one is alive: one batch. Safe to repeat. */
export async function endOtherDevices(
  db: Database,
  { sessionId, userId }: { readonly sessionId: string; readonly userId: string },
  idleTimeout: number,
  teller: Teller,
): Promise<Ended> {
  const [raised = [], ended = []] = await runBatch(db, [
    tell(db, teller, 'session.end', { reason: 'by_owner' }, otherSessions(userId, sessionId, idleTimeout)),
    raiseVersionOfOthers(db, userId, sessionId, idleTimeout),
    endOthersOf(db, userId, sessionId, idleTimeout),
  ])
  return { ended: ended.length, raised: raised.map(parseRaised).filter((user) => user !== null) }
}

/**
 * Changes the password, ends the user's other sessions and replaces the credential of the one that asks: one batch. `null` where the password or the session is not
 * what it was when they were checked. `after` belongs to the same transaction.
 */
export async function changePassword(
  db: Database,
  userId: string,
  change: PasswordChange,
  idleTimeout: number,
  after: readonly D1PreparedStatement[],
  teller: Teller,
): Promise<PasswordChanged | null> {
  const [alive, raised, selected] = await runBatch(db, [
    countAlive(db, userId, idleTimeout),
    tell(db, teller, 'session.end', { reason: 'password' }, sessionsOfOldPassword(change, idleTimeout)),
    tell(db, teller, 'password.change', {}, passwordChange(change, idleTimeout)),
    replacePassword(db, change, idleTimeout),
    [keepSession(db, change.sessionId, change.to), endOfOldEpoch(db, userId, 'password')],
    selectSession(db, change.sessionId, idleTimeout),
    after,
  ])
  const [user, session] = [parseRaised(raised?.[0]), parseSession(selected?.[0])]
  if (user === null || session?.alive !== true) return null
  return { ended: parseCount(alive?.[0]) - 1, raised: [user], session }
}
