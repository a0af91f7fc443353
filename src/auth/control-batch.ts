// Everything that one `Gatehouse-Session` header asks for, as one transaction (DESIGN §9.3).

import { insertNamedUser, missingUser, refuseAdministrator, selectUserById } from '../accounts/store.ts'
import type { Teller } from '../audit/tell.ts'
import { tell } from '../audit/tell.ts'
import type { Database } from '../database.ts'
import { findBrokenColumn, runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import { isReservedId } from '../reserved-ids.ts'
import type { Runtime } from '../runtime.ts'
import { boundPast } from '../sessions/lifecycle.ts'
import type { NewSession, RaisedVersion, SessionState } from '../sessions/store.ts'
import {
  awaitMarker,
  endOfOldEpoch,
  endSession,
  endSurplus,
  insertVouchedSession,
  parseRaised,
  parseSession,
  raiseEpochOf,
  raiseVersionForSurplus,
  raiseVersionOfSession,
  selectSession,
  updateProfile,
} from '../sessions/store.ts'
import { endingSession, openedSession, profileChange, sessionsOf, surplusSessions } from '../sessions/told-store.ts'
import { MAX_PROFILE_BYTES } from '../tokens/mint.ts'
import type { ControlMember, ProfileChange } from './control-header.ts'

/** The sessions that a list of members is about. */
export interface Scene {
  /** A session to come, in case that one opens. */
  readonly device: Omit<NewSession, 'userId' | 'checked' | 'amr'>
  /** True where the upstream may also name users who hold a scope of the gateway. */
  readonly administrators: boolean
  /** The one that it takes the place of. */
  readonly replaced: string | null
  /** The one that `end` ends. */
  readonly own: string | null
  /** The one that the browser's cookie names. */
  readonly browser: string | null
}

export interface Outcome {
  /** In the order of the members; a user may come more than once, the latest version last. */
  readonly raised: readonly RaisedVersion[]
  /** Alive, with what its user has once every member is done. */
  readonly opened: SessionState | null
  readonly browser: SessionState | null
}

/**
 * Does every member in its order, or none: one batch. A user whom `open` names and who is not there is made.
 * @throws Denial `invalid_session_control` where a profile grows beyond its limit, or the user to sign in would have an id
 * that is the gateway's to give, or a named user holds a scope of the gateway and that is not allowed; `invalid_sign_in` where
 * the user to sign in is disabled
 */
export async function commitControl(
  runtime: Runtime,
  members: readonly ControlMember[],
  scene: Scene,
  teller: Teller,
): Promise<Outcome> {
  const { db, config } = runtime
  const { idleTimeout } = config.sessions
  const steps = members.flatMap((member) => stepsOf({ runtime, scene, teller }, member))
  const results = await runOrRefuse(runtime, members, [
    ...steps.map(({ statement }) => statement),
    selectSession(db, scene.device.sessionId, idleTimeout),
    selectSession(db, scene.browser ?? '', idleTimeout),
  ])
  const raising = results.filter((_, index) => steps[index]?.raises === true)
  const [opened, browser] = results.slice(steps.length).map((rows) => parseSession(rows[0]))
  return {
    raised: raising.flatMap((rows) => rows.map(parseRaised)).filter((user) => user !== null),
    opened: opened?.alive === true ? opened : null,
    browser: browser ?? null,
  }
}

/** A statement, and whether its rows are raised versions. */
interface Step {
  readonly statement: D1PreparedStatement
  readonly raises: boolean
}

/** What every member is done by. */
interface Means {
  readonly runtime: Runtime
  readonly scene: Scene
  readonly teller: Teller
}

function stepsOf(means: Means, member: ControlMember): readonly Step[] {
  const { runtime, scene, teller } = means
  const { db, config } = runtime
  if (member.action === 'open') return openingSteps(means, member)
  if (member.action === 'end') return endingSteps(means, scene.own, 'sign_out', '')
  const { action, userId } = member
  if (action === 'change') return [...guardingSteps(means, userId), ...profileSteps(means, userId, member.profile)]
  const ended = sessionsOf(userId, config.sessions.idleTimeout)
  return [
    ...guardingSteps(means, userId),
    ...tell(db, teller, 'session.end', { reason: 'upstream' }, ended).map(write),
    raise(raiseEpochOf(db, userId)),
    write(endOfOldEpoch(db, userId, 'upstream')),
  ]
}

function openingSteps(means: Means, { userId, profile }: Extract<ControlMember, { action: 'open' }>): readonly Step[] {
  const { runtime, scene, teller } = means
  const { db, config } = runtime
  const { device, replaced } = scene
  const { idleTimeout, maxPerUser } = config.sessions
  const surplus = surplusSessions(userId, idleTimeout, maxPerUser)
  return [
    ...guardingSteps(means, userId),
    ...(isReservedId(userId) ? [] : makingSteps(means, userId)),
    ...profileSteps(means, userId, profile),
    write(insertVouchedSession(db, { ...device, userId, amr: [] })),
    write(awaitMarker(db, userId)),
    ...endingSteps(means, replaced, 'replaced', device.sessionId),
    ...tell(db, teller, 'session.end', { reason: 'limit' }, surplus).map(write),
    raise(raiseVersionForSurplus(db, userId, idleTimeout, maxPerUser)),
    write(endSurplus(db, userId, idleTimeout, maxPerUser)),
    ...tell(db, teller, 'sign_in', {}, openedSession(device.sessionId)).map(write),
    ...boundPast(db, { ...device, userId }, idleTimeout).map(write),
  ]
}

/** In the same transaction as what follows: a user who gains such a scope in the meantime is refused as well. */
function guardingSteps({ runtime: { db }, scene }: Means, userId: string): readonly Step[] {
  return scene.administrators ? [] : [write(refuseAdministrator(db, userId))]
}

function makingSteps({ runtime: { db }, teller }: Means, userId: string): readonly Step[] {
  const told = tell(db, teller, 'user.create', {}, missingUser(userId))
  return [...told, insertNamedUser(db, userId)].map(write)
}

function profileSteps({ runtime: { db }, teller }: Means, userId: string, change: ProfileChange): readonly Step[] {
  const profile = { ...change, maxBytes: MAX_PROFILE_BYTES, keepsOwnScopes: true }
  const told = tell(db, teller, 'user.change', {}, profileChange(userId, profile))
  return [...told.map(write), raise(updateProfile(db, userId, profile))]
}

function endingSteps(
  { runtime: { db }, teller }: Means,
  sessionId: string | null,
  reason: string,
  onlyIfOpened: string,
): readonly Step[] {
  if (sessionId === null) return []
  return [
    ...tell(db, teller, 'session.end', { reason }, endingSession(sessionId, onlyIfOpened)).map(write),
    raise(raiseVersionOfSession(db, sessionId, onlyIfOpened)),
    write(endSession(db, sessionId, reason, onlyIfOpened)),
  ]
}

function raise(statement: D1PreparedStatement): Step {
  return { statement, raises: true }
}

function write(statement: D1PreparedStatement): Step {
  return { statement, raises: false }
}

/** What D1 rolled back on our own terms is a refusal; anything else that fails is a fault. */
async function runOrRefuse(
  { db }: Runtime,
  members: readonly ControlMember[],
  statements: readonly D1PreparedStatement[],
): Promise<readonly (readonly unknown[])[]> {
  try {
    return await runBatch(db, statements)
  } catch (cause) {
    const column = findBrokenColumn(cause)
    if (column === 'users.claims') throw new Denial('invalid_session_control', { reason: 'profile', cause })
    if (column === 'users.session_epoch')
      throw new Denial('invalid_session_control', { reason: 'a user with a scope of the gateway', cause })
    if (column === 'sessions.user_id') throw await refuseUser(db, members)
    throw cause
  }
}

/** The user to sign in is disabled, or there is none of an id that no upstream may take. */
async function refuseUser(db: Database, members: readonly ControlMember[]): Promise<Denial> {
  const opening = members.find((member) => member.action === 'open')
  const [rows = []] = await runBatch(db, [selectUserById(db, opening?.userId ?? '')])
  return rows.length === 0
    ? new Denial('invalid_session_control', { reason: 'no such user' })
    : new Denial('invalid_sign_in', { reason: 'disabled' })
}
