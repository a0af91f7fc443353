// Everything that one `Gatehouse-Session` header asks for, as one transaction (DESIGN §9.3).

import { insertNamedUser, selectUserById } from '../accounts/store.ts'
import { isReservedId } from '../accounts/user-id.ts'
import type { Database } from '../database.ts'
import { findBrokenColumn, runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { Runtime } from '../runtime.ts'
import type { NewSession, RaisedVersion, SessionState } from '../sessions/store.ts'
import {
  awaitMarker,
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
import { MAX_PROFILE_BYTES } from '../tokens/mint.ts'
import type { ControlMember, ProfileChange } from './control-header.ts'

/** The sessions that a list of members is about. */
export interface Scene {
  /** A session to come, in case that one opens. */
  readonly device: Omit<NewSession, 'userId' | 'checked' | 'amr'>
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
 * that is the gateway's to give; `invalid_sign_in` where he is disabled
 */
export async function commitControl(
  runtime: Runtime,
  members: readonly ControlMember[],
  scene: Scene,
): Promise<Outcome> {
  const { db, config } = runtime
  const { idleTimeout } = config.sessions
  const steps = members.flatMap((member) => stepsOf(runtime, member, scene))
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

function stepsOf(runtime: Runtime, member: ControlMember, scene: Scene): readonly Step[] {
  if (member.action === 'open') return openingSteps(runtime, member, scene)
  if (member.action === 'end') return endingSteps(runtime, scene.own, 'sign_out', '')
  const { action, userId } = member
  return action === 'end-all'
    ? [raise(raiseEpochOf(runtime.db, userId))]
    : [profileStep(runtime, userId, member.profile)]
}

function openingSteps(
  runtime: Runtime,
  { userId, profile }: Extract<ControlMember, { action: 'open' }>,
  { device, replaced }: Scene,
): readonly Step[] {
  const { db, config } = runtime
  const { idleTimeout, maxPerUser } = config.sessions
  return [
    ...(isReservedId(userId) ? [] : [write(insertNamedUser(db, userId))]),
    profileStep(runtime, userId, profile),
    write(insertVouchedSession(db, { ...device, userId, amr: [] })),
    write(awaitMarker(db, userId)),
    ...endingSteps(runtime, replaced, 'replaced', device.sessionId),
    raise(raiseVersionForSurplus(db, userId, idleTimeout, maxPerUser)),
    write(endSurplus(db, userId, idleTimeout, maxPerUser)),
  ]
}

function profileStep({ db }: Runtime, userId: string, profile: ProfileChange): Step {
  return raise(updateProfile(db, userId, { ...profile, maxBytes: MAX_PROFILE_BYTES }))
}

function endingSteps({ db }: Runtime, sessionId: string | null, reason: string, onlyIfOpened: string): readonly Step[] {
  if (sessionId === null) return []
  return [
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
