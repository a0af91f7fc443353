// A route's upstream: where a request is sent, and what of its path goes along.

import type { JsonObject } from '../json.ts'
import { type BindingNeed, readBinding } from './bindings.ts'
import type { Route, Segment } from './config.ts'
import { parseUrl } from './origin.ts'
import { findLiteralProblem, paramNames, type PathPattern, readPath } from './pattern.ts'
import { readText, refuse, requireMember, type Table } from './read.ts'

/** The upstream's URL in two parts. Its path is canonical, because it is put before a canonical path. */
export function readUpstream(table: Table, env: JsonObject): Route['upstream'] | null {
  requireMember(table, 'upstream')
  const text = readText(table, 'upstream')
  const binding = readBinding(table, 'binding', env, FETCHER)
  if (text === null) return null
  const url = parseUrl(text)
  const [, authority, path = '/'] = /^https?:\/\/([^/?#\\\s]+)(\/[^]*)?$/i.exec(text.replace(/[?#][^]*/, '')) ?? []
  if (url === null || authority === undefined) return refuse(table, 'upstream', 'must be an https or http URL')
  if (authority.includes('@') || /[?#]/.test(text)) {
    return refuse(table, 'upstream', 'must not have a user name, query or fragment')
  }
  const problem = findPathProblem(path, url)
  if (problem !== null) return refuse(table, 'upstream', `${problem}, in its path`)
  return { origin: url.origin, path, binding }
}

/** How many leading segments `strip_prefix` takes; every one has to be a literal of the path. */
export function readStripSegments(table: Table, path: PathPattern | null): number {
  const prefix = readPath(table, 'strip_prefix')
  if (prefix === null) return 0
  if (prefix.wildcard || prefix.segments.length === 0 || paramNames(prefix.segments).length > 0) {
    refuse(table, 'strip_prefix', 'must be a literal path such as /orders')
    return 0
  }
  if (path !== null && !prefix.segments.every((segment, index) => isSameLiteral(segment, path.segments[index]))) {
    refuse(table, 'strip_prefix', 'must be the beginning of path')
  }
  return prefix.segments.length
}

const FETCHER: BindingNeed = { method: 'fetch', what: 'a service, mTLS or VPC binding' }

function findPathProblem(path: string, url: URL): string | null {
  const segments = path.slice(1).split('/')
  const named = segments.at(-1) === '' ? segments.slice(0, -1) : segments
  const problem = named.map(findLiteralProblem).find((each) => each !== null)
  if (problem !== undefined) return problem
  return url.pathname === path && !NOT_CANONICAL.test(path) ? null : 'must be percent-encoded in the canonical way'
}

/** Lower-case hex digits, or an encoded unreserved character (RFC 3986 §6.2.2). */
const NOT_CANONICAL = /%(?:[0-9A-F]?[a-f]|[a-f]|3[0-9]|4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A]|2D|2E|5F|7E)/

function isSameLiteral(prefix: Segment, segment: Segment | undefined): boolean {
  return 'literal' in prefix && segment !== undefined && 'literal' in segment && prefix.literal === segment.literal
}
