// The one canonical reading of a request's URL: the string that is matched is the string that is forwarded.

import type { PathOddity } from '../config/config.ts'
import { foldSegment } from '../config/pattern.ts'
import { Denial } from '../denial.ts'

export interface Target {
  /** Lower-case, without port and trailing dot. */
  readonly host: string
  /** `host`, with the port where the client named one. */
  readonly authority: string
  /** Canonical; this is what is forwarded. */
  readonly path: string
  /** Empty, or begins with `?`; byte for byte as it came. */
  readonly query: string
  /** Decoded and folded, for matching; a trailing slash gives none, an encoded slash stays the text `%2f`. */
  readonly segments: readonly string[]
  /** What is in the path that only `allow_in_path` may open. */
  readonly oddities: ReadonlySet<PathOddity>
}

/**
 * Reads the URL of a request in the one way that every server agrees on (RFC 3986 §6.2.2), or not at all.
 * Does NOT judge oddities, because a route may open them; `matchRoute` does. Does NOT use `new URL`, which repairs.
 * @throws Denial `ambiguous_path`
 */
export function canonicalTarget(url: string): Target {
  const { authority, rawPath, query } = splitUrl(url)
  const named = { ...canonicalAuthority(authority), query }
  if (PLAIN_PATH.test(rawPath)) {
    const segments = pathSegments(rawPath.toLowerCase())
    return { ...named, path: rawPath, segments, oddities: NO_ODDITIES }
  }
  const path = canonicalPath(rawPath)
  const oddities = new Set(ODDITIES.filter((oddity) => path.includes(oddity)))
  return { ...named, path, segments: foldedSegments(path), oddities }
}

/**
 * A `Host` header is a host and a port (RFC 9110 §7.2): workerd would take more for a part of the path.
 * @throws Denial `ambiguous_path`
 */
export function enforceHost(header: string | null): void {
  if (header !== null) canonicalAuthority(header)
}

/** Characters of a path that is read in several ways: the work grows with each way. */
const MAX_ODD_PATH = 4096

/**
 * Refuses what no route opens before other readings of it are made.
 * @throws Denial `ambiguous_path`
 */
export function enforceOpened({ path, oddities }: Target, opened: ReadonlySet<PathOddity>): void {
  if (oddities.size === 0) return
  if (path.length > MAX_ODD_PATH) throw ambiguousPath('odd path too long')
  if ([...oddities].some((oddity) => !opened.has(oddity))) throw ambiguousPath('oddity that no route opens')
}

/**
 * What servers that decode, strip parameters or merge slashes read instead of this path: every choice, in every order.
 * The reading that the gateway itself goes by is not among them.
 */
export function otherReadings(target: Target): readonly Target[] {
  const paths = new Set([target.path])
  for (const path of paths) {
    for (const [pattern, replacement] of REREADINGS) paths.add(path.replaceAll(pattern, replacement))
  }
  paths.delete(target.path)
  return [...paths].map((path) => readAs(target, path))
}

/** The parts between the slashes of a canonical path; a trailing slash gives none. */
export function pathSegments(path: string): readonly string[] {
  const parts = path.split('/')
  return parts.slice(1, parts.at(-1) === '' ? -1 : undefined)
}

/** The denial of a path with two readings; the reason is for the log. */
export function ambiguousPath(reason: string): Denial {
  return new Denial('ambiguous_path', { reason })
}

const ODDITIES = ['%2F', '%5C', ';', '//'] as const satisfies readonly PathOddity[]
const NO_ODDITIES: ReadonlySet<PathOddity> = new Set()

const REREADINGS = [
  [/%2F/g, '/'],
  [/%5C/g, '/'],
  [/;[^/]*/g, ''],
  [/\/{2,}/g, '/'],
] as const

/** Printable ASCII but `#`: what `fetch` neither trims nor cuts off. */
const QUERY = /^(?:\?[!"$-~]*)?$/
const HOST = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/i
/** Nothing to decode, and no segment that is empty or begins with a dot: already canonical. */
const PLAIN_PATH = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9_~.-]*)*\/?$/
const UNRESERVED = /[A-Za-z0-9._~-]/

const REFUSED_AS_SENT = [
  { reason: 'backslash', pattern: /\\/ },
  { reason: 'fragment', pattern: /#/ },
  { reason: 'byte above 0x7F', pattern: /\P{ASCII}/u },
  { reason: 'malformed percent-encoding', pattern: /%(?![0-9A-F]{2})/i },
] as const

const REFUSED_ONCE_CANONICAL = [
  { reason: 'encoded delimiter', pattern: /%(?:23|3B|3F)/ },
  { reason: 'double percent-encoding', pattern: /%25(?:[0-9A-F]{2}|u[0-9A-F]{4})/i },
] as const

const SEPARATOR = /\/|%2F|%5C/
/** Also with parameters or blanks behind the dots, which some servers take off first. */
const DOT_SEGMENT = /^\.{1,2}(?:%20)*(?:;|$)/

function splitUrl(url: string): { authority: string; rawPath: string; query: string } {
  const authorityAt = url.indexOf('://') + 3
  const pathAt = url.indexOf('/', authorityAt)
  if (authorityAt === 2 || pathAt < 0) throw ambiguousPath('no path')
  const queryAt = url.indexOf('?', pathAt)
  const pathEnd = queryAt < 0 ? url.length : queryAt
  const query = url.slice(pathEnd)
  if (!QUERY.test(query)) throw ambiguousPath('query')
  return { authority: url.slice(authorityAt, pathAt), rawPath: url.slice(pathAt, pathEnd), query }
}

/** No userinfo, no empty label, nothing encoded: a stricter host's rules cannot be missed by another spelling. */
function canonicalAuthority(text: string): Pick<Target, 'host' | 'authority'> {
  const known = authorities.get(text)
  if (known !== undefined) return known
  const named = text.replace(/:\d*$/, '').replace(/\.$/, '')
  if (text.length > MAX_AUTHORITY || !HOST.test(named)) throw ambiguousPath('host')
  const host = named.toLowerCase()
  const canonical = { host, authority: `${host}${/:\d+$/.exec(text)?.[0] ?? ''}` }
  if (authorities.size >= MAX_AUTHORITIES) authorities.clear()
  authorities.set(text, canonical)
  return canonical
}

/** A gateway is asked for few hosts, and for each of them again and again. */
const authorities = new Map<string, Pick<Target, 'host' | 'authority'>>()
const MAX_AUTHORITIES = 1000
/** Characters: 253 of a domain name (RFC 1035 §2.3.4), its dot, and a port. */
const MAX_AUTHORITY = 260

function canonicalPath(rawPath: string): string {
  refuse(REFUSED_AS_SENT, rawPath)
  const path = rawPath.replaceAll(/%[0-9A-Fa-f]{2}|[ "<>[\]^`{|}]/g, canonicalCharacter)
  refuse(REFUSED_ONCE_CANONICAL, path)
  if (/\p{Cc}/u.test(decodeUtf8(path))) throw ambiguousPath('control character')
  if (path.split(SEPARATOR).some((segment) => DOT_SEGMENT.test(segment))) throw ambiguousPath('dot segment')
  return path
}

function refuse(rules: readonly { readonly reason: string; readonly pattern: RegExp }[], text: string): void {
  const broken = rules.find(({ pattern }) => pattern.test(text))
  if (broken !== undefined) throw ambiguousPath(broken.reason)
}

/** RFC 3986 §6.2.2.1, §6.2.2.2; and characters that are no `pchar` (§3.3) but come raw from browsers. */
function canonicalCharacter(text: string): string {
  if (text.length === 1) return encodeURIComponent(text)
  const character = String.fromCharCode(Number.parseInt(text.slice(1), 16))
  return UNRESERVED.test(character) ? character : text.toUpperCase()
}

function decodeUtf8(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw ambiguousPath('invalid UTF-8')
  }
}

function readAs(target: Target, path: string): Target {
  return { ...target, path, segments: foldedSegments(path) }
}

function foldedSegments(path: string): readonly string[] {
  return pathSegments(path).map((segment) => foldSegment(segment.replaceAll(/%(?=2F|5C)/g, '%25')))
}
