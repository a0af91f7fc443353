// ID tokens: who has signed in at a provider (OpenID Connect Core 1.0 §2 and §3.1.3.7).

import type { JsonObject } from '../json.ts'
import type { Relying } from './provider-token.ts'
import { readProviderSession, readSubject, refusedClaim, verifyProviderToken } from './provider-token.ts'

export interface SignedIn {
  readonly subject: string
  /** The provider's own session, where it names it. */
  readonly session: string | null
  /** Unix seconds of the sign-in at the provider, where it says. */
  readonly authTime: number | null
  /** Unix seconds at which the provider said so. */
  readonly issuedAt: number
  /** How, by RFC 8176, where it says. */
  readonly amr: readonly string[]
}

/**
 * Who signed in, by an ID token that was asked for with this nonce.
 * Does NOT compare `at_hash`: the access token is not used.
 * @throws Denial `invalid_token`, or `issuer_unavailable` where the provider's keys cannot be had
 */
export async function verifyIdToken(token: string, relying: Relying, nonce: string): Promise<SignedIn> {
  const { payload } = await verifyProviderToken(token, relying)
  if (payload['nonce'] !== nonce) throw refusedClaim('nonce')
  checkAuthorizedParty(payload, relying.provider.clientId)
  return {
    subject: readSubject(payload),
    session: readProviderSession(payload),
    authTime: readAuthTime(payload, relying.now),
    issuedAt: Number(payload['iat']),
    amr: readMethods(payload),
  }
}

/** A token for several must say that it was made for us (§2, `azp`). */
function checkAuthorizedParty({ aud, azp }: JsonObject, clientId: string): void {
  const isForOthers = Array.isArray(aud) && aud.length > 1
  if (azp === undefined ? isForOthers : azp !== clientId) throw refusedClaim('azp')
}

/** A provider whose clock is ahead has not signed anybody in tomorrow. */
function readAuthTime({ auth_time: authTime }: JsonObject, now: number): number | null {
  if (typeof authTime !== 'number' || !Number.isSafeInteger(authTime) || authTime < 0) return null
  return Math.min(authTime, now)
}

/** They become a claim of access tokens, which cookies carry: a list that is too long or odd says nothing. */
function readMethods({ amr }: JsonObject): readonly string[] {
  const methods: readonly unknown[] = Array.isArray(amr) ? amr : []
  const known = methods.filter((method) => typeof method === 'string' && /^[!-~]{1,32}$/.test(method))
  return known.length === methods.length && known.length <= 10 ? known.map(String) : []
}
