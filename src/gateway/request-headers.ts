// Which of a client's headers an upstream gets to see: everything but what would speak for the gateway (DESIGN §5.8).

import type { CookieNames } from '../auth/cookies.ts'
import { withoutOurCookies } from '../auth/cookies.ts'
import { foldHeaderName } from '../config/identity-headers.ts'
import { Denial } from '../denial.ts'

export interface HeaderRules {
  /** True leaves `Authorization` for the upstream. */
  readonly keepAuthorization: boolean
  /** Folded names of the headers that routes fill from claims. */
  readonly identityHeaderNames: ReadonlySet<string>
  readonly cookies: CookieNames
}

/** All names and values that a client may send together, in characters. */
const MAX_CHARACTERS = 32 * 1024

/** RFC 9110 §5.5: no value has one, and servers differ in what they make of it. */
const CONTROL_CHARACTER = /[[\p{Cc}&&\p{ASCII}]--\t]/v

/**
 * Folded names. The hop-by-hop ones are of RFC 9110 §7.6.1; `Proxy` is what CGI turns into `HTTP_PROXY`
 * (CVE-2016-5385). `Host` and `Content-Length` follow from the URL and the body that are forwarded.
 */
const REMOVED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy',
  'expect',
  'host',
  'content-length',
  'forwarded',
  'x-forwarded',
  'x-real-ip',
  'true-client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-request-id',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
])

const REMOVED_PREFIX = /^(?:proxy|x-forwarded|x-original|x-rewrite|cf|gatehouse)-/

/**
 * A copy of a client's headers without hop-by-hop headers and those that `Connection` names (RFC 9110 §7.6.1),
 * without the gateway's cookies and without whatever an upstream may take for the word of a gateway. The rest keeps
 * its bytes, its spelling and its separate lines.
 * Does NOT judge credentials; credential.ts does, before.
 * @throws Denial `headers_too_large`, `invalid_request` for a control character
 */
export function passRequestHeaders(client: Headers, rules: HeaderRules): Headers {
  const entries = [...client]
  enforceSize(entries)
  enforcePlainText(entries)
  const named = connectionNames(client)
  const headers = new Headers(client)
  for (const [name] of entries) {
    if (isRemoved(name, rules) || named.has(name)) headers.delete(name)
  }
  passCookies(headers, rules.cookies)
  return headers
}

/** The lower-case names that `Connection` names. */
export function connectionNames(headers: Headers): ReadonlySet<string> {
  const value = headers.get('Connection')
  if (value === null) return new Set()
  return new Set(value.split(',').map((name) => name.trim().toLowerCase()))
}

function enforceSize(entries: readonly (readonly [string, string])[]): void {
  const characters = entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (characters > MAX_CHARACTERS) throw new Denial('headers_too_large')
}

function enforcePlainText(entries: readonly (readonly [string, string])[]): void {
  if (!entries.some(([, value]) => CONTROL_CHARACTER.test(value))) return
  throw new Denial('invalid_request', { reason: 'control character in a header' })
}

function isRemoved(name: string, { keepAuthorization, identityHeaderNames }: HeaderRules): boolean {
  const folded = foldHeaderName(name)
  if (folded === 'authorization' && !keepAuthorization) return true
  return REMOVED.has(folded) || REMOVED_PREFIX.test(folded) || identityHeaderNames.has(folded)
}

/** A `Cookie` header that holds none of ours is left alone, so that its bytes stay as they came. */
function passCookies(headers: Headers, names: CookieNames): void {
  const header = headers.get('Cookie')
  if (header === null) return
  const others = withoutOurCookies(header, names)
  if (others === null) return headers.delete('Cookie')
  if (others !== header) headers.set('Cookie', others)
}
