// Which credential a request carries: one, or none, never a choice between two.

import { type CookieNames, readCookies } from '../auth/cookies.ts'
import type { CredentialKind } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { API_KEY_PREFIX } from '../keys/format.ts'
import { trimOws } from '../ows.ts'
import type { RequestHead } from '../request-head.ts'

export type Credential =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'api-key'; readonly key: string }
  | { readonly kind: 'cookie'; readonly access: string | null; readonly session: string | null }

/**
 * The credential of a request, of the kinds that its route names; a bearer token or an API key wins and never falls back
 * to cookies. An API key is a bearer token that looks like one, or stands in `X-API-Key`. Does NOT verify anything, nor look at queries and bodies (RFC 6750 §2.2 and §2.3 are not supported).
 * @throws Denial `ambiguous_credential` where a kind came twice, or `X-API-Key` beside a bearer token
 */
export function readCredential(
  request: RequestHead,
  kinds: ReadonlySet<CredentialKind>,
  names: CookieNames,
): Credential {
  const takesKeys = kinds.has('api-key')
  const token = takesKeys || kinds.has('bearer') ? readBearer(request) : null
  const key = takesKeys ? findApiKey(request, token) : null
  if (key !== null) return { kind: 'api-key', key }
  if (token !== null && kinds.has('bearer')) return { kind: 'bearer', token }
  if (!kinds.has('cookie')) return { kind: 'none' }
  const { access, session } = readCookies(request.headers.get('Cookie'), names)
  if (access === null && session === null) return { kind: 'none' }
  return { kind: 'cookie', access, session }
}

/** True where the client asks for a WebSocket (RFC 6455 §4.1), alone or among other protocols. */
export function isWebSocketUpgrade(request: RequestHead): boolean {
  const upgrade = request.headers.get('Upgrade')
  return upgrade !== null && listItems(upgrade).some((protocol) => protocol.toLowerCase() === 'websocket')
}

/**
 * A `Sec-WebSocket-Protocol` header without the token that it may carry, for the upstream.
 * `answer` is the subprotocol to answer with where the token's was the only one offered (RFC 6455 §4.1), else `null`.
 */
export function withoutTokenProtocol(header: string | null): {
  readonly forwarded: string | null
  readonly answer: string | null
} {
  const offered = listItems(header)
  const others = offered.filter((protocol) => !protocol.startsWith(TOKEN_PROTOCOL))
  if (others.length === offered.length) return { forwarded: header, answer: null }
  if (others.length > 0) return { forwarded: others.join(', '), answer: null }
  return { forwarded: null, answer: offered[0] ?? null }
}

const TOKEN_PROTOCOL = 'gatehouse.bearer.'
/** RFC 9110 §11.1: the scheme's case does not matter. */
const BEARER = /^bearer(?:[ \t]+|$)/i
const BEARER_IN_LIST = /(?:^|,)[ \t]*bearer(?:[ \t,]|$)/i

function findApiKey(request: RequestHead, token: string | null): string | null {
  const header = request.headers.get('X-API-Key')
  if (header === null) return token?.startsWith(API_KEY_PREFIX) === true ? token : null
  if (token !== null) throw ambiguousCredential('X-API-Key beside a bearer token')
  if (header.includes(',')) throw ambiguousCredential('X-API-Key sent twice')
  return trimOws(header)
}

function readBearer(request: RequestHead): string | null {
  const tokens = [readAuthorization(request), readTokenProtocol(request)].filter((token) => token !== null)
  if (tokens.length > 1) throw ambiguousCredential('Authorization beside a token subprotocol')
  return tokens[0] ?? null
}

/** RFC 6750 §2.1. Two headers arrive joined by a comma, which no token holds. */
function readAuthorization(request: RequestHead): string | null {
  const header = request.headers.get('Authorization')
  if (header === null) return null
  const value = trimOws(header)
  if (value.includes(',') && BEARER_IN_LIST.test(value)) throw ambiguousCredential('Authorization sent twice')
  const [scheme] = BEARER.exec(value) ?? []
  return scheme === undefined ? null : value.slice(scheme.length)
}

function readTokenProtocol(request: RequestHead): string | null {
  if (!isWebSocketUpgrade(request)) return null
  const offered = listItems(request.headers.get('Sec-WebSocket-Protocol'))
  const tokens = offered.filter((protocol) => protocol.startsWith(TOKEN_PROTOCOL))
  if (tokens.length > 1) throw ambiguousCredential('token subprotocol sent twice')
  return tokens[0]?.slice(TOKEN_PROTOCOL.length) ?? null
}

function ambiguousCredential(reason: string): Denial {
  return new Denial('ambiguous_credential', { reason })
}

/** RFC 9110 §5.6.1: empty elements do not count. */
function listItems(header: string | null): readonly string[] {
  return (header ?? '')
    .split(',')
    .map(trimOws)
    .filter((item) => item !== '')
}
