// The rate-limit binding: permissive, per location, and never the only defence.

import { Denial } from './denial.ts'
import { RATE_LIMIT_MS, withinTime } from './time-limit.ts'

/** @throws Denial `rate_limited`; a binding that fails is a fault, so that nothing passes because something broke. */
export async function enforceRateLimit(limiter: RateLimit, key: string): Promise<void> {
  const { success } = await withinTime(limiter.limit({ key }), RATE_LIMIT_MS)
  if (!success) throw new Denial('rate_limited')
}

/** A client's address as a limit counts it: IPv6 by its /64, which is what one subscriber has. */
export function addressBlock(address: string | null): string {
  if (address === null) return 'unknown'
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const left = head.split(':').filter((group) => group !== '')
  const right = (tail ?? '').split(':').filter((group) => group !== '')
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  const groups = [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16).toString(16))
  return `${groups.slice(0, 4).join(':')}::/64`
}
