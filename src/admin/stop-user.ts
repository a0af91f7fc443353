// Stopping a user: disabling and enabling, and ending every session; ways in that were added to the account are suspended.

import { keepAdministrator } from '../accounts/administrators-store.ts'
import type { AuditDetails } from '../audit/store.ts'
import { tell } from '../audit/tell.ts'
import { announceEnded } from '../auth/effective.ts'
import type { Suspended } from '../identities/store.ts'
import { addedWaysIn, parseAllSuspended, suspendWaysIn } from '../identities/store.ts'
import type { Ended } from '../sessions/lifecycle.ts'
import { countAlive, endOfOldEpoch, parseCount, parseRaised, raiseEpochOf } from '../sessions/store.ts'
import { STOPPED } from './ended.ts'
import { answerUser } from './find-users.ts'
import type { Call } from './operation.ts'
import { operation } from './operation.ts'
import type { Person } from './store.ts'
import { disablePerson, enablePerson } from './store.ts'
import { USER, userIdOf } from './user.ts'
import type { Actor } from './write.ts'
import { changePerson, commitChange, record } from './write.ts'

export const disableUser = operation({
  method: 'POST',
  path: '/users/:id/disable',
  summary: 'Disable a user',
  answers: { 200: STOPPED },
  run: async (call) => answerStopped(call, await disable(call, userIdOf(call))),
})

export const enableUser = operation({
  method: 'POST',
  path: '/users/:id/enable',
  summary: 'Enable a user',
  answers: { 200: USER },
  run: async (call) => answerUser(await enable(call, userIdOf(call))),
})

export const endSessions = operation({
  method: 'POST',
  path: '/users/:id/end-sessions',
  summary: 'End every session of a user',
  answers: { 200: STOPPED },
  run: async (call) => answerStopped(call, await endEverySession(call, userIdOf(call))),
})

/** Every session ends, and none opens until the user is enabled again. Does NOT publish. @throws Denial `no_route`, `conflict` */
export function disable(actor: Actor, userId: string): Promise<Stopped> {
  return stop(actor, userId, disablePerson, 'user.disable', {}, [keepAdministrator(actor.runtime.db, userId)])
}

/** Publishes too. @throws Denial `no_route` */
export function enable(actor: Actor, userId: string): Promise<Person> {
  const statements = [enablePerson(actor.runtime.db, userId), record(actor, 'user.enable', userId)]
  return changePerson(actor, { userId, version: null, statements })
}

/** He can sign in again. Does NOT publish. @throws Denial `no_route` */
export function endEverySession(actor: Actor, userId: string): Promise<Stopped> {
  return stop(actor, userId, raiseEpochOf, 'session.end', { reason: 'admin', sessions: 'all' })
}

/** What has ended, and the ways in that were suspended with it: they may be those of whoever had the account. */
export interface Stopped extends Ended {
  readonly suspended: readonly Suspended[]
}

/** `raise` raises epoch and version, which ends them all; `guards` come before it. */
async function stop(
  actor: Actor,
  userId: string,
  raise: typeof raiseEpochOf,
  action: 'user.disable' | 'session.end',
  details: AuditDetails,
  guards: readonly D1PreparedStatement[] = [],
): Promise<Stopped> {
  const { db, config } = actor.runtime
  const teller = { actor: actor.administrator, requestId: actor.requestId, webhooks: config.webhooks }
  const reason = action === 'user.disable' ? 'disabled' : 'admin'
  const [alive, raised = [], suspended = []] = await commitChange(actor, {
    userId,
    version: null,
    statements: [
      guards,
      countAlive(db, userId, config.sessions.idleTimeout),
      raise(db, userId),
      [endOfOldEpoch(db, userId, reason)],
      record(actor, action, userId, details),
      tell(db, teller, 'identity.suspend', { reason }, addedWaysIn(userId)),
      suspendWaysIn(db, userId),
    ],
  })
  const users = raised.map(parseRaised).filter((user) => user !== null)
  return { ended: parseCount(alive?.[0]), raised: users, suspended: parseAllSuspended(suspended) }
}

async function answerStopped(call: Call, stopped: Stopped): Promise<Response> {
  return announceEnded(call, stopped, [], async () => ({ suspended: stopped.suspended }))
}
