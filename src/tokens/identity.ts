// What a verified credential proves.

import { isObject } from '../json.ts'

export interface Identity {
  readonly issuer: string
  /** Of another issuer: with the issuer's `subject_prefix`. */
  readonly subject: string
  /** `sub` as the issuer wrote it. */
  readonly issuerSubject: string
  /** `sid` of the gateway's own tokens; `null` for clients that act for themselves, and for other issuers. */
  readonly session: string | null
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
  /** Every claim of the token, the registered ones included; `sub` is `subject`. */
  readonly claims: Readonly<Record<string, unknown>>
  /** Unix seconds of the sign-in, where the token says. */
  readonly authTime: number | null
  /** Unix seconds, `exp` of the token. */
  readonly expiresAt: number
  /** `ver` of the gateway's own tokens; `null` for other issuers. */
  readonly version: number | null
}

/**
 * The claim of a name, or, where no claim has that very name, at that path (`realm_access.roles`).
 * Only own members count, so no name reaches into a prototype.
 */
export function findClaim(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  return name
    .split('.')
    .reduce<unknown>((value, part) => (isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined), claims)
}
