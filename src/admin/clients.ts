// OAuth clients: made, listed, given another secret, ended.

import { answerJson } from '../auth/answer.ts'
import { announceEnded, publishEnded } from '../auth/effective.ts'
import { createClient, endClient, rotateSecret } from '../clients/lifecycle.ts'
import { runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import { ENDED } from './ended.ts'
import { CURSOR, invalid, LIMIT, OBJECT, optional } from './fields.ts'
import { MACHINE, PROFILE, readMachine, ROTATION, TIME, TIME_OR_NULL, whole } from './machine.ts'
import { operation, param } from './operation.ts'
import { describePage, pageOf } from './page.ts'
import type { ClientEntry } from './store.ts'
import { parseClientEntry, selectClients } from './store.ts'
import { record, recordIfChanged, recordInitialScopes, requireMachine } from './write.ts'

const CLIENT = whole({
  id: { type: 'string' },
  name: { type: 'string' },
  proof: { enum: ['secret', 'keys'] },
  previous_until: TIME_OR_NULL,
  created_at: TIME,
  ended_at: TIME_OR_NULL,
  ...PROFILE,
})

export const listClients = operation({
  method: 'GET',
  path: '/clients',
  summary: 'List clients',
  query: { cursor: optional(CURSOR), limit: LIMIT },
  answers: { 200: describePage('clients', CLIENT) },
  run: async ({ runtime }, query) => {
    const limit = query.get('limit')
    const [rows = []] = await runBatch(runtime.db, [selectClients(runtime.db, query.get('cursor') ?? '', limit + 1)])
    return answerJson(pageOf('clients', rows.map(parseClientEntry), limit, { keyOf, describe: describeClient }))
  },
})

function keyOf({ id }: ClientEntry): string {
  return id
}

function describeClient(client: ClientEntry): JsonObject {
  const { previousUntil, createdAt, disabledAt, ...others } = client
  return { ...others, previous_until: previousUntil, created_at: createdAt, ended_at: disabledAt }
}

/** With `jwks` it proves itself by keys of its own (RFC 7523), else by a secret that is shown once. */
export const createClientOf = operation({
  method: 'POST',
  path: '/clients',
  summary: 'Create a client',
  body: { ...MACHINE, jwks: optional(OBJECT) },
  answers: { 201: whole({ id: { type: 'string' }, secret: { type: ['string', 'null'] } }) },
  run: async (call, _, body) => {
    const [machine, jwks] = [readMachine(body), body.get('jwks')]
    const proof = jwks === undefined ? ({ by: 'secret' } as const) : ({ by: 'keys', jwks } as const)
    const { scopes, roles } = machine
    const others = (id: string) => [
      ...record(call, 'client.create', id, { scopes, roles }),
      ...recordInitialScopes(call, [{ id, scopes }]),
    ]
    const created = await createClient(call.runtime.db, { ...machine, proof }, others)
    if (created.outcome === 'refused') throw invalid(created.problem)
    await publishEnded(call.runtime, created)
    return answerJson({ id: created.id, secret: created.secret }, [], 201)
  },
})

export const rotateClientOf = operation({
  method: 'POST',
  path: '/clients/:id/rotate',
  summary: 'Rotate the secret of a client',
  body: ROTATION,
  answers: { 200: whole({ secret: { type: 'string' } }) },
  run: async (call, _, body) => {
    const id = param(call, 'id')
    const others = [recordIfChanged(call, 'client.rotate', id)]
    const secret = await rotateSecret(call.runtime.db, id, body.get('overlap'), others)
    if (secret === null) throw new Denial('no_route')
    return answerJson({ secret })
  },
})

/** For good, its tokens with it. */
export const endClientOf = operation({
  method: 'DELETE',
  path: '/clients/:id',
  summary: 'End a client',
  answers: { 200: ENDED },
  run: async (call) => {
    const id = param(call, 'id')
    await requireMachine(call, id, 'cli_')
    const raised = await endClient(call.runtime.db, id, [recordIfChanged(call, 'client.delete', id)])
    return announceEnded(call, { ended: raised.length, raised }, [])
  },
})
