// The `scope` that a sign-in asks for (RFC 6749 §3.3).

import { Denial } from '../denial.ts'
import { MAX_PROFILE_BYTES } from '../tokens/mint.ts'

const SCOPE = /^[!#-[\]-~]+(?: [!#-[\]-~]+)*$/

/** What is asked for, each scope once; `null`: nothing. An empty value is not read as everything. @throws Denial `invalid_request` */
export function parseScope(scope: string | undefined): readonly string[] | null {
  if (scope === undefined) return null
  if (scope.length <= MAX_PROFILE_BYTES && SCOPE.test(scope)) return [...new Set(scope.split(' '))]
  const detail = 'scope must be names of printable ASCII, one space between two, at most 1.5 KB'
  throw new Denial('invalid_request', { reason: 'scope', members: { detail } })
}
