// A token's identity, from this isolate's memory where it has been verified before.

import type { Issuer, Route } from '../config/config.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { Remembered } from '../tokens/memory.ts'
import { verifyToken } from '../tokens/verify.ts'

/** Whose tokens may pass. */
export type AcceptedIssuers = Pick<Route, 'acceptsSelf' | 'issuers'>

/**
 * Verifies a token, or finds it verified: expiry, the issuer's place on this route and the key are looked at every time.
 * Does NOT look at its revocation; judgeStanding does.
 * @throws Denial `invalid_token`, or `issuer_unavailable` where its issuer's keys cannot be had.
 */
export async function verifyRemembered(
  { runtime, waitUntil }: Exchange,
  token: string,
  accepted: AcceptedIssuers,
): Promise<Remembered> {
  const remembered = runtime.tokens.find(token)
  if (remembered !== null && (await stillHolds(runtime, remembered, accepted, waitUntil))) return remembered
  const { config, keys, issuerKeys } = runtime
  const verified = await verifyToken(token, {
    self: accepted.acceptsSelf ? { issuer: config.issuer, audience: config.audience, keys } : null,
    issuers: accepted.issuers,
    findIssuerKey: (issuer, kid) => issuerKeys.find(issuer, kid, waitUntil),
    now: runtime.now(),
    clockSkew: config.tokens.clockSkew,
  })
  const fresh = { ...verified, ended: false }
  runtime.tokens.remember(token, fresh)
  return fresh
}

/** A remembered token that no longer holds is verified anew, which finds the reason and refuses it. */
function stillHolds(
  { config, issuerKeys, now }: Runtime,
  { identity, key }: Remembered,
  { acceptsSelf, issuers }: AcceptedIssuers,
  waitUntil: Exchange['waitUntil'],
): Promise<boolean> | boolean {
  if (identity.expiresAt <= now() - config.tokens.clockSkew) return false
  if (identity.issuer === config.issuer) return acceptsSelf
  const issuer = issuers.find((entry) => entry.issuer === identity.issuer)
  if (issuer === undefined || !isAccepted(issuer, now())) return false
  return issuerKeys.find(issuer, key.kid, waitUntil).then((current) => current === key)
}

function isAccepted({ acceptUntil }: Issuer, now: number): boolean {
  return acceptUntil === null || now < acceptUntil
}
