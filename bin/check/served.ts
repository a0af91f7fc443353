// Which hosts wrangler's `routes` bring to the Worker.
import { isObject, type JsonObject } from '../../src/json.ts'

/** Host parts of the patterns in `routes` and `route`, in which `*` stands for anything. */
export function servedPatterns(toml: JsonObject): readonly string[] {
  const routes: readonly unknown[] = Array.isArray(toml['routes']) ? toml['routes'] : [toml['route']]
  const patterns = routes.map((route) => (isObject(route) ? route['pattern'] : route))
  return patterns.flatMap((pattern) => (typeof pattern === 'string' ? [hostOf(pattern)] : []))
}

export function isServed(host: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => fits(host, pattern))
}

/** Patterns, other than custom domains, that leave some requests of their host to go past the gateway. */
export function partialPatterns(toml: JsonObject): readonly string[] {
  const routes: readonly unknown[] = Array.isArray(toml['routes']) ? toml['routes'] : [toml['route']]
  return routes.flatMap((route) => {
    const pattern = isObject(route) ? route['pattern'] : route
    if (typeof pattern !== 'string' || (isObject(route) && route['custom_domain'] === true)) return []
    return /^(?:https:\/\/)?[^/]+\/\*$/i.test(pattern) ? [] : [pattern]
  })
}

function hostOf(pattern: string): string {
  const host = pattern.replace(/^https?:\/\//i, '').split('/')[0] ?? ''
  return host.toLowerCase()
}

/** A pattern has its `*` at the beginning only. */
function fits(host: string, pattern: string): boolean {
  return pattern.startsWith('*') ? host.endsWith(pattern.slice(1)) : host === pattern
}
