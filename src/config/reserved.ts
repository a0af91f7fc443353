// The gateway's own URLs, which no route may claim (DESIGN §10).

import type { Segment } from './config.ts'
import type { HostPattern, PathPattern } from './pattern.ts'

const WELL_KNOWN: readonly (readonly string[])[] = [
  ['.well-known', 'jwks.json'],
  ['.well-known', 'oauth-authorization-server'],
]

/** True for a path that names one of them literally; `/*` and `/:x` only pass them by. */
export function claimsReserved(path: PathPattern, authPath: string): boolean {
  const auth = authPath.slice(1).split('/')
  if (beginsWith(path.segments, auth)) return true
  return WELL_KNOWN.some((url) => path.segments.length === url.length && beginsWith(path.segments, url))
}

/** True where requests for this host can reach a route: every host where it has none. */
export function coversHost(host: HostPattern | null, name: string): boolean {
  if (host === null) return true
  const labels = name.split('.')
  if (labels.length !== host.labels.length) return false
  return host.labels.every((label, index) => 'param' in label || label.literal === labels[index])
}

function beginsWith(segments: readonly Segment[], literals: readonly string[]): boolean {
  return literals.every((literal, index) => {
    const segment = segments[index]
    return segment !== undefined && 'literal' in segment && segment.literal === literal
  })
}
