// Logout tokens: a provider says that a session of its own, or everything of a user, is over (OpenID Connect Back-Channel Logout 1.0 §2.4).

import type { JsonObject } from '../json.ts'
import { isObject } from '../json.ts'
import type { Relying } from './provider-token.ts'
import { readProviderSession, readSubject, refusedClaim, verifyProviderToken } from './provider-token.ts'

export interface LogoutToken {
  /** At least one of both is there. */
  readonly subject: string | null
  readonly session: string | null
  readonly jti: string
  /** Unix seconds. */
  readonly issuedAt: number
  /** Unix seconds until which it could be sent again. */
  readonly expiresAt: number
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** Seconds; two minutes are the rule (§4), and replays are remembered as long as the token lives. */
const MAX_LIFETIME = 3600

/**
 * What is over, by §2.6. Its `typ` must be `logout+jwt`, so that no other token of the provider ever passes (RFC 8725 §3.11).
 * Does NOT know whether it came before; D1 does.
 * @throws Denial `invalid_token`, or `issuer_unavailable` where the provider's keys cannot be had
 */
export async function verifyLogoutToken(token: string, relying: Relying): Promise<LogoutToken> {
  const { typ, payload } = await verifyProviderToken(token, relying)
  if (typ !== 'logout+jwt') throw refusedClaim('typ')
  if (Object.hasOwn(payload, 'nonce')) throw refusedClaim('nonce')
  if (!isObject(payload['events']) || !isObject(payload['events'][EVENT])) throw refusedClaim('events')
  const subject = payload['sub'] === undefined ? null : readSubject(payload)
  const session = readProviderSession(payload)
  if (subject === null && session === null) throw refusedClaim('sub or sid')
  const { issuedAt, expiresAt } = readLife(payload)
  return { subject, session, jti: readTokenId(payload), issuedAt, expiresAt: expiresAt + relying.clockSkew }
}

function readTokenId({ jti }: JsonObject): string {
  if (typeof jti !== 'string' || !/^[ -~]{1,255}$/.test(jti)) throw refusedClaim('jti')
  return jti
}

/** Both have been checked for what they are. */
function readLife({ iat, exp }: JsonObject): Pick<LogoutToken, 'issuedAt' | 'expiresAt'> {
  const [issuedAt, expiresAt] = [Number(iat), Number(exp)]
  if (expiresAt - issuedAt > MAX_LIFETIME) throw refusedClaim('lifetime')
  return { issuedAt, expiresAt }
}
