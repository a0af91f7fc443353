// Which of a client's headers an upstream gets to see: everything but what would speak for the gateway (DESIGN §5.8).

import type { CookieNames } from '../auth/cookies.ts'
import { withoutOurCookies } from '../auth/cookies.ts'
import { foldHeaderName } from '../config/identity-headers.ts'
import { Denial } from '../denial.ts'
import { API_KEY_PREFIX } from '../keys/format.ts'
import type { HeadHeaders } from '../request-head.ts'

export interface HeaderRules {
  /** True leaves `Authorization` for the upstream. */
  readonly keepAuthorization: boolean
  /** True where `X-API-Key` is the gateway's to read. */
  readonly takesApiKeys: boolean
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
 * Takes out of a copy of a `client`'s headers the hop-by-hop headers and those that `Connection` names (RFC 9110 §7.6.1), the
 * gateway's cookies and API keys, and whatever an upstream may take for the word of a gateway. The rest keeps its bytes, its spelling
 * and its separate lines.
 * Does NOT judge credentials; credential.ts does, before.
 * @throws Denial `headers_too_large`, `invalid_request` for a control character
 */
export function cleanRequestHeaders(copy: Headers, client: HeadHeaders, rules: HeaderRules): void {
  for (const name of findRemoved(client, rules)) copy.delete(name)
  cleanCookies(copy, client.get('Cookie'), rules.cookies)
}

const NO_NAMES: ReadonlySet<string> = new Set()

/** The lower-case names that `Connection` names. */
export function connectionNames(headers: Pick<Headers, 'get'>): ReadonlySet<string> {
  const value = headers.get('Connection')
  if (value === null) return NO_NAMES
  return new Set(value.split(',').map((name) => name.trim().toLowerCase()))
}

function findRemoved(headers: HeadHeaders, rules: HeaderRules): readonly string[] {
  const named = connectionNames(headers)
  const removed: string[] = []
  let characters = 0
  let isPlain = true
  headers.forEach((value, name) => {
    characters += name.length + value.length
    isPlain &&= !CONTROL_CHARACTER.test(value)
    if (isRemoved(name, value, rules) || named.has(name)) removed.push(name)
  })
  if (characters > MAX_CHARACTERS) throw new Denial('headers_too_large')
  if (!isPlain) throw new Denial('invalid_request', { reason: 'control character in a header' })
  return removed
}

function isRemoved(
  name: string,
  value: string,
  { keepAuthorization, takesApiKeys, identityHeaderNames }: HeaderRules,
): boolean {
  const folded = foldedName(name)
  if (folded === 'authorization') return !keepAuthorization || value.includes(API_KEY_PREFIX)
  if (folded === 'x-api-key') return takesApiKeys || value.includes(API_KEY_PREFIX)
  return REMOVED.has(folded) || REMOVED_PREFIX.test(folded) || identityHeaderNames.has(folded)
}

/** Of names that come in lower case, most need no folding. */
function foldedName(name: string): string {
  return name.includes('_') || name.includes('.') ? foldHeaderName(name) : name
}

/** A `Cookie` header that holds none of ours is left alone, so that its bytes stay as they came. */
function cleanCookies(copy: Headers, cookies: string | null, names: CookieNames): void {
  if (cookies === null) return
  const others = withoutOurCookies(cookies, names)
  if (others === null) return copy.delete('Cookie')
  if (others !== cookies) copy.set('Cookie', others)
}
