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

function hostOf(pattern: string): string {
  const host = pattern.replace(/^https?:\/\//i, '').split('/')[0] ?? ''
  return host.toLowerCase()
}

/** A pattern has its `*` at the beginning only. */
function fits(host: string, pattern: string): boolean {
  return pattern.startsWith('*') ? host.endsWith(pattern.slice(1)) : host === pattern
}
