// The gateway's cookies: their names, their Set-Cookie lines, and where they hide in a Cookie header (RFC 6265bis).

import { Denial } from '../denial.ts'
import { skipOws, skipOwsBack, trimOws } from '../ows.ts'

export interface CookieNames {
  readonly session: string
  readonly access: string
  /** What the names of sign-ins under way at a provider begin with; an id follows. */
  readonly signIn: string
  /** The password reset link that this browser has opened. */
  readonly reset: string
}

/** The names; `insecure` is an `http://localhost` ISSUER, where browsers take no `__Host-` cookie. */
export function cookieNames(insecure: boolean): CookieNames {
  return insecure ? INSECURE_NAMES : NAMES
}

const INSECURE_NAMES = namesBehind('')
const NAMES = namesBehind('__Host-')

function namesBehind(prefix: string): CookieNames {
  return {
    session: `${prefix}gatehouse_session`,
    access: `${prefix}gatehouse_access`,
    signIn: `${prefix}gatehouse_sign_in_`,
    reset: `${prefix}gatehouse_reset`,
  }
}

/** A `Set-Cookie` value for the session cookie; `maxAge` in seconds. @throws when a browser would drop it. */
export function sessionCookie(names: CookieNames, value: string, maxAge: number): string {
  return setCookie(names.session, value, maxAge)
}

/** A `Set-Cookie` value for the access cookie; `maxAge` in seconds. @throws when a browser would drop it. */
export function accessCookie(names: CookieNames, value: string, maxAge: number): string {
  return setCookie(names.access, value, maxAge)
}

/** A `Set-Cookie` value for a sign-in under way; an empty one deletes it. @throws when a browser would drop it. */
export function signInCookie(names: CookieNames, id: string, value: string, maxAge: number): string {
  return setCookie(names.signIn + id, value, maxAge)
}

/** A `Set-Cookie` value for an opened reset link; an empty one deletes it. @throws when a browser would drop it. */
export function resetCookie(names: CookieNames, value: string, maxAge: number): string {
  return setCookie(names.reset, value, maxAge)
}

/**
 * A `Set-Cookie` value that deletes an opened reset link, where the browser has one. A browser that signs in or out loses it,
 * because the next person who uses it must not find an opened link.
 */
export function staleResetCookie(header: string | null, names: CookieNames): readonly string[] {
  return header?.includes(names.reset) === true ? [resetCookie(names, '', 0)] : []
}

/** `Set-Cookie` values that delete session and access cookie, with the attributes that they were set with: without, browsers ignore them. */
export function clearingCookies(names: CookieNames): readonly string[] {
  return [names.session, names.access].map((name) => setCookie(name, '', 0))
}

/**
 * Session and access cookie in a `Cookie` header, each `null` where it is not there.
 * Two headers arrive joined by a comma, so a name that stands anywhere but at the start of a pair is refused, not missed.
 * Does NOT check what they hold.
 * @throws Denial `ambiguous_credential`
 */
export function readCookies(
  header: string | null,
  names: CookieNames,
): { readonly session: string | null; readonly access: string | null } {
  return { session: readCookie(header, names.session), access: readCookie(header, names.access) }
}

/** The cookie of a sign-in under way, as `readCookies` reads the others. @throws Denial `ambiguous_credential` */
export function readSignInCookie(header: string | null, names: CookieNames, id: string): string | null {
  return readCookie(header, names.signIn + id)
}

/** The cookie of an opened reset link, as `readCookies` reads the others. @throws Denial `ambiguous_credential` */
export function readResetCookie(header: string | null, names: CookieNames): string | null {
  return readCookie(header, names.reset)
}

/** Ids and values of all sign-ins under way, as far as they are told plainly. */
export function listSignInCookies(
  header: string | null,
  names: CookieNames,
): readonly { readonly id: string; readonly value: string }[] {
  if (header?.includes(names.signIn) !== true) return []
  const pairs = header.split(';').filter((pair) => pair.includes(names.signIn))
  return pairs.flatMap((pair) => {
    const [name = '', value = ''] = trimOws(pair).split('=')
    const id = name.startsWith(names.signIn) ? name.slice(names.signIn.length) : ''
    return SIGN_IN_ID.test(id) ? [{ id, value }] : []
  })
}

/** A `Cookie` header for the upstream: the others' pairs byte for byte, `null` where nothing is left. */
export function withoutOurCookies(header: string, names: CookieNames): string | null {
  if (!OURS.test(header)) return header === '' ? null : header
  const pairs = header.split(';')
  const others = pairs.filter((pair) => !OURS.test(pair) || !carriesOurs(pair, names))
  const rest = others.length === pairs.length ? header : trimOws(others.join(';'))
  return rest === '' ? null : rest
}

/** True for a `Set-Cookie` value by which an upstream would set, or hide behind another name, one of our cookies. */
export function setsOurCookie(setCookieValue: string, names: CookieNames): boolean {
  const [pair = ''] = setCookieValue.split(';')
  return carriesOurs(pair, names)
}

/** RFC 6265 §6.1: browsers promise to keep this much, attributes included. */
const MAX_BYTES = 4096
const VALUE = /^[A-Za-z0-9._-]*$/
/** RFC 9110 §5.6.2: before it, what follows would be the end of a longer name. */
const TOKEN_CHARACTER = /[!#$%&'*+.^_`|~0-9A-Za-z-]/
const SIGN_IN_ID = /^[A-Za-z0-9_-]{22}$/
/** What every name of ours has: most headers have none of them, which costs one look. */
const OURS = /gatehouse_/i

/** RFC 6265bis §4.1.3.2: the prefix demands `Secure`, and a name goes without it only where `Secure` does. */
function setCookie(name: string, value: string, maxAge: number): string {
  if (!VALUE.test(value)) throw new Error('a cookie value has characters that need quoting')
  const secure = name.startsWith('__Host-') ? ' Secure;' : ''
  const line = `${name}=${value}; HttpOnly;${secure} SameSite=Lax; Path=/; Max-Age=${maxAge}`
  if (line.length > MAX_BYTES) throw new Error('a cookie is larger than browsers keep')
  return line
}

function readCookie(header: string | null, name: string): string | null {
  const places = header === null ? [] : placesOf(name, header)
  const [place] = places
  if (header === null || place === undefined) return null
  if (places.length > 1) throw ambiguousCookie('cookie sent twice')
  if (!startsPair(header, place)) throw ambiguousCookie('cookie hidden behind another')
  const [pair = ''] = header.slice(place).split(';')
  if (pair.includes(',')) throw ambiguousCookie('cookie headers joined by a comma')
  return trimOws(pair.slice(pair.indexOf('=') + 1))
}

function startsPair(header: string, place: number): boolean {
  const before = skipOwsBack(header, place)
  return before === 0 || header.charAt(before - 1) === ';'
}

function ambiguousCookie(reason: string): Denial {
  return new Denial('ambiguous_credential', { reason })
}

/** Case-insensitive: no upstream, and no browser's idea of prefixes, may depend on it. */
function carriesOurs(pair: string, names: CookieNames): boolean {
  const folded = pair.toLowerCase()
  return (
    [names.session, names.access, names.reset].some((name) => placesOf(name.toLowerCase(), folded).length > 0) ||
    namesSignIn(names.signIn.toLowerCase(), folded)
  )
}

/** A name that begins so, whatever stands before it, unless it is the end of a longer name. */
function namesSignIn(prefix: string, text: string): boolean {
  const last = text.lastIndexOf('=')
  for (let at = text.indexOf(prefix); at >= 0; at = text.indexOf(prefix, at + prefix.length)) {
    if (last > at && !TOKEN_CHARACTER.test(text.charAt(at - 1))) return true
  }
  return false
}

/** Where the name stands before a `=`, whatever stands before it, unless it is the end of a longer name. */
function placesOf(name: string, text: string): readonly number[] {
  const places: number[] = []
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + name.length)) {
    const before = text.charAt(at - 1)
    const follows = text.charAt(skipOws(text, at + name.length))
    if (follows === '=' && !TOKEN_CHARACTER.test(before)) places.push(at)
  }
  return places
}
