// A token's identity, from this isolate's memory where it has been verified before.

import type { Issuer, Route } from '../config/config.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { Identity } from '../tokens/identity.ts'
import type { Remembered } from '../tokens/memory.ts'
import { verifyToken } from '../tokens/verify.ts'

/** Whose tokens may pass. */
export type AcceptedIssuers = Pick<Route, 'acceptsSelf' | 'issuers'>

/**
 * A token of the gateway's own that this isolate has verified and that still holds, without waiting for anything; `null`
 * for every other. Does NOT look at its revocation, like `verifyRemembered`.
 */
export function findVerified({ runtime }: Exchange, token: string, accepted: AcceptedIssuers): Remembered | null {
  const remembered = runtime.tokens.find(token)
  if (remembered === null || !isCurrent(runtime, remembered)) return null
  return accepted.acceptsSelf && isOwn(runtime, remembered) ? remembered : null
}

/** The identity of a token that this isolate has verified and that has neither expired nor ended; `null` for every other. */
export function findCurrent(runtime: Runtime, token: string): Identity | null {
  const remembered = runtime.tokens.find(token)
  return remembered !== null && !remembered.ended && isCurrent(runtime, remembered) ? remembered.identity : null
}

/**
 * Verifies a token, or finds it verified: expiry, the issuer's place on this route and the key are looked at every time.
 * Does NOT look at its revocation; judgeStanding does.
 * @throws Denial `invalid_token`, or `issuer_unavailable` where its issuer's keys cannot be had.
 */
export function verifyRemembered(exchange: Exchange, token: string, accepted: AcceptedIssuers): Promise<Remembered> {
  const { runtime, waitUntil } = exchange
  const remembered = runtime.tokens.find(token)
  if (remembered === null) return verifyAnew(exchange, token, accepted)
  return stillHolds(runtime, remembered, accepted, waitUntil).then((holds) =>
    holds ? remembered : verifyAnew(exchange, token, accepted),
  )
}

async function verifyAnew(
  { runtime, waitUntil }: Exchange,
  token: string,
  accepted: AcceptedIssuers,
): Promise<Remembered> {
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
async function stillHolds(
  runtime: Runtime,
  remembered: Remembered,
  { acceptsSelf, issuers }: AcceptedIssuers,
  waitUntil: Exchange['waitUntil'],
): Promise<boolean> {
  if (!isCurrent(runtime, remembered)) return false
  if (isOwn(runtime, remembered)) return acceptsSelf
  const { identity, key } = remembered
  const issuer = issuers.find((entry) => entry.issuer === identity.issuer)
  if (issuer === undefined || !isAccepted(issuer, runtime.now())) return false
  return (await runtime.issuerKeys.find(issuer, key.kid, waitUntil)) === key
}

function isCurrent({ config, now }: Runtime, { identity }: Remembered): boolean {
  return identity.expiresAt > now() - config.tokens.clockSkew
}

function isOwn({ config }: Runtime, { identity }: Remembered): boolean {
  return identity.issuer === config.issuer
}

function isAccepted({ acceptUntil }: Issuer, now: number): boolean {
  return acceptUntil === null || now < acceptUntil
}
