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
const PLAIN = /^[\t -~]*$/
/** What the runtime gives in place of bytes that are no UTF-8. */
const REPLACEMENT = '\uFFFD'

/**
 * Folded names. The hop-by-hop ones are of RFC 9110 §7.6.1; `Proxy` is what CGI turns into `HTTP_PROXY`
 * (CVE-2016-5385). `Host` and `Content-Length` follow from the URL and the body that are forwarded. `Set-Cookie` says nothing
 * in a request (RFC 6265 §4.1), and its lines cannot be joined; `__proto__` is a name that no record can hold.
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
  'set-cookie',
  '--proto--',
])

const REMOVED_PREFIX = /^(?:proxy|x-forwarded|x-original|x-rewrite|cf|gatehouse)-/

/** Names, those of the client in lower case, and values, as `fetch` takes them. */
export type HeaderRecord = Record<string, string>

export interface PassedHeaders {
  readonly passed: HeaderRecord
  /** False where a value has bytes that a text cannot hold: see `inTheirBytes`. */
  readonly isFaithful: boolean
}

/**
 * A `client`'s headers without the hop-by-hop headers and those that `Connection` names (RFC 9110 §7.6.1), the
 * gateway's cookies and API keys, and whatever an upstream may take for the word of a gateway. Lines of one name are joined (RFC 9110 §5.3).
 * Does NOT judge credentials; credential.ts does, before.
 * @throws Denial `headers_too_large`, `invalid_request` for a control character
 */
export function passRequestHeaders(client: HeadHeaders, rules: HeaderRules): PassedHeaders {
  const named = connectionNames(client)
  const passed: HeaderRecord = {}
  let characters = 0
  let isFaithful = true
  client.forEach((value, name) => {
    characters += name.length + value.length
    if (!PLAIN.test(value)) {
      if (CONTROL_CHARACTER.test(value))
        throw new Denial('invalid_request', { reason: 'control character in a header' })
      isFaithful &&= !value.includes(REPLACEMENT)
    }
    if (!isRemoved(name, value, rules) && !named.has(name)) passed[name] = value
  })
  if (characters > MAX_CHARACTERS) throw new Denial('headers_too_large')
  if (passed['cookie'] !== undefined) cleanCookies(passed, passed['cookie'], rules.cookies)
  return { passed, isFaithful }
}

/** What was `passed`, as its bytes, its spelling and its separate lines came from the client, and what the upstream is `told`. */
export function inTheirBytes(client: Headers, passed: HeaderRecord, told: HeaderRecord): Headers {
  const headers = new Headers(client)
  for (const name of client.keys()) if (passed[name] !== client.get(name)) headers.delete(name)
  const changed = Object.entries(passed).filter(([name, value]) => value !== client.get(name))
  for (const [name, value] of [...changed, ...Object.entries(told)]) headers.set(name, value)
  return headers
}

const NO_NAMES: ReadonlySet<string> = new Set()

/** The lower-case names that `Connection` names, but for what nearly all clients name, which never goes on by itself. */
export function connectionNames(headers: Pick<Headers, 'get'>): ReadonlySet<string> {
  const value = headers.get('Connection')
  if (value === null || value === 'keep-alive' || value === 'close') return NO_NAMES
  return new Set(value.split(',').map((name) => name.trim().toLowerCase()))
}

function isRemoved(
  name: string,
  value: string,
  { keepAuthorization, takesApiKeys, identityHeaderNames }: HeaderRules,
): boolean {
  const folded = foldedName(name)
  if (REMOVED.has(folded) || REMOVED_PREFIX.test(folded) || identityHeaderNames.has(folded)) return true
  if (folded === 'authorization') return !keepAuthorization || value.includes(API_KEY_PREFIX)
  return folded === 'x-api-key' && (takesApiKeys || value.includes(API_KEY_PREFIX))
}

/** Of names that come in lower case, most need no folding. */
function foldedName(name: string): string {
  return name.includes('_') || name.includes('.') ? foldHeaderName(name) : name
}

/** A `Cookie` header that holds none of ours is left alone, so that its bytes stay as they came. */
function cleanCookies(passed: HeaderRecord, cookies: string, names: CookieNames): void {
  const others = withoutOurCookies(cookies, names)
  if (others === null) delete passed['cookie']
  else passed['cookie'] = others
}
