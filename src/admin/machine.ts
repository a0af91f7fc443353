// What clients and API keys have in common in the admin API.

import type { JsonObject } from '../json.ts'
import type { Profile } from '../tokens/mint.ts'
import { profileProblem } from '../tokens/mint.ts'
import type { Members } from './fields.ts'
import { integer, invalid, NAME, NAMES, OBJECT, optional } from './fields.ts'

/** Seconds for which the secret before a rotation may live on: 30 days. */
const MAX_OVERLAP = 30 * 24 * 3600

/** Members that describe a machine to come. */
export const MACHINE = { name: NAME, roles: optional(NAMES), scopes: optional(NAMES), claims: optional(OBJECT) }

/** The member of a rotation. */
export const ROTATION = { overlap: integer(0, MAX_OVERLAP) }

export const TIME: JsonObject = { type: 'integer', description: 'unix seconds' }
export const TIME_OR_NULL: JsonObject = { type: ['integer', 'null'], description: 'unix seconds' }

/** JSON Schema of an object that has all of these members. */
export function whole(properties: JsonObject): JsonObject {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}

/** JSON Schemas of what every machine has. */
export const PROFILE: JsonObject = {
  roles: { type: 'array', items: { type: 'string' } },
  scopes: { type: 'array', items: { type: 'string' } },
  claims: { type: 'object', additionalProperties: true },
}

interface Described {
  readonly name: string
  readonly roles: readonly string[] | undefined
  readonly scopes: readonly string[] | undefined
  readonly claims: JsonObject | undefined
}

/** @throws Denial `invalid_request` for what could not be minted */
export function readMachine(members: Members<Described>): Profile & { readonly name: string } {
  const machine = {
    name: members.get('name'),
    roles: members.get('roles') ?? [],
    scopes: members.get('scopes') ?? [],
    claims: members.get('claims') ?? {},
  }
  const problem = profileProblem(machine)
  if (problem !== null) throw invalid(problem)
  return machine
}
