// An administrator in flow tests, whose every answer is held against the OpenAPI document.
import { env } from 'cloudflare:workers'

import { OPERATIONS } from '../../src/admin/operations.ts'
import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { insertUser, user } from './world.ts'
import type { World } from './world.ts'

export const administrator = {
  ...user,
  id: 'usr_0000000000000000000099',
  email: 'root@example.com',
  roles: [],
  scopes: ['gatehouse:admin'],
}

export interface Answer {
  readonly status: number
  readonly body: JsonObject
  readonly headers: Headers
}

export type Ask = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>

/** Asks as an administrator who has just signed in. What is answered otherwise than the document says fails the test. */
export async function administer(world: World): Promise<Ask> {
  await insertUser(administrator)
  const { access } = await signInAsAdministrator(world)
  return (method, path, body, headers = {}) => askAs(world, access, { method, path, body, headers })
}

/** Tokens that ask for what the admin API wants. */
export const signInAsAdministrator = (world: World): ReturnType<World['signInForTokens']> =>
  world.signInForTokens(administrator.id, ['gatehouse:admin'])

interface Question {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

export async function askAs(
  world: World,
  token: string,
  { method, path, body, headers = {} }: Question,
): Promise<Answer> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
  const response = await world.bearer(token, `/auth/admin${path}`, { method, ...sent, ...mergeHeaders(sent, headers) })
  const answer: unknown = await response.json()
  if (!isObject(answer)) throw new Error('the answer is no object')
  const problems = response.ok ? schemaProblems(answer, schemaOf(method, path, response.status), 'answer') : []
  if (problems.length > 0) throw new Error(problems.join('; '))
  return { status: response.status, body: answer, headers: response.headers }
}

function mergeHeaders(sent: { readonly headers?: Record<string, string> }, headers: Record<string, string>) {
  return { headers: { ...sent.headers, ...headers } }
}

/** What the document says of an answer. */
function schemaOf(method: string, path: string, status: number): unknown {
  const segments = path.split('?')[0]?.split('/') ?? []
  const operation = OPERATIONS.find(
    (each) =>
      each.method === method &&
      each.path.split('/').length === segments.length &&
      each.path.split('/').every((part, at) => part.startsWith(':') || part === segments[at]),
  )
  return memberAt(operation?.document, 'responses', String(status), 'content', 'application/json', 'schema')
}

export function memberAt(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>((member, name) => (isObject(member) ? member[name] : undefined), value)
}

/** What of a value is otherwise than a JSON Schema says, of the few words that the document uses. */
function schemaProblems(value: unknown, schema: unknown, at: string): readonly string[] {
  if (!isObject(schema)) return [`${at} is not in the document`]
  const { type, properties, required, items } = schema
  const types = Array.isArray(type) ? type : [type]
  if (type !== undefined && !types.includes(typeOf(value))) return [`${at} is ${typeOf(value)}`]
  if (Array.isArray(value)) return value.flatMap((item, index) => schemaProblems(item, items, `${at}[${index}]`))
  if (!isObject(value) || schema['additionalProperties'] === true) return []
  const missing = Array.isArray(required) ? required.filter((name) => !Object.hasOwn(value, String(name))) : []
  return [
    ...missing.map((name) => `${at}.${name} is missing`),
    ...Object.entries(value).flatMap(([name, member]) =>
      schemaProblems(member, memberAt(properties, name), `${at}.${name}`),
    ),
  ]
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

export interface AuditRow {
  readonly actor: string
  readonly action: string
  readonly target: string | null
  readonly request_id: string
  readonly details: string
}

/** The audit trail, the oldest event first, without the sign-ins that tests begin with. */
export async function trail(): Promise<readonly AuditRow[]> {
  const sql = `SELECT actor, action, target, request_id, details FROM audit_events WHERE action <> 'sign_in' ORDER BY id`
  return (await env.DB.prepare(sql).all<AuditRow>()).results
}

/** Everything that a write could have changed. */
export async function everything(): Promise<unknown> {
  const tables = ['users', 'sessions', 'password_resets', 'clients', 'api_keys', 'revoked_subjects', 'audit_events']
  const results = await env.DB.batch(tables.map((table) => env.DB.prepare(`SELECT * FROM ${table} ORDER BY 1`)))
  return results.map((result) => result.results)
}
