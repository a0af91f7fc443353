// Which of a client's headers an upstream gets to see: everything but what would speak for the gateway (DESIGN §5.8).

import type { CookieNames } from '../auth/cookies.ts'
import { withoutOurCookies } from '../auth/cookies.ts'
import type { Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { isPlainName, isProtectedName } from '../header-names.ts'
import { trimOws } from '../ows.ts'
import type { HeadHeaders } from '../request-head.ts'
import { holdsOwnSecret, holdsOwnToken } from './own-credential.ts'

export interface HeaderRules {
  /** True leaves `Authorization` for the upstream, but for credentials of the gateway's own. */
  readonly keepAuthorization: boolean
  /**
   * `forwardToken` leaves access tokens of the gateway's own there as well, never its session tokens and API keys;
   * `allowHeaders` are lower-case names with odd characters that may pass.
   */
  readonly route: Pick<Route, 'forwardToken' | 'allowHeaders'>
  /** ISSUER. */
  readonly issuer: string
  /** True where `X-API-Key` is the gateway's to read. */
  readonly takesApiKeys: boolean
  /** Folded names of the headers that routes fill from claims. */
  readonly identityHeaderNames: ReadonlySet<string>
  readonly cookies: CookieNames
}

/** RFC 9110 §5.5: no value has one, and servers differ in what they make of it. */
const CONTROL_CHARACTER = /[[\p{Cc}&&\p{ASCII}]--\t]/v
const PLAIN = /^[\t -~]*$/
/** What the runtime gives in place of bytes that are no UTF-8. */
const REPLACEMENT = '\uFFFD'

/** Names, those of the client in lower case, and values, as `fetch` takes them. */
export type HeaderRecord = Record<string, string>

export interface PassedHeaders {
  readonly passed: HeaderRecord
  /** False where a value has bytes that a text cannot hold: see `inTheirBytes`. */
  readonly isFaithful: boolean
}

/**
 * A `client`'s headers without the hop-by-hop headers and those that `Connection` names (RFC 9110 §7.6.1), without the
 * gateway's own credentials, without whatever an upstream may take for the word of a gateway, and without names that some
 * servers read as another name. Lines of one name are joined (RFC 9110 §5.3).
 * Does NOT judge credentials; credential.ts does, before.
 * Does NOT bound their size; request-head.ts does, before.
 * @throws Denial `invalid_request` for a control character
 */
export function passRequestHeaders(client: HeadHeaders, rules: HeaderRules): PassedHeaders {
  const named = connectionNames(client)
  const passed: HeaderRecord = {}
  let isFaithful = true
  client.forEach((value, name) => {
    if (!PLAIN.test(value)) {
      if (CONTROL_CHARACTER.test(value))
        throw new Denial('invalid_request', { reason: 'control character in a header' })
      isFaithful &&= !value.includes(REPLACEMENT)
    }
    if (!isRemoved(name, value, rules) && !named.has(name)) passed[name] = value
  })
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
  return new Set(value.split(',').map((name) => trimOws(name).toLowerCase()))
}

function isRemoved(name: string, value: string, rules: HeaderRules): boolean {
  if (!isPlainName(name)) return !rules.route.allowHeaders.has(name)
  if (isProtectedName(name) || rules.identityHeaderNames.has(name)) return true
  if (name === 'authorization') return !rules.keepAuthorization || isOwnCredential(value, rules)
  return name === 'x-api-key' && (rules.takesApiKeys || isOwnCredential(value, rules))
}

function isOwnCredential(value: string, { route, issuer }: HeaderRules): boolean {
  return holdsOwnSecret(value) || (!route.forwardToken && holdsOwnToken(value, issuer))
}

/** A `Cookie` header that holds none of ours is left alone, so that its bytes stay as they came. */
function cleanCookies(passed: HeaderRecord, cookies: string, names: CookieNames): void {
  const others = withoutOurCookies(cookies, names)
  if (others === null) delete passed['cookie']
  else passed['cookie'] = others
}
