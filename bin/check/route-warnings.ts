// Routes that stand in one another's way.
import type { Route, Segment } from '../../src/config/config.ts'
import { compareRoutes, type Shape } from '../../src/config/specificity.ts'
import { isGatewayScope } from '../../src/gateway-scopes.ts'
import { matches } from './route-table.ts'

/** `routes` in the order of the configuration, the most specific first. */
export function routeWarnings(routes: readonly Route[]): readonly string[] {
  return [
    ...routes.flatMap((route) => findMethodGap(route, routes) ?? []),
    ...routes.flatMap((route) => findDeadRoute(route, routes) ?? []),
    ...routes.flatMap((route) => findOpenSurroundings(route, routes) ?? []),
    ...routes
      .filter((route) => route.access === 'observe')
      .map((route) => `${name(route)} only observes: every request passes`),
    ...routes
      .filter((route) => route.credentials.has('api-key') && route.rateLimit === null)
      .map((route) => `${name(route)} takes API keys and has no rate_limit: each bogus key asks the database`),
    ...routes.flatMap(findGatewayScope),
  ]
}

/** Sessions that asked for nothing have no such scope, those of the pages, of providers and of upstreams among them. */
function findGatewayScope(route: Route): readonly string[] {
  return route.scopes
    .filter(isGatewayScope)
    .map(
      (scope) => `${name(route)} needs the scope ${scope}: a session has it only if its sign-in asked for it by name`,
    )
}

/** A wider route that would have taken the methods that this one refuses; it is never asked (405). */
function findMethodGap(route: Route, routes: readonly Route[]): string | null {
  const shape = routes.filter((other) => compareRoutes(other, route) === 0)
  if (shape[0] !== route || shape.some((other) => other.methods === null)) return null
  const taken = shape.flatMap((other) => other.methods ?? [])
  const wider = routes
    .slice(routes.indexOf(route))
    .find((other) => !shape.includes(other) && covers(other, route) && takesMore(other.methods, taken))
  if (wider === undefined) return null
  const names = shape.map(name).join(' and ')
  return `${names} ${shape.length === 1 ? 'takes' : 'take'} only ${taken.join(', ')}: other methods get 405 and never fall through to ${name(wider)}`
}

/** `/a/*` beside `/a` and `/a/:x/*`, which leave nothing for it. */
function findDeadRoute(route: Route, routes: readonly Route[]): string | null {
  const { host, path } = route
  if (!path.wildcard) return null
  const exact = routes.find((other) => compareRoutes(other, { host, path: { ...path, wildcard: false } }) === 0)
  const segments = [...path.segments, { param: 'any' }]
  const deeper = routes.find((other) => compareRoutes(other, { host, path: { ...path, segments } }) === 0)
  if (exact === undefined || deeper === undefined) return null
  return `${name(route)} never wins: ${name(exact)} and ${name(deeper)} take everything`
}

/** A pattern protects only what it matches, so around it everything should be closed as well. */
function findOpenSurroundings(route: Route, routes: readonly Route[]): string | null {
  if (route.access !== 'public' && route.access !== 'optional') return null
  const closed = routes.filter((other) => other.access === 'required' && other !== route && covers(route, other))
  if (closed.length === 0) return null
  return `${name(route)} is ${route.access} around ${closed.map(name).join(' and ')}: what those do not match passes without a credential`
}

function name(route: Route): string {
  return `${route.key} (${matches(route)})`
}

function takesMore(methods: readonly string[] | null, taken: readonly string[]): boolean {
  return methods === null || methods.some((method) => !taken.includes(method))
}

/** True where every request that fits `narrow` fits `wide` too. */
function covers(wide: Shape, narrow: Shape): boolean {
  const labels = narrow.host?.labels ?? []
  if (wide.host !== null && wide.host.labels.length !== labels.length) return false
  if (wide.host !== null && !coverAll(wide.host.labels, labels)) return false
  if (!coverAll(wide.path.segments, narrow.path.segments)) return false
  return wide.path.wildcard || (!narrow.path.wildcard && wide.path.segments.length === narrow.path.segments.length)
}

function coverAll(wide: readonly Segment[], narrow: readonly Segment[]): boolean {
  return wide.every((segment, index) => {
    const other = narrow[index]
    if (other === undefined) return false
    return 'param' in segment || ('literal' in other && other.literal === segment.literal)
  })
}
