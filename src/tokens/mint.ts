// Tokens that the gateway signs.

import { randomText } from '../crypto.ts'
import type { JsonObject } from '../json.ts'
import { parseJsonObject } from '../json.ts'
import type { KeyRing } from './keys.ts'
import { sign } from './signature.ts'

/** What an access token says of a client that acts for itself. */
export interface ClientClaims {
  readonly issuer: string
  readonly audience: string
  readonly subject: string
  readonly clientId: string
  /** Unix seconds, like the other times. */
  readonly issuedAt: number
  readonly expiresAt: number
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
  readonly version: number
  /** The subject's custom claims. */
  readonly claims: JsonObject
}

/** What it says of somebody who has signed in. */
export interface AccessClaims extends ClientClaims {
  readonly authTime: number
  readonly amr: readonly string[]
  readonly session: string
}

export interface Profile {
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: JsonObject
}

/** Names that a custom claim may not take: what the gateway mints, and what verifiers read a meaning into. */
export const RESERVED_CLAIMS: ReadonlySet<string> = new Set([
  'iss',
  'sub',
  'sub_id',
  'aud',
  'exp',
  'nbf',
  'iat',
  'jti',
  'client_id',
  'auth_time',
  'acr',
  'amr',
  'azp',
  'scope',
  'roles',
  'sid',
  'ver',
  'act',
  'may_act',
  'cnf',
  'events',
  'nonce',
  '__proto__',
])

/** Of roles, scopes and custom claims together, as JSON. */
export const MAX_PROFILE_BYTES = 1536

/** An access token (RFC 9068 §2) by the ring's first key. Custom claims never take a reserved name. */
export function mintAccessToken(ring: KeyRing, claims: AccessClaims): Promise<string> {
  const { authTime, amr, session } = claims
  return signJwt(ring, 'at+jwt', { ...payloadOf(claims), auth_time: authTime, amr, sid: session })
}

/** The same of a client that acts for itself: nobody has signed in, and there is no session (RFC 9068 §2.2.1). */
export function mintClientToken(ring: KeyRing, claims: ClientClaims): Promise<string> {
  return signJwt(ring, 'at+jwt', payloadOf(claims))
}

function payloadOf(claims: ClientClaims): JsonObject {
  const custom = Object.entries(claims.claims).filter(([name]) => !RESERVED_CLAIMS.has(name))
  return {
    ...Object.fromEntries(custom),
    iss: claims.issuer,
    sub: claims.subject,
    aud: claims.audience,
    exp: claims.expiresAt,
    iat: claims.issuedAt,
    jti: randomText(16),
    client_id: claims.clientId,
    scope: claims.scopes.join(' '),
    roles: claims.roles,
    ver: claims.version,
  }
}

/** A JWT of a type (RFC 8725 §3.11) by the ring's first key, in compact serialisation (RFC 7515 §7.1). Does NOT look at the payload. */
export async function signJwt({ signing }: KeyRing, typ: string, payload: JsonObject): Promise<string> {
  const { alg, kid, key, parameters } = signing
  const input = `${segmentOf({ alg, kid, typ })}.${segmentOf(payload)}`
  return `${input}.${await sign(input, key, parameters)}`
}

function segmentOf(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** What is wrong with a user's roles, scopes and custom claims, or `null`: whatever passes here can always be minted. */
export function profileProblem(profile: Profile): string | null {
  const { roles, scopes, claims } = profile
  if (!scopes.every(isScope)) return 'a scope must be printable ASCII without spaces, quotes and backslashes'
  if (!roles.every(isRole)) return 'a role must be a text without spaces, commas and control characters'
  if (Object.keys(claims).some((name) => name === '' || RESERVED_CLAIMS.has(name))) return 'a claim has a reserved name'
  const json = JSON.stringify({ roles, scopes, claims })
  if (Buffer.byteLength(json) > MAX_PROFILE_BYTES) return 'roles, scopes and claims together exceed 1.5 KB'
  return parseJsonObject(json) === null ? 'claims are nested too deep' : null
}

/** RFC 6749 §3.3: `scope-token`. */
function isScope(text: string): boolean {
  return /^[!#-[\]-~]+$/.test(text)
}

function isRole(text: string): boolean {
  return text.isWellFormed() && /^[^\s,\p{Cc}]+$/u.test(text)
}
