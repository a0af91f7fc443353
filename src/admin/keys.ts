// API keys: made, listed, given another secret, ended.

import { answerJson } from '../auth/answer.ts'
import { announceEnded, publishEnded } from '../auth/effective.ts'
import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import { createKey, endKey, listKeys, rotateKey } from '../keys/lifecycle.ts'
import type { KeyEntry } from '../keys/store.ts'
import { ENDED } from './ended.ts'
import { CURSOR, integer, invalid, LIMIT, optional } from './fields.ts'
import { MACHINE, PROFILE, readMachine, ROTATION, TIME, TIME_OR_NULL, whole } from './machine.ts'
import { operation, param } from './operation.ts'
import { describePage, pageOf } from './page.ts'
import { record, recordIfChanged, recordInitialScopes, requireMachine } from './write.ts'

const KEY = whole({
  id: { type: 'string' },
  name: { type: 'string' },
  alive: { type: 'boolean' },
  previous_until: TIME_OR_NULL,
  expires_at: TIME_OR_NULL,
  last_used_at: TIME_OR_NULL,
  created_at: TIME,
  ...PROFILE,
})

export const listKeysOf = operation({
  method: 'GET',
  path: '/keys',
  summary: 'List API keys',
  query: { cursor: optional(CURSOR), limit: LIMIT },
  answers: { 200: describePage('keys', KEY) },
  run: async ({ runtime }, query) => {
    const limit = query.get('limit')
    const keys = await listKeys(runtime.db, query.get('cursor') ?? '', limit + 1)
    return answerJson(pageOf('keys', keys, limit, { keyOf: ({ id }) => id, describe: describeKey }))
  },
})

function describeKey({ previousUntil, expiresAt, lastUsedAt, createdAt, ...others }: KeyEntry): JsonObject {
  return {
    ...others,
    previous_until: previousUntil,
    expires_at: expiresAt,
    last_used_at: lastUsedAt,
    created_at: createdAt,
  }
}

/** The key is shown once. */
export const createKeyOf = operation({
  method: 'POST',
  path: '/keys',
  summary: 'Create an API key',
  body: { ...MACHINE, expires_at: optional(integer(0, 100_000_000_000)) },
  answers: { 201: whole({ id: { type: 'string' }, key: { type: 'string' } }) },
  run: async (call, _, body) => {
    const { runtime } = call
    const [machine, expiresAt] = [readMachine(body), body.get('expires_at') ?? null]
    if (expiresAt !== null && expiresAt <= runtime.now()) throw invalid('expires_at must be in the future')
    const { scopes, roles } = machine
    const others = (id: string) => [
      ...record(call, 'key.create', id, { scopes, roles }),
      ...recordInitialScopes(call, [{ id, scopes }]),
    ]
    const { id, text, raised } = await createKey(runtime.db, { ...machine, expiresAt }, others)
    await publishEnded(runtime, { raised: [raised] })
    return answerJson({ id, key: text }, [], 201)
  },
})

/** Refused with `conflict` while two secrets live, unless the overlap is 0. */
export const rotateKeyOf = operation({
  method: 'POST',
  path: '/keys/:id/rotate',
  summary: 'Rotate an API key',
  body: ROTATION,
  answers: { 200: whole({ key: { type: 'string' } }) },
  run: async (call, _, body) => {
    const id = param(call, 'id')
    const others = () => [recordIfChanged(call, 'key.rotate', id)]
    const rotated = await rotateKey(call.runtime.db, id, body.get('overlap'), others)
    if (rotated.outcome === 'over') throw new Denial('no_route')
    if (rotated.outcome === 'overlapping') throw new Denial('conflict', { members: { detail: 'two secrets live' } })
    await publishEnded(call.runtime, { raised: [rotated.raised] })
    return answerJson({ key: rotated.text })
  },
})

/** For good. */
export const endKeyOf = operation({
  method: 'DELETE',
  path: '/keys/:id',
  summary: 'End an API key',
  answers: { 200: ENDED },
  run: async (call) => {
    const id = param(call, 'id')
    await requireMachine(call, id, 'key_')
    const raised = await endKey(call.runtime.db, id, () => [recordIfChanged(call, 'key.delete', id)])
    return announceEnded(call, { ended: raised === null ? 0 : 1, raised: raised === null ? [] : [raised] }, [])
  },
})
