// Stopping a user: disabling and enabling him, and ending every session of his.

import type { AuditAction, AuditDetails } from '../audit/store.ts'
import { announceEnded } from '../auth/effective.ts'
import { countAlive, parseCount, parseRaised, raiseEpochOf } from '../sessions/store.ts'
import { ENDED } from './ended.ts'
import { answerUser } from './find-users.ts'
import type { Call } from './operation.ts'
import { operation } from './operation.ts'
import { disablePerson, enablePerson } from './store.ts'
import { USER, userIdOf } from './user.ts'
import { changePerson, commitChange, record } from './write.ts'

/** Every session ends, and none opens until he is enabled again. */
export const disableUser = operation({
  method: 'POST',
  path: '/users/:id/disable',
  summary: 'Disable a user',
  answers: { 200: ENDED },
  run: (call) => endEverySession(call, disablePerson, 'user.disable', {}),
})

export const enableUser = operation({
  method: 'POST',
  path: '/users/:id/enable',
  summary: 'Enable a user',
  answers: { 200: USER },
  run: async (call) => {
    const userId = userIdOf(call)
    const statements = [enablePerson(call.runtime.db, userId), record(call, 'user.enable', userId)]
    return answerUser(await changePerson(call, { userId, version: null, statements }))
  },
})

export const endSessions = operation({
  method: 'POST',
  path: '/users/:id/end-sessions',
  summary: 'End every session of a user',
  answers: { 200: ENDED },
  run: (call) => endEverySession(call, raiseEpochOf, 'session.end', { reason: 'admin', sessions: 'all' }),
})

/** `raise` raises epoch and version, which ends them all. */
async function endEverySession(
  call: Call,
  raise: typeof raiseEpochOf,
  action: AuditAction,
  details: AuditDetails,
): Promise<Response> {
  const { db, config } = call.runtime
  const userId = userIdOf(call)
  const [alive, raised = []] = await commitChange(call, {
    userId,
    version: null,
    statements: [
      countAlive(db, userId, config.sessions.idleTimeout),
      raise(db, userId),
      record(call, action, userId, details),
    ],
  })
  const ended = { ended: parseCount(alive?.[0]), raised: raised.map(parseRaised).filter((user) => user !== null) }
  return announceEnded(call, ended, [])
}
