// Changing a client or an API key: what its live tokens are worth follows within the marker's bound.

import { answerJson } from '../auth/answer.ts'
import { replaceClientKeys, renameClient } from '../clients/store.ts'
import { findBrokenColumn, runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import { renameKey, setKeyExpiry } from '../keys/store.ts'
import { publish } from '../sessions/publish.ts'
import { parseRaised, raiseVersionOfUser, updateProfile } from '../sessions/store.ts'
import { clientKeysProblem } from '../tokens/client-assertion.ts'
import { MAX_PROFILE_BYTES, profileProblem } from '../tokens/mint.ts'
import type { Members } from './fields.ts'
import { integer, invalid, NAME, NAMES, nullable, OBJECT, optional } from './fields.ts'
import { whole } from './machine.ts'
import type { Call } from './operation.ts'
import { operation, param } from './operation.ts'
import { record, recordScopeChange, requireMachine } from './write.ts'

const CHANGE = { name: optional(NAME), roles: optional(NAMES), scopes: optional(NAMES), claims: optional(OBJECT) }
const CHANGED = { 200: whole({ id: { type: 'string' }, version: { type: 'integer' } }) }

interface Changed {
  readonly name: string | undefined
  readonly roles: readonly string[] | undefined
  readonly scopes: readonly string[] | undefined
  readonly claims: JsonObject | undefined
}

/** `jwks` takes the place of all keys of a client that authenticates by keys. */
export const changeClientOf = operation({
  method: 'PATCH',
  path: '/clients/:id',
  summary: 'Change a client',
  body: { ...CHANGE, jwks: optional(OBJECT) },
  answers: CHANGED,
  run: async (call, _, body) => {
    const { db } = call.runtime
    const [id, jwks] = [param(call, 'id'), body.get('jwks')]
    const given = readChange(body)
    const problem = jwks === undefined ? null : await clientKeysProblem(jwks)
    if (problem !== null) throw invalid(problem)
    await requireMachine(call, id, 'cli_')
    const own = [
      ...(given.name === undefined ? [] : [renameClient(db, id, given.name)]),
      ...(jwks === undefined ? [] : [replaceClientKeys(db, id, JSON.stringify(jwks))]),
    ]
    const details = jwks === undefined ? {} : { jwks: 'changed' }
    return change(call, { id, action: 'client.change', given, own, details })
  },
})

/** `expires_at` of `null` takes the expiry away. */
export const changeKeyOf = operation({
  method: 'PATCH',
  path: '/keys/:id',
  summary: 'Change an API key',
  body: { ...CHANGE, expires_at: optional(nullable(integer(0, 100_000_000_000))) },
  answers: CHANGED,
  run: async (call, _, body) => {
    const { db, now } = call.runtime
    const [id, expiresAt] = [param(call, 'id'), body.get('expires_at')]
    const given = readChange(body)
    if (typeof expiresAt === 'number' && expiresAt <= now()) throw invalid('expires_at must be in the future')
    await requireMachine(call, id, 'key_')
    const own = [
      ...(given.name === undefined ? [] : [renameKey(db, id, given.name)]),
      ...(expiresAt === undefined ? [] : [setKeyExpiry(db, id, expiresAt)]),
    ]
    const details = expiresAt === undefined ? {} : { expires_at: expiresAt }
    return change(call, { id, action: 'key.change', given, own, details })
  },
})

/** @throws Denial `invalid_request` for what could not be minted */
function readChange(body: Members<Changed>): Changed {
  const [name, roles, scopes, claims] = [body.get('name'), body.get('roles'), body.get('scopes'), body.get('claims')]
  const problem = profileProblem({ roles: roles ?? [], scopes: scopes ?? [], claims: claims ?? {} })
  if (problem !== null) throw invalid(problem)
  return { name, roles, scopes, claims }
}

interface Change {
  readonly id: string
  readonly action: 'client.change' | 'key.change'
  readonly given: Changed
  /** Statements about what users do not have. */
  readonly own: readonly D1PreparedStatement[]
  readonly details: Readonly<Record<string, string | number | null>>
}

/** One batch, published before the answer. @throws Denial `invalid_request` for what could not be minted */
async function change(call: Call, { id, action, given, own, details }: Change): Promise<Response> {
  const { db } = call.runtime
  const { name, roles, scopes, claims } = given
  const next = { roles: roles ?? null, scopes: scopes ?? null, claims: claims ?? {} }
  const profile = { ...next, maxBytes: MAX_PROFILE_BYTES, keepsOwnScopes: false }
  const told = {
    ...details,
    ...(name !== undefined && { name }),
    ...(roles !== undefined && { roles }),
    ...(scopes !== undefined && { scopes }),
    ...(claims !== undefined && { claims: Object.keys(claims) }),
  }
  const results = await runOrRefuse(call, [
    scopes === undefined ? [] : recordScopeChange(call, id, scopes),
    own,
    [updateProfile(db, id, profile)],
    raiseVersionOfUser(db, id),
    record(call, action, id, told),
  ])
  const raised = parseRaised(results[0]?.[0])
  if (raised === null) throw new Denial('no_route')
  await publish(call.runtime, raised)
  return answerJson({ id, version: raised.tokenVersion })
}

/** What D1 rolled back on our own terms is a refusal; anything else that fails is a fault. */
async function runOrRefuse({ runtime }: Call, parts: Parameters<typeof runBatch>[1]): ReturnType<typeof runBatch> {
  try {
    return await runBatch(runtime.db, parts)
  } catch (cause) {
    throw findBrokenColumn(cause) === 'users.claims'
      ? invalid('roles, scopes and claims together exceed 1.5 KB')
      : cause
  }
}
