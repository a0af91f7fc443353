// Deleting a user (GDPR art. 17): the sessions end and that is published, the data is erased, the audit trail keeps the id.

import { keepAdministrator } from '../accounts/administrators-store.ts'
import { eraseTraces } from '../accounts/deletion-store.ts'
import { announceEnded } from '../auth/effective.ts'
import type { Ended } from '../sessions/lifecycle.ts'
import { countAlive, endOfOldEpoch, parseCount, parseRaised } from '../sessions/store.ts'
import { ENDED } from './ended.ts'
import { operation } from './operation.ts'
import { deletePerson } from './store.ts'
import { userIdOf } from './user.ts'
import type { Actor } from './write.ts'
import { commitChange, record, recordScopeChange } from './write.ts'

export const deleteUser = operation({
  method: 'DELETE',
  path: '/users/:id',
  summary: 'Delete a user for good',
  answers: { 200: ENDED },
  run: async (call) => announceEnded(call, await deleteFor(call, userIdOf(call)), []),
})

/** Does NOT publish. @throws Denial `no_route`, `conflict` for the last administrator */
export async function deleteFor(actor: Actor, userId: string): Promise<Ended> {
  const { db, config } = actor.runtime
  const [alive, raised = []] = await commitChange(actor, {
    userId,
    version: null,
    statements: [
      [keepAdministrator(db, userId)],
      recordScopeChange(actor, userId, []),
      countAlive(db, userId, config.sessions.idleTimeout),
      deletePerson(db, userId),
      [endOfOldEpoch(db, userId, 'deleted')],
      eraseTraces(db, userId),
      record(actor, 'user.delete', userId),
    ],
  })
  return { ended: parseCount(alive?.[0]), raised: raised.map(parseRaised).filter((user) => user !== null) }
}
