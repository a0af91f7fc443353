// The admin API: whoever asks is an administrator before anything is told, be it only that something is not there.

import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import type { Operation } from './operation.ts'
import { OPERATIONS } from './operations.ts'

const ROOT = '/auth/admin'

/**
 * Answers a URL below `/auth/admin`. `findAdministrator` gives the id of who asks, or refuses.
 * @throws Denial what `findAdministrator` throws, `no_route`, `method_not_allowed`, and what the operation throws
 */
export async function answerAdmin(
  exchange: Exchange,
  path: string,
  findAdministrator: (exchange: Exchange) => Promise<string>,
): Promise<Response> {
  const administrator = await findAdministrator(exchange)
  const { operation, params } = findOperation(exchange.request.method, path.slice(ROOT.length).split('/'))
  return operation.answer({ ...exchange, administrator, params })
}

interface Match {
  readonly operation: Operation
  readonly params: Readonly<Record<string, string>>
}

function findOperation(method: string, segments: readonly string[]): Match {
  const matches = OPERATIONS.flatMap((operation) => {
    const params = bindSegments(operation.path.split('/'), segments)
    return params === null ? [] : [{ operation, params }]
  })
  if (matches.length === 0) throw new Denial('no_route')
  const wanted = method === 'HEAD' ? 'GET' : method
  const match = matches.find(({ operation }) => operation.method === wanted)
  if (match !== undefined) return match
  const methods = matches.map(({ operation }) => operation.method)
  const allowed = methods.includes('GET') ? [...methods, 'HEAD'] : methods
  throw new Denial('method_not_allowed', { headers: { Allow: allowed.join(', ') } })
}

function bindSegments(pattern: readonly string[], segments: readonly string[]): Match['params'] | null {
  if (pattern.length !== segments.length) return null
  const isMatch = pattern.every((part, at) => part.startsWith(':') || part === segments[at])
  if (!isMatch) return null
  const bound = pattern.map((part, at) => [part.slice(1), decodeURIComponent(segments[at] ?? '')] as const)
  return Object.fromEntries(bound.filter((_, at) => pattern[at]?.startsWith(':')))
}
