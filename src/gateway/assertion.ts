// The signed form of an identity, for one upstream and one minute (DESIGN §5.8).

import type { Route } from '../config/config.ts'
import type { Identity } from '../tokens/identity.ts'
import type { KeyRing } from '../tokens/keys.ts'
import { RESERVED_CLAIMS, signJwt } from '../tokens/mint.ts'

export interface Assertions {
  /** The JWT of the identity for the route's upstream; `now` in unix seconds. */
  readonly for: (identity: Identity, route: Route, now: number) => Promise<string> | string
}

interface Signed {
  readonly jwt: string
  readonly expiresAt: number
}

/** Seconds that an assertion lives, and those that it must have left when it is sent. */
const LIFETIME = 60
const LEAST_LEFT = 30

/**
 * Makes assertions by the ring's first key: `typ` `gatehouse+jwt`, `aud` `upstream:<origin>`, with the identity's
 * claims and, because users of different issuers may share a `sub`, whose it is (`sub_id`, RFC 9493 §3.2.3).
 * One identity object gets the same assertion again as long as it has 30 s left.
 */
export function createAssertions(ring: KeyRing, issuer: string): Assertions {
  const signed = new WeakMap<Identity, Map<string, Signed>>()

  async function renew(identity: Identity, origin: string, now: number): Promise<string> {
    const times = { iat: now, exp: now + LIFETIME }
    const payload = { ...identityClaims(identity), iss: issuer, aud: `upstream:${origin}`, ...times }
    const jwt = await signJwt(ring, 'gatehouse+jwt', payload)
    const byOrigin = signed.get(identity) ?? new Map<string, Signed>()
    signed.set(identity, byOrigin.set(origin, { jwt, expiresAt: times.exp }))
    return jwt
  }

  return {
    for: (identity, route, now) => {
      const known = signed.get(identity)?.get(route.upstream.origin)
      return known !== undefined && isFresh(known, now) ? known.jwt : renew(identity, route.upstream.origin, now)
    },
  }
}

/** A clock that was set back makes a new one, so that none lives longer than it should. */
function isFresh({ expiresAt }: Signed, now: number): boolean {
  const left = expiresAt - now
  return left >= LEAST_LEFT && left <= LIFETIME
}

function identityClaims(identity: Identity): Readonly<Record<string, unknown>> {
  const { amr, client_id: clientId } = identity.claims
  return {
    ...customClaims(identity),
    sub: identity.subject,
    sub_id: { format: 'iss_sub', iss: identity.issuer, sub: identity.issuerSubject },
    ...(identity.session === null ? {} : { sid: identity.session }),
    ...(identity.scopes.length === 0 ? {} : { scope: identity.scopes.join(' ') }),
    ...(identity.roles.length === 0 ? {} : { roles: identity.roles }),
    ...(identity.authTime === null ? {} : { auth_time: identity.authTime }),
    ...(isTexts(amr) ? { amr } : {}),
    ...(typeof clientId === 'string' ? { client_id: clientId } : {}),
  }
}

/** Does NOT pass on what belongs to the token that came in, such as its `jti`, its `nonce` or its key (`cnf`). */
function customClaims({ claims }: Identity): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !RESERVED_CLAIMS.has(name)))
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((member) => typeof member === 'string')
}
