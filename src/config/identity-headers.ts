// A route's `headers`: claims that go to the upstream under names of the operator's choice.

import { foldHeaderName, isProtectedName, isToken } from '../header-names.ts'
import type { Route } from './config.ts'
import { readTable, readText, readTexts, refuse, type Table } from './read.ts'

export function readIdentityHeaders(table: Table): Route['headers'] {
  const headers = readTable(table, 'headers', null)
  if (headers === null) return []
  const names = Object.keys(headers.members)
  return names.flatMap((name, index) => {
    const problem = findNameProblem(name, names.slice(0, index))
    if (problem !== null) refuse(headers, name, problem)
    const claim = readText(headers, name)
    return claim === null ? [] : [{ name, claim }]
  })
}

/**
 * A route's `allow_headers`, in lower case: names with other characters than letters, digits and `-`, which go upstream on
 * this route only. Does NOT compare them with the `headers` of other routes; parse.ts does.
 */
export function readAllowedHeaders(table: Table): Route['allowHeaders'] {
  const names = readTexts(table, 'allow_headers') ?? []
  for (const [index, name] of names.entries()) {
    const problem = findAllowedProblem(name, names.slice(0, index))
    if (problem !== null) refuse(table, 'allow_headers', `has ${JSON.stringify(name)}, which ${problem}`)
  }
  return new Set(names.map((name) => name.toLowerCase()))
}

function findAllowedProblem(name: string, earlier: readonly string[]): string | null {
  if (!isToken(name)) return 'is not a header name'
  const folded = foldHeaderName(name)
  if (isProtectedName(folded) || RESERVED.has(folded) || RESERVED_PREFIX.test(folded) || folded === 'x-api-key')
    return 'some servers read as a header that only the gateway may send, or that has a meaning of its own'
  return earlier.some((other) => foldHeaderName(other) === folded) ? 'some servers read as one written before' : null
}

function findNameProblem(name: string, earlier: readonly string[]): string | null {
  if (!isToken(name)) return 'must be a header name'
  const folded = foldHeaderName(name)
  if (RESERVED.has(folded) || RESERVED_PREFIX.test(folded)) return 'must not be a header that has a meaning of its own'
  return earlier.some((other) => foldHeaderName(other) === folded) ? 'is written twice' : null
}

const RESERVED = new Set([
  'host',
  'cookie',
  'set-cookie',
  'authorization',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'via',
  'date',
  'origin',
  'referer',
  'forwarded',
  'x-real-ip',
  'x-request-id',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  '--proto--',
])

const RESERVED_PREFIX = /^(?:content|proxy|x-forwarded|x-original|x-rewrite|cf|gatehouse|sec|access-control)-/
