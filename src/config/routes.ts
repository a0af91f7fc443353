// ROUTES…: every route of every such variable, the most specific first.

import type { JsonObject } from '../json.ts'
import { readAdmission } from './admission.ts'
import { type BindingNeed, readBinding } from './bindings.ts'
import type { Issuer, Route } from './config.ts'
import { readCors } from './cors.ts'
import { readAllowedHeaders, readIdentityHeaders } from './identity-headers.ts'
import { type HostPattern, paramNames, type PathPattern, readHost, readPath } from './pattern.ts'
import { readPolicy } from './policy.ts'
import {
  readChoices,
  readDuration,
  readFlag,
  readSomeTexts,
  readTables,
  refuse,
  requireMember,
  type Table,
} from './read.ts'
import { claimsReserved, coversHost } from './reserved.ts'
import type { Self } from './self.ts'
import { readSessionControl, refuseIssuerPrefixes } from './session-control.ts'
import { compareRoutes, isTie } from './specificity.ts'
import { readUnauthenticated } from './unauthenticated.ts'
import { readStripSegments, readUpstream } from './upstream.ts'
import { routeVariables } from './variables.ts'

export interface Surroundings {
  readonly env: JsonObject
  readonly self: Self
  readonly issuers: readonly Issuer[]
  readonly canSignIn: boolean
}

/** Does NOT say which route wins a request; the first that fits, in this order, does. */
export function readRoutes(root: Table, surroundings: Surroundings): readonly Route[] {
  const names = routeVariables(root)
  const tables = names.flatMap((name) => readTables(root, name, MEMBERS))
  if (names.every((name) => isEmptyList(root.members[name]))) refuse(root, 'ROUTES', 'must have at least one route')
  const routes = tables.flatMap((table) => readRoute(table, surroundings) ?? [])
  refuseTies(root, routes)
  refuseIssuerPrefixes(root, routes, surroundings.issuers)
  return routes.toSorted(compareRoutes)
}

const MEMBERS = [
  'path',
  'methods',
  'host',
  'upstream',
  'binding',
  'strip_prefix',
  'access',
  'issuers',
  'credentials',
  'scopes',
  'roles',
  'claims',
  'max_auth_age',
  'revocation',
  'on_outage',
  'unauthenticated',
  'identity',
  'headers',
  'allow_headers',
  'forward_token',
  'session_control',
  'timeout',
  'allow_in_path',
  'rate_limit',
  'cors',
]

const LIMITER: BindingNeed = { method: 'limit', what: 'a rate limit binding' }

function readRoute(table: Table, { env, self, issuers, canSignIn }: Surroundings): Route | null {
  requireMember(table, 'path')
  const path = readPath(table, 'path')
  const host = readHost(table, 'host')
  const params = path === null ? null : readParams(table, path, host)
  const upstream = readUpstream(table, env)
  const admission = readAdmission(table, issuers)
  const rest = {
    methods: readMethods(table),
    stripSegments: readStripSegments(table, path),
    ...readPolicy(table, admission.access, params),
    unauthenticated: readUnauthenticated(table, admission, host, { issuerHost: self.issuerHost, canSignIn }),
    identity: new Set(readChoices(table, 'identity', ['headers', 'assertion']) ?? (['headers', 'assertion'] as const)),
    headers: readIdentityHeaders(table),
    allowHeaders: readAllowedHeaders(table),
    forwardToken: readFlag(table, 'forward_token') ?? false,
    sessionControl: readSessionControl(table, 'session_control'),
    timeout: readDuration(table, 'timeout', '1s', '15m') ?? 30,
    allowInPath: new Set(readChoices(table, 'allow_in_path', ['%2F', '%5C', ';', '//'])),
    rateLimit: readBinding(table, 'rate_limit', env, LIMITER),
    cors: readCors(table, self.webOrigins),
  }
  if (path === null || upstream === null) return null
  if (claimsReserved(path, self.authPath) && coversHost(host, self.issuerHost)) {
    refuse(table, 'path', "must not be one of the gateway's own URLs")
  }
  if (host !== null && host.source.toLowerCase() === self.console?.host)
    refuse(table, 'host', "must not be ADMIN_ORIGIN's")
  return { key: table.key, path, host, upstream, ...admission, ...rest }
}

/** The names that path and host bind together; each may be bound once. */
function readParams(table: Table, path: PathPattern, host: HostPattern | null): readonly string[] {
  const names = [...paramNames(host?.labels ?? []), ...paramNames(path.segments)]
  if (new Set(names).size < names.length) refuse(table, 'path', 'must not use a parameter name twice, host included')
  return names
}

/** `null` is all. HEAD comes with GET (RFC 9110 §9.3.2). */
function readMethods(table: Table): readonly string[] | null {
  const methods = readSomeTexts(table, 'methods')
  if (methods === null) return null
  if (!methods.every((method) => /^[A-Z][A-Z0-9_-]*$/.test(method))) {
    return refuse(table, 'methods', 'must be a list of methods in upper case')
  }
  if (methods.some((method) => method === 'TRACE' || method === 'CONNECT')) {
    return refuse(table, 'methods', 'must not have TRACE or CONNECT')
  }
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))]
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

function refuseTies(root: Table, routes: readonly Route[]): void {
  for (const [index, route] of routes.entries()) {
    const earlier = routes.slice(0, index).find((other) => isTie(route, other))
    if (earlier !== undefined) {
      root.report(route.key, `could win the same requests as ${earlier.key}: same host, path and a method in common`)
    }
  }
}
