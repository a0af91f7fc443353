// Who may ask D1 about a client: an address that guesses is slowed down, one from which the client comes is not.

import { addressBlock, enforceAddressRate } from '../rate-limit.ts'
import type { Exchange, Runtime } from '../runtime.ts'

/** Seconds for which an address is known as one that a client comes from. */
const KNOWN_FOR = 600
const CAPACITY = 1000

/** When each client was last proved from each address, as this isolate has seen it; the oldest is forgotten first. */
const places = new WeakMap<Runtime, Map<string, number>>()

/**
 * Counts an attempt to be a client where SIGN_IN_LIMIT is bound, apart from attempts to sign in.
 * @throws Denial `rate_limited`
 */
export async function enforceClientLimit(exchange: Exchange, clientId: string): Promise<void> {
  const { runtime, clientAddress } = exchange
  const limiter = runtime.findRateLimit('SIGN_IN_LIMIT')
  const provedAt = places.get(runtime)?.get(placeOf(exchange, clientId)) ?? Number.NEGATIVE_INFINITY
  if (limiter === null || runtime.now() - provedAt < KNOWN_FOR) return
  await enforceAddressRate(limiter, clientAddress, 'client ')
}

/** Remembers that a client was just proved from where this request comes. */
export function rememberPlace(exchange: Exchange, clientId: string): void {
  const { runtime } = exchange
  const known = places.get(runtime) ?? new Map<string, number>()
  places.set(runtime, known)
  known.delete(placeOf(exchange, clientId))
  known.set(placeOf(exchange, clientId), runtime.now())
  const [oldest] = known.keys()
  if (known.size > CAPACITY && oldest !== undefined) known.delete(oldest)
}

function placeOf({ clientAddress }: Exchange, clientId: string): string {
  return `${clientId} ${addressBlock(clientAddress)}`
}
