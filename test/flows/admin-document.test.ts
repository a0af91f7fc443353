// The OpenAPI document: what it says is what the admin API takes and answers.
import { describe, expect, it } from 'vitest'

import { OPERATIONS } from '../../src/admin/operations.ts'
import { isObject } from '../../src/json.ts'
import { administer, memberAt } from '../support/admin.ts'
import { createWorld, UPSTREAM, user } from '../support/world.ts'

const world = () => createWorld({ routes: [{ path: '/*', upstream: UPSTREAM }] })

function fill(path: string): string {
  return path.replace(':id', user.id).replace(':session', 'ses_0000000000000000000000')
}

function bodyOf(document: unknown): unknown {
  return memberAt(document, 'requestBody', 'content', 'application/json', 'schema')
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isObject(value) ? Object.entries(value) : []
}

/** A value that no member of that schema may have. */
function wrongFor(schema: unknown): unknown {
  const type = memberAt(schema, 'type')
  return type === 'array' || type === 'boolean' || type === 'object' ? 'a text' : 42
}

interface Parameter {
  readonly in: string
  readonly name: string
}

function parametersOf(document: unknown, where: string): readonly string[] {
  const parameters = memberAt(document, 'parameters')
  const list: readonly Parameter[] = Array.isArray(parameters) ? parameters : []
  return list.filter((parameter) => parameter.in === where).map(({ name }) => name)
}

const bodies = OPERATIONS.filter(({ document }) => bodyOf(document) !== undefined)
const members = bodies.flatMap(({ method, path, document }) =>
  entriesOf(memberAt(bodyOf(document), 'properties')).map(([name, schema]) => ({ method, path, name, schema })),
)
const queries = OPERATIONS.flatMap(({ method, path, document }) =>
  parametersOf(document, 'query').map((name) => ({ method, path, name })),
)

describe('the document', () => {
  it('is OpenAPI 3.1, with every operation under its path and no other', async () => {
    const ask = await administer(await world())
    const { body } = await ask('GET', '/openapi.json')
    expect(body['openapi']).toBe('3.1.0')
    const served = entriesOf(body['paths']).flatMap(([path, item]) =>
      entriesOf(item).map(([method]) => `${method.toUpperCase()} ${path}`),
    )
    const known = OPERATIONS.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
    expect(served.toSorted()).toEqual(known.toSorted())
    expect(new Set(known).size).toBe(known.length)
  })

  it('gives every operation an id of its own, and its path’s parameters', () => {
    const ids = OPERATIONS.map(({ document }) => document['operationId'])
    expect(new Set(ids).size).toBe(ids.length)
    for (const { path, document } of OPERATIONS) {
      expect(parametersOf(document, 'path')).toEqual(path.match(/(?<=:)\w+/g) ?? [])
    }
  })

  it.each(OPERATIONS)(
    'tells of no member that $method $path does not know, nor of a parameter',
    async ({ method, path }) => {
      const ask = await administer(await world())
      const sends = method === 'POST' || method === 'PATCH'
      if (sends) expect((await ask(method, fill(path), { nothing_like_it: 1 })).body['code']).toBe('invalid_request')
      const answer = await ask(method, `${fill(path)}?nothing_like_it=1`, sends ? {} : undefined)
      expect(answer.body['code']).toBe('invalid_request')
    },
  )

  it.each(members)(
    'names $name of $method $path, which is read: another type is refused',
    async ({ method, path, name, schema }) => {
      const ask = await administer(await world())
      const { status, body } = await ask(method, fill(path), { [name]: wrongFor(schema) })
      expect([status, body['code']]).toEqual([400, 'invalid_request'])
      expect(body['detail']).toMatch(new RegExp(`^${name} must `))
    },
  )

  it.each(queries)('names the parameter $name of $method $path, which is read', async ({ method, path, name }) => {
    const ask = await administer(await world())
    const { body } = await ask(method, `${fill(path)}?${name}=%20`)
    const isFree = name === 'email_prefix'
    expect(body['detail']).toEqual(isFree ? undefined : expect.stringMatching(new RegExp(`^${name} must `)))
  })

  it.each(bodies)('names what $method $path cannot do without', async ({ method, path, document }) => {
    const ask = await administer(await world())
    const required = memberAt(bodyOf(document), 'required')
    const { status } = await ask(method, fill(path), {})
    expect(status === 400).toBe(Array.isArray(required) && required.length > 0)
  })
})
