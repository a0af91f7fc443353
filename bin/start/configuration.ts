// The configuration as it runs on this machine: wrangler.toml, with what differs here put in its place.
import { parse, stringify } from 'smol-toml'

import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { Problem } from './problem.ts'

/** Where the shipped routes expect the demo API. */
export const DEMO_PORT = 8788
const SHIPPED_DEMO = localOrigin(DEMO_PORT)

export interface LocalConfiguration {
  /** What to run instead of wrangler.toml; `null` where wrangler.toml serves as it is. */
  readonly text: string | null
  /** Some route leads to the demo API. */
  readonly usesDemo: boolean
  readonly authPath: string
  /** People sign in with passwords. */
  readonly passwords: boolean
}

export interface Place {
  /** Of the gateway. */
  readonly origin: string
  readonly demoOrigin: string
  /** Takes the place of every route, if given. */
  readonly upstream: string | null
}

/** The origin of a port of this machine. */
export function localOrigin(port: number): string {
  return `http://localhost:${port}`
}

/**
 * `ISSUER` becomes the local origin, routes to the demo API follow it to its port, custom domains fall away,
 * and with `upstream` one route leads all there. Everything else stays as the operator wrote it.
 * @throws Problem for text that is no TOML
 */
export function localConfiguration(toml: string, place: Place): LocalConfiguration {
  const { routes: domains, route: domain, ...shipped } = parseToml(toml)
  const shippedVars = isObject(shipped['vars']) ? shipped['vars'] : {}
  const vars = { ...shippedVars, ...localRoutes(shippedVars, place), ISSUER: place.origin }
  const kept = Object.fromEntries(Object.entries(vars).filter(([, value]) => value !== null))
  const isSame = domains === undefined && domain === undefined && JSON.stringify(kept) === JSON.stringify(shippedVars)
  const passwords = kept['PASSWORDS']
  return {
    text: isSame ? null : stringify({ ...shipped, vars: kept }),
    usesDemo: place.upstream === null && routesOf(shippedVars).some(([, routes]) => routes.some(leadsToDemo)),
    authPath: typeof kept['AUTH_PATH'] === 'string' ? kept['AUTH_PATH'] : '/auth',
    passwords: isObject(passwords) && passwords['sign_in'] === true,
  }
}

function parseToml(toml: string): JsonObject {
  try {
    return parse(toml)
  } catch (error) {
    throw new Problem(`wrangler.toml cannot be read: ${error instanceof Error ? error.message : 'it is no TOML'}`)
  }
}

/** Every variable that holds routes, as it is here; `null` for one that is not. */
function localRoutes(vars: JsonObject, { upstream, demoOrigin }: Place): JsonObject {
  const variables = routesOf(vars)
  if (upstream === null) return Object.fromEntries(variables.map(([name, routes]) => [name, moved(routes, demoOrigin)]))
  return { ...Object.fromEntries(variables.map(([name]) => [name, null])), ROUTES: [{ path: '/*', upstream }] }
}

function routesOf(vars: JsonObject): readonly (readonly [string, readonly unknown[]])[] {
  return Object.entries(vars).flatMap(([name, value]) =>
    name.startsWith('ROUTES') && Array.isArray(value) ? [[name, value] as const] : [],
  )
}

function moved(routes: readonly unknown[], demoOrigin: string): readonly unknown[] {
  return routes.map((route) => (leadsToDemo(route) ? { ...route, upstream: demoOrigin } : route))
}

function leadsToDemo(route: unknown): route is JsonObject {
  return isObject(route) && route['upstream'] === SHIPPED_DEMO
}
