// The rate-limit binding: permissive, per location, and never the only defence.

import { sha256 } from './crypto.ts'
import { Denial } from './denial.ts'
import { RATE_LIMIT_MS, withinTime } from './time-limit.ts'

/** @throws Denial `rate_limited`; a binding that fails is a fault, so that nothing passes because something broke. */
export async function enforceRateLimit(limiter: RateLimit, key: string): Promise<void> {
  const { success } = await withinTime(limiter.limit({ key }), RATE_LIMIT_MS)
  if (!success) throw new Denial('rate_limited')
}

/**
 * Limits a client by its address block, and by the wider ones of IPv6. A binding has one limit for every key, so a wider block
 * has several keys, of which the hash of the /64 selects one: a /56 is allowed twice what a /64 is, a /48 four times.
 * @throws Denial `rate_limited`, with the address block for the log
 */
export async function enforceAddressRate(limiter: RateLimit, address: string | null, prefix = ''): Promise<void> {
  const keys = limitKeys(address).map((key) => limiter.limit({ key: prefix + key }))
  const answers = await withinTime(Promise.all(keys), RATE_LIMIT_MS)
  if (answers.every(({ success }) => success)) return
  throw new Denial('rate_limited', { refused: { address: addressBlock(address) } })
}

/** Keys of a /56 and of a /48. */
const SHARES = [2, 4] as const

function limitKeys(address: string | null): readonly string[] {
  const [block = '', ...wider] = addressBlocks(address)
  if (wider.length === 0) return [block]
  const share = sha256(block).charCodeAt(0)
  return [block, ...wider.map((each, at) => `${each} ${share % (SHARES[at] ?? 1)}`)]
}

/** A client's address as a limit counts it: IPv6 by its /64, which is the least that one subscriber has. */
export function addressBlock(address: string | null): string {
  return addressBlocks(address)[0] ?? 'unknown'
}

/** The /48 of a block that is a /64; `null` of every other. */
export function networkOf(block: string): string | null {
  return block.endsWith('::/64') ? `${block.split(':').slice(0, 3).join(':')}::/48` : null
}

/** The blocks of an address, the narrowest first: of IPv6 its /64, /56 and /48, of IPv4 the address alone. */
export function addressBlocks(address: string | null): readonly string[] {
  if (address === null) return ['unknown']
  if (!address.includes(':')) return [address]
  const mapped = MAPPED.exec(address)?.[1]
  if (mapped !== undefined) return [mapped]
  const groups = groupsOf(address)
  if (isMapped(groups)) return [dottedOf(groups)]
  const [first = 0, second = 0, third = 0, fourth = 0] = groups
  const site = [first, second, third].map(hex).join(':')
  return [`${site}:${hex(fourth)}::/64`, `${site}:${hex(fourth & 0xff00)}::/56`, `${site}::/48`]
}

/** RFC 4291 §2.5.5.2: an IPv4 address in IPv6, as it is written as a rule. */
const MAPPED = /^(?:0*:)*:?ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i

/** The eight groups of an IPv6 address (RFC 4291 §2.2). */
function groupsOf(address: string): readonly number[] {
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? []
  const left = head.split(':').filter((group) => group !== '')
  const right = (tail ?? '').split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : group || []))
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16))
}

function isMapped(groups: readonly number[]): boolean {
  return groups.length === 8 && groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
}

function dottedOf(groups: readonly number[]): string {
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join('.')
}

function hex(group: number): string {
  return group.toString(16)
}
