// Path and host patterns: literals, `:param`, and a path's trailing `/*`.

import type { Route, Segment } from './config.ts'
import { readText, refuse, type Table } from './read.ts'

export type PathPattern = Route['path']
export type HostPattern = NonNullable<Route['host']>

/**
 * The form in which one segment of a path is compared: decoded, without case. Upper case first, because a few letters
 * (`ſ`) meet another's lower case only by way of it.
 * Does NOT look for what is ambiguous; the caller has refused that.
 * @throws URIError where the percent-encoding is malformed
 */
export function foldSegment(text: string): string {
  return decodeURIComponent(text).toUpperCase().toLowerCase()
}

/** A trailing slash means the same as none; `/orders/*` covers `/orders`. */
export function readPath(table: Table, name: string): PathPattern | null {
  const source = readText(table, name)
  if (source === null) return null
  const problem = findPathProblem(source)
  if (problem !== null) return refuse(table, name, problem)
  return { source, segments: splitPath(source).map(parseSegment), wildcard: source.endsWith('/*') }
}

/** Host names compare without case; a pattern has no port, because the port plays no part. */
export function readHost(table: Table, name: string): HostPattern | null {
  const source = readText(table, name)
  if (source === null) return null
  const labels = source.split('.').map((label) => (label.startsWith(':') ? label : label.toLowerCase()))
  if (!labels.every((label) => LABEL.test(label))) {
    return refuse(table, name, 'must be a host name without a port; :param may stand for a label')
  }
  return { source, labels: labels.map((label) => parseLabel(label)) }
}

/** The names that a pattern binds, in order. */
export function paramNames(segments: readonly Segment[]): readonly string[] {
  return segments.flatMap((segment) => ('param' in segment ? [segment.param] : []))
}

/** What two servers might read differently in one literal segment, or `null` (RFC 3986 §3.3, §6.2.2). */
export function findLiteralProblem(segment: string): string | null {
  const rule = LITERAL_RULES.find(([pattern]) => pattern.test(segment))
  if (rule !== undefined) return rule[1]
  return isUtf8(segment) ? null : 'must be UTF-8 where it is percent-encoded'
}

const LITERAL_RULES: readonly (readonly [RegExp, string])[] = [
  [/^$/, 'must not have an empty segment'],
  [/^(?:\.|%2e){1,2}$/i, 'must not have dot segments'],
  [/[^\x21-\x7e]/, 'must be visible ASCII; percent-encode anything else'],
  [/[\\;?#]/, 'must not have \\ ; ? or #'],
  [/%(?![0-9a-f]{2})/i, 'must have two hex digits after each %'],
  [/%(?:2f|5c|3b|3f|23|[01][0-9a-f]|7f)/i, 'must not have / \\ ; ? # or control characters, encoded'],
  [/%25[0-9a-f]{2}/i, 'must not be percent-encoded twice'],
]

const PARAM = /^:[a-z_][a-z0-9_]*$/
const LABEL = /^(?::[a-z_][a-z0-9_]*|[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)$/

function findPathProblem(source: string): string | null {
  if (!source.startsWith('/')) return 'must begin with /'
  const problems = splitPath(source).map(findSegmentProblem)
  return problems.find((problem) => problem !== null) ?? null
}

/** The parts between the slashes, without one trailing `/` or `/*`. */
function splitPath(source: string): readonly string[] {
  const body = source.replace(/\/\*?$/, '')
  return body === '' ? [] : body.slice(1).split('/')
}

function findSegmentProblem(segment: string): string | null {
  if (segment.includes('*')) return 'may have * only as its last segment'
  if (!segment.startsWith(':')) return findLiteralProblem(segment)
  return PARAM.test(segment) ? null : 'must name parameters by a-z, 0-9 and _, such as :order_id'
}

function parseSegment(text: string): Segment {
  return text.startsWith(':') ? { param: text.slice(1) } : { literal: foldSegment(text) }
}

function parseLabel(text: string): Segment {
  return text.startsWith(':') ? { param: text.slice(1) } : { literal: text }
}

function isUtf8(segment: string): boolean {
  try {
    decodeURIComponent(segment)
    return true
  } catch {
    return false
  }
}
