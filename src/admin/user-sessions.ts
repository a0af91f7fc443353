// A user's sessions: which are alive, and ending one of them.

import { answerJson } from '../auth/answer.ts'
import { announceEnded } from '../auth/effective.ts'
import { findBrokenColumn, runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { Identity } from '../identities/store.ts'
import { parseIdentity, selectIdentities } from '../identities/store.ts'
import type { JsonObject } from '../json.ts'
import type { Ended } from '../sessions/lifecycle.ts'
import type { Device } from '../sessions/store.ts'
import { endSession, parseDevice, parseRaised, raiseVersionOfSession, selectDevices } from '../sessions/store.ts'
import { ENDED } from './ended.ts'
import type { Call } from './operation.ts'
import { operation, param } from './operation.ts'
import type { Person } from './store.ts'
import { parsePerson, requireSession, selectPerson } from './store.ts'
import { userIdOf } from './user.ts'
import type { Actor } from './write.ts'
import { record } from './write.ts'

const TIME = { type: 'integer', description: 'unix seconds' }

const SESSION: JsonObject = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    created_at: TIME,
    last_seen_at: TIME,
    expires_at: TIME,
    user_agent: { type: ['string', 'null'] },
    address: { type: ['string', 'null'] },
  },
  required: ['id', 'created_at', 'last_seen_at', 'expires_at', 'user_agent', 'address'],
  additionalProperties: false,
}

/** Those that are alive; `max_per_user` bounds them. */
export const listSessions = operation({
  method: 'GET',
  path: '/users/:id/sessions',
  summary: 'List the sessions of a user',
  answers: {
    200: {
      type: 'object',
      properties: { sessions: { type: 'array', items: SESSION } },
      required: ['sessions'],
      additionalProperties: false,
    },
  },
  run: async (call) => {
    const { sessions } = await findWithSessions(call, userIdOf(call))
    return answerJson({ sessions: sessions.map(describeSession) })
  },
})

export interface UserInFull {
  readonly person: Person
  readonly sessions: readonly Device[]
  readonly identities: readonly Identity[]
}

/** A user with the sessions that are alive and the ways in at providers. One round trip. @throws Denial `no_route` */
export async function findWithSessions({ runtime }: Pick<Call, 'runtime'>, userId: string): Promise<UserInFull> {
  const { db, config } = runtime
  const [people, devices = [], ways = []] = await runBatch(db, [
    selectPerson(db, userId),
    selectDevices(db, userId, config.sessions.idleTimeout),
    selectIdentities(db, userId),
  ])
  const person = parsePerson(people?.[0])
  if (person === null) throw new Denial('no_route')
  const sessions = devices.map(parseDevice).filter((device) => device !== null)
  return { person, sessions, identities: ways.map(parseIdentity).filter((identity) => identity !== null) }
}

function describeSession(device: Device): JsonObject {
  return {
    id: device.sessionId,
    created_at: device.createdAt,
    last_seen_at: device.lastSeenAt,
    expires_at: device.endsAt,
    user_agent: device.userAgent,
    address: device.address,
  }
}

/** Safe to repeat: a session that is over already, or another user's, is not there, and nothing is written. */
export const endOneSession = operation({
  method: 'DELETE',
  path: '/users/:id/sessions/:session',
  summary: 'End a session of a user',
  answers: { 200: ENDED },
  run: async (call) => announceEnded(call, await endSessionOf(call, userIdOf(call), param(call, 'session')), []),
})

/** Ends a session if it is the user's and alive. Does NOT publish. @throws Denial `no_route` */
export async function endSessionOf(actor: Actor, userId: string, sessionId: string): Promise<Ended> {
  const { db, config } = actor.runtime
  try {
    const [, raised = []] = await runBatch(db, [
      requireSession(db, userId, sessionId, config.sessions.idleTimeout),
      raiseVersionOfSession(db, sessionId, ''),
      endSession(db, sessionId, 'admin', ''),
      record(actor, 'session.end', userId, { reason: 'admin', sessions: [sessionId] }),
    ])
    return { ended: 1, raised: raised.map(parseRaised).filter((user) => user !== null) }
  } catch (cause) {
    throw findBrokenColumn(cause) === 'users.token_version' ? new Denial('no_route') : cause
  }
}
