// A user's ways in at providers: which there are, and removing one.

import { answerJson } from '../auth/answer.ts'
import { announceEnded } from '../auth/effective.ts'
import { commitRemoval, describeIdentity, findRemoval, listIdentities } from '../auth/identities.ts'
import type { JsonObject } from '../json.ts'
import type { Ended } from '../sessions/lifecycle.ts'
import { ENDED } from './ended.ts'
import { operation, param } from './operation.ts'
import { userIdOf } from './user.ts'
import type { Actor } from './write.ts'

const TIME = { type: 'integer', description: 'unix seconds' }

const IDENTITY: JsonObject = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    provider: { type: 'string' },
    linked_at: TIME,
    suspended_at: { type: ['integer', 'null'], description: 'unix seconds' },
  },
  required: ['id', 'provider', 'linked_at', 'suspended_at'],
  additionalProperties: false,
}

export const showIdentities = operation({
  method: 'GET',
  path: '/users/:id/identities',
  summary: 'List the ways in of a user at providers',
  answers: {
    200: {
      type: 'object',
      properties: { identities: { type: 'array', items: IDENTITY } },
      required: ['identities'],
      additionalProperties: false,
    },
  },
  run: async (call) => {
    const identities = await listIdentities(call.runtime.db, userIdOf(call))
    return answerJson({ identities: identities.map(describeIdentity) })
  },
})

/** The sessions that it began end. The last way in may be removed: a reset link gives another. */
export const removeIdentity = operation({
  method: 'DELETE',
  path: '/users/:id/identities/:identity',
  summary: 'Remove a way in of a user at a provider',
  answers: { 200: ENDED },
  run: async (call) => announceEnded(call, await removeIdentityOf(call, userIdOf(call), param(call, 'identity')), []),
})

/** Does NOT publish. @throws Denial `no_route` where the user has no such identity */
export async function removeIdentityOf(actor: Actor, userId: string, id: string): Promise<Ended> {
  const { runtime, administrator, requestId } = actor
  const removal = { ...(await findRemoval(runtime, userId, id)), isForced: true }
  const teller = { actor: administrator, requestId, webhooks: runtime.config.webhooks }
  const { ended } = await commitRemoval(runtime.db, removal, '', teller)
  return ended
}
