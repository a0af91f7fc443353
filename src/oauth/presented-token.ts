// A token that somebody asks about: what it is, if it is one of ours and good as far as it can tell by itself.

import { Denial } from '../denial.ts'
import { verifyRemembered } from '../gateway/verified.ts'
import type { Exchange } from '../runtime.ts'
import type { SessionToken } from '../sessions/session-token.ts'
import { parseSessionToken } from '../sessions/session-token.ts'
import type { Identity } from '../tokens/identity.ts'

export type PresentedToken =
  | { readonly kind: 'refresh'; readonly token: SessionToken }
  | { readonly kind: 'access'; readonly identity: Identity }

/**
 * A refresh token or an access token of the gateway's own, or `null`: forged, expired, or another's. What kind it is, its
 * form tells, so that no hint is needed (RFC 7009 §2.1). Does NOT ask D1.
 */
export async function findPresented(exchange: Exchange, text: string): Promise<PresentedToken | null> {
  const token = parseSessionToken(exchange.runtime.sessionKeys, 'r', text)
  if (token !== null) return { kind: 'refresh', token }
  try {
    const { identity } = await verifyRemembered(exchange, text, { acceptsSelf: true, issuers: [] })
    return { kind: 'access', identity }
  } catch (error) {
    if (error instanceof Denial && error.code === 'invalid_token') return null
    throw error
  }
}
