// A route's rate limit: who this isolate does not know is limited by address before anything is asked about them.

import type { Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { parseApiKey } from '../keys/format.ts'
import { enforceAddressRate, enforceRateLimit } from '../rate-limit.ts'
import type { Exchange } from '../runtime.ts'
import { parseSessionToken } from '../sessions/session-token.ts'
import type { Identity } from '../tokens/identity.ts'
import type { Authenticated } from './authenticate.ts'
import type { Credential } from './credential.ts'
import { findCurrent } from './verified.ts'

type Subject = Pick<Identity, 'issuer' | 'subject'>

/** The route's binding; `null` where it has no `rate_limit`. @throws Denial `misconfigured` */
export function findRouteLimit({ runtime }: Exchange, { rateLimit }: Route): RateLimit | null {
  if (rateLimit === null) return null
  const limiter = runtime.findRateLimit(rateLimit)
  if (limiter === null) throw new Denial('misconfigured', { reason: 'rate-limit binding is missing' })
  return limiter
}

/** @throws Denial `rate_limited` */
export function limitByAddress({ clientAddress }: Exchange, limiter: RateLimit): Promise<void> {
  return enforceAddressRate(limiter, clientAddress, 'address ')
}

/**
 * What `judge` gives, within the limit. A credential that this isolate knows is limited by its subject, with one call. Any
 * other is limited by the client's address before `judge` asks D1 or KV or verifies a signature, and by the subject that
 * `judge` finds. A refusal of a known one counts against the address.
 * @throws Denial `rate_limited`, and what `judge` throws
 */
export async function judgeWithin(
  exchange: Exchange,
  limiter: RateLimit,
  credential: Credential,
  judge: () => Promise<Authenticated> | Authenticated,
): Promise<Authenticated> {
  const known = findKnown(exchange, credential)
  if (known === null) {
    await limitByAddress(exchange, limiter)
    const authenticated = await judge()
    if (authenticated.identity !== null) await limitBySubject(limiter, authenticated.identity)
    return authenticated
  }
  await limitBySubject(limiter, known)
  return countRefusal(exchange, limiter, judge)
}

/** Counts against the address what `step` refuses. @throws Denial `rate_limited`, and what `step` throws */
export async function countRefusal<T>(exchange: Exchange, limiter: RateLimit, step: () => Promise<T> | T): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (error instanceof Denial && error.status < 404) await limitByAddress(exchange, limiter)
    throw error
  }
}

function limitBySubject(limiter: RateLimit, { issuer, subject }: Subject): Promise<void> {
  return enforceRateLimit(limiter, `${issuer} ${subject}`)
}

/**
 * The subject of a credential that this isolate has proved before; `null` for every other, also for one that has ended: a
 * copy of it must not use up the limit of its user. Does NOT look at its revocation.
 */
function findKnown({ runtime }: Exchange, credential: Credential): Subject | null {
  if (credential.kind === 'none') return null
  if (credential.kind === 'bearer') return findCurrent(runtime, credential.token)
  if (credential.kind === 'api-key') {
    const key = parseApiKey(credential.key)
    return key === null || runtime.apiKeys.isRefused(key.digest) ? null : runtime.apiKeys.find(key.digest)
  }
  const { access, session } = credential
  const identity = access === null ? null : findCurrent(runtime, access)
  if (identity === null || session === null) return null
  return parseSessionToken(runtime.sessionKeys, 'c', session)?.sessionId === identity.session ? identity : null
}
