// The members of a JSON Web Key that matter to its type, and no others (RFC 7517, RFC 7518 §6, RFC 8037).

import type { JWK } from 'jose'

import type { JsonObject } from '../json.ts'

/** `RSA`, or the key type and curve of the others: `EC P-256`, `OKP Ed25519`. */
export function keyTypeOf({ kty, crv }: JsonObject): string | null {
  if (typeof kty !== 'string') return null
  if (kty === 'RSA') return kty
  return typeof crv === 'string' ? `${kty} ${crv}` : null
}

/** The public half, or `null` where a member is missing or no text. */
export function publicMembers({ kty, crv, n, e, x, y }: JsonObject): JWK | null {
  if (kty === 'RSA') return isText(n) && isText(e) ? { kty, n, e } : null
  if (kty === 'EC') return isText(crv) && isText(x) && isText(y) ? { kty, crv, x, y } : null
  if (kty === 'OKP') return isText(crv) && isText(x) ? { kty, crv, x } : null
  return null
}

/** Both halves, or `null` where a member is missing or no text. */
export function privateMembers(jwk: JsonObject): JWK | null {
  const open = publicMembers(jwk)
  const { d, p, q, dp, dq, qi } = jwk
  if (open === null || !isText(d)) return null
  if (open.kty !== 'RSA') return { ...open, d }
  return isText(p) && isText(q) && isText(dp) && isText(dq) && isText(qi) ? { ...open, d, p, q, dp, dq, qi } : null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
