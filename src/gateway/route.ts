// Which route a request belongs to, and the upstream URL that it becomes.

import type { PathOddity, Route, Segment } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { ambiguousPath, otherReadings, pathSegments, type Target } from './path.ts'

export interface RouteTable {
  readonly groups: readonly RouteGroup[]
  /** What any of the routes opens by `allow_in_path`. */
  readonly opened: ReadonlySet<PathOddity>
}

/** Routes of one host and path, told apart by their methods. */
interface RouteGroup {
  readonly matches: (target: Target) => boolean
  readonly routes: readonly Route[]
}

export interface RouteMatch {
  readonly route: Route
  /** What the names in host (lower-case) and path (decoded, in the client's case) are bound to. */
  readonly params: Readonly<Record<string, string>>
}

/** Groups routes by shape once; they come the most specific first and stay so. */
export function compileRoutes(routes: readonly Route[]): RouteTable {
  const groups = [...Map.groupBy(routes, shapeOf).values()]
  const opened = new Set(routes.flatMap(({ allowInPath }) => [...allowInPath]))
  return { groups: groups.flatMap(([first, ...rest]) => (first ? [groupOf(first, rest)] : [])), opened }
}

/**
 * The route of the most specific host and path, by its method: never a fall through to a wider route.
 * A path with oddities must be opened by its route, and every other reading of it must win that same route.
 * @throws Denial `no_route`, `method_not_allowed` (RFC 9110 §15.5.6), `ambiguous_path`
 */
export function matchRoute(table: RouteTable, target: Target, method: string): RouteMatch {
  const group = findGroup(table, target)
  if (NEVER_FORWARDED.has(method)) throw methodNotAllowed(group)
  const route = group?.routes.find(({ methods }) => methods === null || methods.includes(method))
  if (target.oddities.size > 0) return matchOdd(table, target, group, route)
  if (group === null) throw new Denial('no_route')
  if (route === undefined) throw methodNotAllowed(group)
  return { route, params: bindParams(route, target) }
}

/** The methods of a route by name, for `Allow` and for CORS. */
export function methodsOf(route: Pick<Route, 'methods'>): readonly string[] {
  return route.methods ?? COMMON_METHODS
}

/**
 * The configured origin and path, and behind them the target's path without what the route strips, and its query.
 * The origin is always the configured one: what is put behind it is empty or begins with `/`.
 */
export function upstreamUrl(route: Route, target: Target): string {
  const { origin, path } = route.upstream
  const rest = route.stripSegments === 0 ? target.path : withoutLeadingSegments(target.path, route.stripSegments)
  const joined = rest === '' ? path : `${path.replace(/\/$/, '')}${rest}`
  return `${origin}${joined}${target.query}`
}

const NEVER_FORWARDED: ReadonlySet<string> = new Set(['TRACE', 'CONNECT'])
const COMMON_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** Two routes have one shape where they differ in the names of their parameters only. */
function shapeOf({ host, path }: Route): string {
  return JSON.stringify([host && literals(host.labels), literals(path.segments), path.wildcard])
}

function literals(pattern: readonly Segment[]): readonly (string | null)[] {
  return pattern.map((part) => ('literal' in part ? part.literal : null))
}

function groupOf(first: Route, rest: readonly Route[]): RouteGroup {
  return { matches: matcherOf(first), routes: [first, ...rest] }
}

function findGroup(table: RouteTable, target: Target): RouteGroup | null {
  return table.groups.find(({ matches }) => matches(target)) ?? null
}

function matcherOf({ host, path }: Pick<Route, 'host' | 'path'>): RouteGroup['matches'] {
  const { segments, wildcard } = path
  const matchesPath = ({ segments: texts }: Target): boolean =>
    (wildcard ? texts.length >= segments.length : texts.length === segments.length) && beginsWith(texts, segments)
  return host === null ? matchesPath : (target) => matchesHost(host.labels, target) && matchesPath(target)
}

function matchesHost(labels: readonly Segment[], { host }: Target): boolean {
  const texts = host.split('.')
  return texts.length === labels.length && beginsWith(texts, labels)
}

/** A name binds any text but none at all. */
function beginsWith(texts: readonly string[], pattern: readonly Segment[]): boolean {
  return pattern.every((part, index) => ('literal' in part ? texts[index] === part.literal : texts[index] !== ''))
}

function methodNotAllowed(group: RouteGroup | null): Denial {
  const methods = new Set(group?.routes.flatMap(methodsOf))
  return new Denial('method_not_allowed', { headers: { Allow: [...methods].join(', ') } })
}

function matchOdd(table: RouteTable, target: Target, group: RouteGroup | null, route: Route | undefined): RouteMatch {
  if (route === undefined) throw ambiguousPath('oddity without a route')
  if ([...target.oddities].some((oddity) => !route.allowInPath.has(oddity)))
    throw ambiguousPath('oddity that the route does not open')
  const params = bindParams(route, target)
  for (const reading of otherReadings(target)) {
    if (findGroup(table, reading) !== group) throw ambiguousPath('another reading has another route')
    if (!claimsReadAlike(route, params, bindParams(route, reading)))
      throw ambiguousPath('another reading binds another value')
  }
  return { route, params }
}

/** A claim was compared with one reading's value; the upstream must not act on another's. */
function claimsReadAlike(route: Route, params: RouteMatch['params'], others: RouteMatch['params']): boolean {
  return route.claims.every((rule) => !('param' in rule) || params[rule.param] === others[rule.param])
}

function bindParams(route: Route, target: Target): RouteMatch['params'] {
  const hostParams = bind(route.host?.labels ?? [], () => target.host.split('.'))
  const pathParams = bind(route.path.segments, () => pathSegments(target.path).map(decodeURIComponent))
  if (hostParams.length + pathParams.length === 0) return NO_PARAMS
  const params: Record<string, string> = Object.create(null)
  return Object.assign(params, Object.fromEntries([...hostParams, ...pathParams]))
}

const NO_PARAMS: RouteMatch['params'] = Object.freeze(Object.create(null))

function bind(pattern: readonly Segment[], texts: () => readonly string[]): readonly (readonly [string, string])[] {
  if (pattern.every((part) => 'literal' in part)) return []
  const values = texts()
  return pattern.flatMap((part, index) => ('param' in part ? [[part.param, values[index] ?? ''] as const] : []))
}

function withoutLeadingSegments(path: string, count: number): string {
  const kept = path.split('/').slice(1 + count)
  return kept.map((segment) => `/${segment}`).join('')
}
