// A route's `headers`: claims that go to the upstream under names of the operator's choice.

import type { Route } from './config.ts'
import { readTable, readText, refuse, type Table } from './read.ts'

/** Header names compare without case and with `_` and `.` read as `-`, because servers fold them so. */
export function foldHeaderName(name: string): string {
  return name.toLowerCase().replaceAll(/[_.]/g, '-')
}

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

/** True for a header name of RFC 9110 §5.6.2. */
export function isToken(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)
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
