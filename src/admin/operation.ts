// An operation of the admin API: what it is called, what it takes and what it does, in one value that the document is made of.

import { readJsonBody } from '../auth/body.ts'
import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import type { Exchange } from '../runtime.ts'
import type { Fields, Members } from './fields.ts'
import { describeMembers, invalid, readMembers } from './fields.ts'

/** A request of somebody who has been proved to be an administrator. */
export interface Call extends Exchange {
  /** The id of who asks: the actor of what is written. */
  readonly administrator: string
  /** What the path names, decoded. */
  readonly params: Readonly<Record<string, string>>
}

export interface Operation {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below `/auth/admin`, with `:name` for what it names. */
  readonly path: string
  /** An Operation Object (OpenAPI 3.1 §4.8.10). */
  readonly document: JsonObject
  readonly answer: (call: Call) => Promise<Response>
}

interface Definition<Q, B> extends Pick<Operation, 'method' | 'path'> {
  readonly summary: string
  readonly query?: Fields<Q>
  readonly body?: Fields<B>
  readonly limitBytes?: number
  /** A `If-Match` header counts. */
  readonly conditional?: boolean
  /** JSON Schemas of what it answers, by status. */
  readonly answers: Readonly<Record<number, JsonObject>>
  readonly run: (call: Call, query: Members<Q>, body: Members<B>) => Promise<Response>
}

/** An operation whose query and body are read by the fields that describe them. */
export function operation<Q extends object, B extends object>(definition: Definition<Q, B>): Operation {
  const { method, path, query, body, limitBytes, run } = definition
  return {
    method,
    path,
    document: describe(definition),
    answer: async (call) => run(call, readQuery(call.request.url, query), await readBodyOf(call, body, limitBytes)),
  }
}

/** @throws Denial `invalid_request` where a parameter is unknown or comes twice */
function readQuery<Q extends object>(url: string, fields: Fields<Q> | undefined): Members<Q> {
  const pairs = [...new URL(url).searchParams]
  const query = Object.fromEntries(pairs)
  if (Object.keys(query).length < pairs.length) throw invalid('a query parameter comes twice')
  return readGiven(query, fields)
}

async function readBodyOf<B extends object>(
  { request }: Call,
  fields: Fields<B> | undefined,
  limitBytes: number | undefined,
): Promise<Members<B>> {
  const sends = request.method === 'POST' || request.method === 'PATCH'
  return readGiven(sends ? await readJsonBody(request, limitBytes) : {}, fields)
}

/** Where nothing can be given, nothing can be got. */
function readGiven<T extends object>(given: JsonObject, fields: Fields<T> | undefined): Members<T> {
  if (fields !== undefined) return readMembers(given, fields)
  readMembers(given, {})
  return {
    get: () => {
      throw new TypeError('there are no members')
    },
  }
}

function describe<Q, B>({ path, summary, query, body, conditional, answers }: Definition<Q, B>): JsonObject {
  const parameters = [
    ...pathNames(path).map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...Object.entries(query === undefined ? {} : describeQuery(query)).map(([name, schema]) => ({
      name,
      in: 'query',
      schema,
    })),
    ...(conditional === true ? [{ name: 'If-Match', in: 'header', schema: { type: 'string' } }] : []),
  ]
  return {
    operationId: operationId(summary),
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: describeMembers(body) } } },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, schema]) => [
          status,
          { description: 'Done.', content: { 'application/json': { schema } } },
        ]),
      ),
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

function describeQuery(fields: Fields<object>): JsonObject {
  const { properties } = describeMembers(fields)
  return typeof properties === 'object' && properties !== null ? Object.fromEntries(Object.entries(properties)) : {}
}

/** `Find users` is `findUsers`. */
function operationId(summary: string): string {
  return summary
    .replace(/^\w/, (letter) => letter.toLowerCase())
    .replace(/ (\w)/g, (_, letter: string) => letter.toUpperCase())
}

/** The names that a path binds. */
function pathNames(path: string): readonly string[] {
  return path.split('/').flatMap((segment) => (segment.startsWith(':') ? [segment.slice(1)] : []))
}

/** A parameter of the path. */
export function param({ params }: Call, name: string): string {
  const value = params[name]
  if (value === undefined) throw new Denial('no_route', { reason: 'parameter' })
  return value
}
