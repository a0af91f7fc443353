// What a token says, once its signature is known to be good: every claim of its right type, or no identity at all.

import type { Issuer } from '../config/config.ts'
import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import { resemblesReservedId } from '../reserved-ids.ts'
import type { Statement } from './grammar.ts'
import type { Identity } from './identity.ts'
import { findClaim } from './identity.ts'

/** Characters. */
const MAX_SUBJECT = 255

export interface Clock {
  /** Unix seconds. */
  readonly now: number
  readonly clockSkew: number
}

/**
 * The identity in an access token of the gateway's own (RFC 9068 §2.2, and DESIGN §4 for `sid`, `ver`): of a session, or
 * of a client that acts for itself.
 * @throws Denial `invalid_token`
 */
export function readOwnClaims({ typ, payload, issuer }: Statement, audience: string, clock: Clock): Identity {
  if (typ !== 'at+jwt') throw refused('typ')
  checkAudience(payload['aud'], [audience])
  const expiresAt = checkTimes(payload, clock)
  requireText(payload, 'jti')
  const subject = requireSubject(payload, /^[!-~]+$/)
  return {
    issuer,
    subject,
    issuerSubject: subject,
    ...readSignIn(payload, subject, clock),
    scopes: words(requireString(payload, 'scope')),
    roles: requireTexts(payload, 'roles'),
    claims: Object.freeze(payload),
    expiresAt,
    version: requireInteger(payload, 'ver'),
  }
}

/** Of a client that is its own subject nobody has signed in; neither kind of token passes for the other (RFC 9700 §4.15). */
function readSignIn(payload: JsonObject, subject: string, clock: Clock): Pick<Identity, 'session' | 'authTime'> {
  const clientId = requireText(payload, 'client_id')
  if (!subject.startsWith('cli_')) {
    requireTexts(payload, 'amr')
    return { session: requireText(payload, 'sid'), authTime: requirePast(payload, 'auth_time', clock) }
  }
  if (clientId !== subject) throw refused('client_id')
  const other = ['sid', 'auth_time', 'amr'].find((name) => payload[name] !== undefined)
  if (other !== undefined) throw refused(other)
  return { session: null, authTime: null }
}

/**
 * The identity in a token of another issuer, by what its configuration entry asks.
 * @throws Denial `invalid_token`
 */
export function readIssuerClaims({ typ, payload }: Statement, issuer: Issuer, clock: Clock): Identity {
  if (issuer.acceptUntil !== null && clock.now >= issuer.acceptUntil) throw refused('accept_until')
  if (!issuer.types.includes(typ ?? '')) throw refused('typ')
  checkAudience(payload[issuer.audienceClaim], issuer.audience)
  const expiresAt = checkTimes(payload, clock)
  if (expiresAt - requireInteger(payload, 'iat') > issuer.maxLifetime) throw refused('lifetime')
  const issuerSubject = requireSubject(payload, /^\P{Cc}+$/u)
  const subject = prefixSubject(issuer, issuerSubject)
  return {
    issuer: issuer.issuer,
    subject,
    issuerSubject,
    session: null,
    scopes: wordsOrTexts(findClaim(payload, issuer.scopeClaim), 'scope'),
    roles: issuer.rolesClaim === null ? [] : wordsOrTexts(findClaim(payload, issuer.rolesClaim), 'roles'),
    claims: Object.freeze({ ...payload, sub: subject }),
    authTime: payload['auth_time'] === undefined ? null : requirePast(payload, 'auth_time', clock),
    expiresAt,
    version: null,
  }
}

/** No subject of another issuer may look like an id of the gateway's own, whatever stands before it. */
function prefixSubject({ subjectPrefix }: Issuer, issuerSubject: string): string {
  const subject = `${subjectPrefix ?? ''}${issuerSubject}`
  if (subject.length > MAX_SUBJECT || resemblesReservedId(subject)) throw refused('sub')
  return subject
}

/** What a client's assertion proves besides who it is. */
export interface AssertionProof {
  readonly jti: string
  /** Unix seconds. */
  readonly expiresAt: number
}

/** RFC 7523 names no type; a token of the gateway's own has another, and never passes for this one (RFC 8725 §3.11). */
const ASSERTION_TYPES: ReadonlySet<string | null> = new Set([null, 'jwt', 'client-authentication+jwt'])
/** Seconds that an assertion may still have to live, so that a replay need not be remembered for longer. */
const ASSERTION_LIFETIME = 300

/**
 * What a client's assertion says (RFC 7523 §3): issuer and subject are the client, and one audience is all it has, so
 * that nobody else whom it was sent to can send it here.
 * @throws Denial `invalid_token`
 */
export function readAssertionClaims(
  { typ, payload }: Statement,
  clientId: string,
  audiences: readonly string[],
  clock: Clock,
): AssertionProof {
  if (!ASSERTION_TYPES.has(typ)) throw refused('typ')
  const foreign = ['iss', 'sub'].find((name) => payload[name] !== clientId)
  if (foreign !== undefined) throw refused(foreign)
  if (Array.isArray(payload['aud']) && payload['aud'].length !== 1) throw refused('aud')
  checkAudience(payload['aud'], audiences)
  const expiresAt = requireInteger(payload, 'exp')
  if (expiresAt <= clock.now - clock.clockSkew) throw refused('expired')
  if (expiresAt > clock.now + ASSERTION_LIFETIME + clock.clockSkew) throw refused('lifetime')
  for (const name of ['iat', 'nbf']) if (payload[name] !== undefined) requirePast(payload, name, clock)
  return { jti: requireText(payload, 'jti'), expiresAt }
}

/** RFC 7519 §4.1.3: one text or an array of texts, one of which is ours. @throws Denial `invalid_token` */
export function checkAudience(value: unknown, ours: readonly string[]): void {
  const named = typeof value === 'string' ? [value] : value
  if (!isTexts(named) || !named.some((name) => ours.includes(name))) throw refused('aud')
}

/** `exp`, with `iat` and `nbf` looked at as well (RFC 7519 §4.1.4 to §4.1.6; RFC 8725bis wants integers). @throws Denial `invalid_token` */
export function checkTimes(payload: JsonObject, clock: Clock): number {
  const expiresAt = requireInteger(payload, 'exp')
  if (expiresAt <= clock.now - clock.clockSkew) throw refused('expired')
  requirePast(payload, 'iat', clock)
  if (payload['nbf'] !== undefined) requirePast(payload, 'nbf', clock)
  return expiresAt
}

function requirePast(payload: JsonObject, name: string, { now, clockSkew }: Clock): number {
  const time = requireInteger(payload, name)
  if (time > now + clockSkew) throw refused(name)
  return time
}

function requireInteger(payload: JsonObject, name: string): number {
  const value = payload[name]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw refused(name)
  return value
}

function requireSubject(payload: JsonObject, grammar: RegExp): string {
  const subject = requireText(payload, 'sub')
  if (subject.length > MAX_SUBJECT || !grammar.test(subject)) throw refused('sub')
  return subject
}

function requireText(payload: JsonObject, name: string): string {
  const text = requireString(payload, name)
  if (text === '') throw refused(name)
  return text
}

function requireString(payload: JsonObject, name: string): string {
  const value = payload[name]
  if (!isText(value)) throw refused(name)
  return value
}

function requireTexts(payload: JsonObject, name: string): readonly string[] {
  const value = payload[name]
  if (!isTexts(value)) throw refused(name)
  return value
}

/** Absent is none; another type than a text or an array of texts is refused, so that nothing is half understood. */
function wordsOrTexts(value: unknown, name: string): readonly string[] {
  if (value === undefined) return []
  if (isText(value)) return words(value)
  if (isTexts(value)) return value
  throw refused(name)
}

function words(text: string): readonly string[] {
  return text.split(' ').filter((word) => word !== '')
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText)
}

/** A lone surrogate has no UTF-8 form, so no header could ever carry it. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed()
}

function refused(check: string): Denial {
  return new Denial('invalid_token', { reason: `claim:${check}` })
}
