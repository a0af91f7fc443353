// Tokens that an OpenID provider makes for the gateway as its client: what holds for ID tokens and logout tokens alike.

import type { Provider } from '../config/config.ts'
import { ASYMMETRIC } from '../config/issuers.ts'
import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import type { Clock } from './claims.ts'
import { checkAudience, checkTimes } from './claims.ts'
import type { ParsedToken } from './grammar.ts'
import { parseToken } from './grammar.ts'
import type { IssuerKeys, KeySource } from './jwks.ts'
import { verifySignature } from './verify.ts'

export interface Relying extends Clock {
  readonly provider: Provider
  readonly issuerKeys: IssuerKeys
  readonly waitUntil: (work: Promise<unknown>) => void
}

/**
 * Grammar, issuer, key and signature, then audience and times (OpenID Connect Core 1.0 §3.1.3.7, Back-Channel Logout 1.0 §2.6).
 * Does NOT look at what makes it an ID token or a logout token; id-token and logout-token do.
 * @throws Denial `invalid_token`, or `issuer_unavailable` where the provider's keys cannot be had
 */
export async function verifyProviderToken(token: string, relying: Relying): Promise<ParsedToken> {
  const { provider, issuerKeys, waitUntil } = relying
  const parsed = parseToken(token)
  if (parsed.issuer !== provider.issuer) throw refusedClaim('iss')
  const key = await issuerKeys.find(keySourceOf(provider), parsed.kid, waitUntil)
  await verifySignature(parsed, key)
  checkAudience(parsed.payload['aud'], [provider.clientId])
  checkTimes(parsed.payload, relying)
  return parsed
}

/** `sub` as users' ids are written, so that it can stand in rows and logs. @throws Denial `invalid_token` */
export function readSubject({ sub }: JsonObject): string {
  if (typeof sub !== 'string' || !/^[!-~]{1,255}$/.test(sub)) throw refusedClaim('sub')
  return sub
}

/** `sid`, the provider's own session; `null` where the token names none. @throws Denial `invalid_token` */
export function readProviderSession({ sid }: JsonObject): string | null {
  if (sid === undefined) return null
  if (typeof sid !== 'string' || !/^[ -~]{1,255}$/.test(sid)) throw refusedClaim('sid')
  return sid
}

/** The refusal of a token by one of its claims. */
export function refusedClaim(check: string): Denial {
  return new Denial('invalid_token', { reason: `claim:${check}` })
}

/** Always the same object for a provider: what is known of its keys hangs on it. */
function keySourceOf(provider: Provider): KeySource {
  const known = sources.get(provider)
  if (known !== undefined) return known
  const source = { issuer: provider.issuer, jwksUri: null, algorithms: ASYMMETRIC, secret: null }
  sources.set(provider, source)
  return source
}

const sources = new WeakMap<Provider, KeySource>()
