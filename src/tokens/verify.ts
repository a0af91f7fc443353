// From a token to who it proves: grammar, issuer, key, signature, claims, in this order.

import type { Issuer } from '../config/config.ts'
import { Denial } from '../denial.ts'
import type { Clock } from './claims.ts'
import { readIssuerClaims, readOwnClaims } from './claims.ts'
import type { ParsedToken } from './grammar.ts'
import { parseToken } from './grammar.ts'
import type { Identity } from './identity.ts'
import type { KeyRing, VerificationKey } from './keys.ts'
import { isSignedBy } from './signature.ts'

export interface Accepted extends Clock {
  /** `null`: the gateway's own tokens may not pass. */
  readonly self: Self | null
  readonly issuers: readonly Issuer[]
  /** `null`: that issuer has no such key. */
  readonly findIssuerKey: (issuer: Issuer, kid: string | null) => Promise<VerificationKey | null>
}

export interface Self {
  readonly issuer: string
  readonly audience: string
  readonly keys: KeyRing
}

export interface Verified {
  readonly identity: Identity
  /** The key that verified it. */
  readonly key: VerificationKey
}

/**
 * Verifies an access token. `iss` picks whose keys may be used, the key picks the algorithm (RFC 8725 §3.1, §3.8),
 * and no claim is looked at before the signature is good (ASVS 9.1.1).
 * Does NOT ask whether it has been revoked; gateway/revocation does.
 * @throws Denial `invalid_token`, or what `findIssuerKey` throws
 */
export function verifyToken(token: string, accepted: Accepted): Promise<Verified> {
  const parsed = parseToken(token)
  const { self, issuers } = accepted
  if (self !== null && parsed.issuer === self.issuer) return verifyOwn(parsed, self, accepted)
  const issuer = issuers.find((entry) => entry.issuer === parsed.issuer)
  if (issuer === undefined) throw refused('issuer')
  return verifyIssuer(parsed, issuer, accepted)
}

async function verifyOwn(parsed: ParsedToken, { audience, keys }: Self, clock: Clock): Promise<Verified> {
  const key = parsed.kid === null ? undefined : keys.verification.get(parsed.kid)
  const verified = await verifySignature(parsed, key)
  return { identity: readOwnClaims(parsed, audience, clock), key: verified }
}

async function verifyIssuer(parsed: ParsedToken, issuer: Issuer, accepted: Accepted): Promise<Verified> {
  const key = await verifySignature(parsed, await accepted.findIssuerKey(issuer, parsed.kid))
  return { identity: readIssuerClaims(parsed, issuer, accepted), key }
}

/** The key decides which algorithm may have been used, and how (RFC 8725 §3.1). @throws Denial `invalid_token` */
export async function verifySignature(
  { alg, signingInput, signature }: ParsedToken,
  key: VerificationKey | null | undefined,
): Promise<VerificationKey> {
  if (key === null || key === undefined) throw refused('kid')
  if (!key.algorithms.includes(alg)) throw refused('algorithm')
  const isGood = await isSignedBy(key.key, key.parameters, signingInput, signature).catch((cause: unknown) => {
    throw refused('signature', cause)
  })
  if (!isGood) throw refused('signature')
  return key
}

function refused(reason: string, cause?: unknown): Denial {
  return new Denial('invalid_token', { reason, cause })
}
