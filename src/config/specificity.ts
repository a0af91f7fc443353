// Which of two routes is the more specific, so that in the sorted list the first match is the winner.

import type { Route, Segment } from './config.ts'

export type Shape = Pick<Route, 'host' | 'path'>

/**
 * Orders routes, the most specific first: literal host, host with parameters, no host; then segment by segment
 * literal, `:param`, the pattern's end, a trailing `/*`. Hosts are compared from the left, label by label.
 * 0 is given exactly for routes of one shape: host and path equal but for the names of parameters.
 */
export function compareRoutes(left: Shape, right: Shape): number {
  const [a, b] = [ranks(left), ranks(right)]
  const index = a.findIndex((rank, position) => rank !== b[position])
  if (index === -1) return 0
  return (a[index] ?? '') < (b[index] ?? '') ? -1 : 1
}

/** True where some request would fit both: one shape, and a method in common. */
export function isTie(left: Pick<Route, 'host' | 'path' | 'methods'>, right: typeof left): boolean {
  if (compareRoutes(left, right) !== 0) return false
  if (left.methods === null || right.methods === null) return true
  return left.methods.some((method) => right.methods?.includes(method))
}

/** Texts whose order, place by place, is the order of routes. No list is the beginning of another. */
function ranks({ host, path }: Shape): readonly string[] {
  const end = path.wildcard ? '3' : '2'
  return [hostRank(host), ...(host?.labels ?? []).map(segmentRank), '2', ...path.segments.map(segmentRank), end]
}

function hostRank(host: Shape['host']): string {
  if (host === null) return '2'
  return host.labels.some((label) => 'param' in label) ? '1' : '0'
}

function segmentRank(segment: Segment): string {
  return 'param' in segment ? '1' : `0${segment.literal}`
}
