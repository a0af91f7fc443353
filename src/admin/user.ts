// A user in answers of the admin API, and which user a path names.

import { isUserId } from '../accounts/user-id.ts'
import { decodeBase64url } from '../crypto.ts'
import { Denial } from '../denial.ts'
import { decodeUtf8 } from '../json.ts'
import type { JsonObject } from '../json.ts'
import type { Call } from './operation.ts'
import { param } from './operation.ts'
import type { Person } from './store.ts'

const TIME = { type: 'integer', description: 'unix seconds' }

/** JSON Schema of what `describeUser` gives. */
export const USER: JsonObject = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    email: { type: ['string', 'null'] },
    has_password: { type: 'boolean' },
    roles: { type: 'array', items: { type: 'string' } },
    scopes: { type: 'array', items: { type: 'string' } },
    claims: { type: 'object', additionalProperties: true },
    disabled_at: { type: ['integer', 'null'], description: 'unix seconds' },
    created_at: TIME,
    changed_at: TIME,
    version: { type: 'integer', description: 'the ETag, for If-Match' },
  },
  required: [
    'id',
    'email',
    'has_password',
    'roles',
    'scopes',
    'claims',
    'disabled_at',
    'created_at',
    'changed_at',
    'version',
  ],
  additionalProperties: false,
}

/** Never a password hash. */
export function describeUser(person: Person): JsonObject {
  return {
    id: person.id,
    email: person.email,
    has_password: person.hasPassword,
    roles: person.roles,
    scopes: person.scopes,
    claims: person.claims,
    disabled_at: person.disabledAt,
    created_at: person.createdAt,
    changed_at: person.changedAt,
    version: person.tokenVersion,
  }
}

/** Ids may hold what no path can (`/`, `?`, `..`): `~` begins one that is written in base64url. */
const ENCODED = '~'

/** The id that `:id` of the path names. @throws Denial `no_route` where it cannot be one */
export function userIdOf(call: Call): string {
  return parseUserSegment(param(call, 'id'))
}

/** The id that a segment of a path, decoded, names. @throws Denial `no_route` where it cannot be one */
export function parseUserSegment(segment: string): string {
  const bytes = segment.startsWith(ENCODED) ? decodeBase64url(segment.slice(1)) : null
  const id = segment.startsWith(ENCODED) ? decodeUtf8(bytes ?? new Uint8Array()) : segment
  if (id === null || !isUserId(id)) throw new Denial('no_route')
  return id
}

/** The path of a user, in a spelling that every server reads alike. */
export function userPath(id: string): string {
  const isPlain = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(id)
  return `/users/${isPlain ? id : `${ENCODED}${Buffer.from(id).toString('base64url')}`}`
}
