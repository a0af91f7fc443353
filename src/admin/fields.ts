// Members of requests: each is read into its type, and described for the document, in one place.

import { parseEmail } from '../accounts/email.ts'
import { passwordHashProblem } from '../accounts/passwords.ts'
import { isUserId } from '../accounts/user-id.ts'
import { decodeBase64url } from '../crypto.ts'
import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import { decodeUtf8, isObject } from '../json.ts'
import { isReservedId } from '../reserved-ids.ts'

export interface Field<T> {
  /** JSON Schema (2020-12). */
  readonly schema: JsonObject
  readonly isOptional: boolean
  /** `undefined` is an absent member. `name` is for the refusal. @throws Denial `invalid_request` */
  readonly read: (value: unknown, name: string) => T
}

export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> }

/** What was sent, a member at a time. */
export interface Members<T> {
  readonly get: <K extends keyof T & string>(name: K) => T[K]
}

/**
 * The members of an object, each one of `fields`; `path` stands before their names in a refusal.
 * Does NOT look at a member before it is got.
 * @throws Denial `invalid_request`
 */
export function readMembers<T extends object>(object: JsonObject, fields: Fields<T>, path = ''): Members<T> {
  const unknown = Object.keys(object).some((name) => !Object.hasOwn(fields, name))
  if (unknown) throw invalid(`${path}${describeNames(Object.keys(fields))}`)
  return {
    get: (name) => fields[name].read(Object.hasOwn(object, name) ? object[name] : undefined, `${path}${name}`),
  }
}

function describeNames(names: readonly string[]): string {
  return names.length === 0 ? 'there may be no members' : `only the members ${names.join(', ')} are known`
}

/** The JSON Schema of an object of these members and no others. */
export function describeMembers(fields: Fields<object>): JsonObject {
  const entries: readonly (readonly [string, Field<unknown>])[] = Object.entries(fields)
  const required = entries.filter(([, { isOptional }]) => !isOptional).map(([name]) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(entries.map(([name, { schema }]) => [name, schema])),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  }
}

/** A refusal that tells what is wrong, and never quotes it. */
export function invalid(detail: string): Denial {
  return new Denial('invalid_request', { reason: 'member', members: { detail } })
}

export function optional<T>(field: Field<T>): Field<T | undefined> {
  return {
    ...field,
    isOptional: true,
    read: (value, name) => (value === undefined ? undefined : field.read(value, name)),
  }
}

export function nullable<T>(field: Field<T>): Field<T | null> {
  return {
    ...field,
    schema: { anyOf: [field.schema, { type: 'null' }] },
    read: (value, name) => (value === null ? null : field.read(value, name)),
  }
}

/** A list of objects. */
export function listOf<T extends object>(fields: Fields<T>, max: number): Field<readonly Members<T>[]> {
  return {
    schema: { type: 'array', items: describeMembers(fields), minItems: 1, maxItems: max },
    isOptional: false,
    read: (value, name) => {
      if (!Array.isArray(value) || value.length === 0 || value.length > max || !value.every(isObject)) {
        throw invalid(`${name} must be a list of 1 to ${max} objects`)
      }
      return value.map((item, index) => readMembers(item, fields, `${name}[${index}].`))
    },
  }
}

/** What `parse` makes of a text; `null` is refused with `rule`, which follows the name. */
function textField<T>(schema: JsonObject, rule: string, parse: (text: string) => T | null): Field<T> {
  return {
    schema: { type: 'string', ...schema },
    isOptional: false,
    read: (value, name) => {
      const parsed = typeof value === 'string' ? parse(value) : null
      if (parsed === null) throw invalid(`${name} ${rule}`)
      return parsed
    },
  }
}

function testedText(schema: JsonObject, rule: string, test: (text: string) => boolean): Field<string> {
  return textField(schema, rule, (text) => (test(text) ? text : null))
}

const ID_SCHEMA = { pattern: '^[!-~]{1,255}$' }

/** An id to look for. */
export const ID = testedText(ID_SCHEMA, 'must be 1 to 255 ASCII characters without spaces', isUserId)

/** An id to give. */
export const FREE_ID = testedText(
  { pattern: '^(?!usr_|cli_|key_)[!-~]{1,255}$' },
  'must be 1 to 255 ASCII characters without spaces, and not begin with usr_, cli_ or key_',
  (text) => isUserId(text) && !isReservedId(text),
)

export const EMAIL = textField({ maxLength: 254 }, 'must be an e-mail address', parseEmail)

/** The beginning of an address, as addresses are found by it. */
export const EMAIL_PREFIX = textField({ minLength: 1, maxLength: 254 }, 'must be 1 to 254 characters', (text) =>
  text === '' || text.length > 254 ? null : text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
)

/** Does NOT judge it; `passwordProblem` does. */
export const PASSWORD = textField({ minLength: 8, maxLength: 256, writeOnly: true }, 'must be a text', (text) => text)

export const PASSWORD_HASH: Field<string> = {
  schema: { type: 'string', description: 'bcrypt ($2a$, $2b$, $2y$) or scrypt (PHC string)', writeOnly: true },
  isOptional: false,
  read: (value, name) => {
    if (typeof value !== 'string') throw invalid(`${name} must be a text`)
    const problem = passwordHashProblem(value)
    if (problem !== null) throw invalid(`${name} ${problem}`)
    return value
  },
}

/** Roles or scopes. What one may be, `profileProblem` knows. */
export const NAMES: Field<readonly string[]> = {
  schema: { type: 'array', items: { type: 'string', minLength: 1 }, uniqueItems: true },
  isOptional: false,
  read: (value, name) => {
    const names: readonly unknown[] = Array.isArray(value) ? value : ['', '']
    const texts = names.filter((text) => typeof text === 'string')
    if (texts.length < names.length || new Set(texts).size < texts.length) {
      throw invalid(`${name} must be a list of texts, none twice`)
    }
    return texts
  },
}

export const OBJECT: Field<JsonObject> = {
  schema: { type: 'object', additionalProperties: true },
  isOptional: false,
  read: (value, name) => {
    if (!isObject(value)) throw invalid(`${name} must be an object`)
    return value
  },
}

export const FLAG: Field<boolean> = {
  schema: { type: 'boolean' },
  isOptional: false,
  read: (value, name) => {
    if (typeof value !== 'boolean') throw invalid(`${name} must be true or false`)
    return value
  },
}

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 200

/** How many of a list, as a query has it. */
export const LIMIT: Field<number> = {
  schema: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT },
  isOptional: true,
  read: (value, name) => {
    if (value === undefined) return DEFAULT_LIMIT
    const limit = typeof value === 'string' && /^[1-9]\d{0,2}$/.test(value) ? Number(value) : 0
    if (limit < 1 || limit > MAX_LIMIT) throw invalid(`${name} must be 1 to ${MAX_LIMIT}`)
    return limit
  },
}

/** Where a page begins: the key of the last row of the page before. */
export const CURSOR = textField({ description: '`next` of the page before' }, 'must be `next` of a page', (text) => {
  const bytes = decodeBase64url(text)
  return bytes === null ? null : decodeUtf8(bytes)
})

/** What an audit event is called. */
export const ACTION = testedText({ pattern: '^[a-z._]{1,40}$' }, 'must be the name of an action', (text) =>
  /^[a-z._]{1,40}$/.test(text),
)

/** What people call a machine. */
export const NAME = testedText({ minLength: 1, maxLength: 100 }, 'must be a text of 1 to 100 characters', (text) =>
  /^[^\p{Cc}]{1,100}$/u.test(text),
)

/** A text as another issuer writes its own names. */
export const TEXT = testedText({ minLength: 1, maxLength: 255 }, 'must be a text of 1 to 255 characters', (text) =>
  /^\P{Cc}{1,255}$/u.test(text),
)

/** A whole number. */
export function integer(min: number, max: number): Field<number> {
  return {
    schema: { type: 'integer', minimum: min, maximum: max },
    isOptional: false,
    read: (value, name) => {
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
        throw invalid(`${name} must be a whole number from ${min} to ${max}`)
      }
      return value
    },
  }
}
