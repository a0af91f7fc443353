// What a token must look like before any cryptography: one strict form, so that every reader reads the same.

import { decodeBase64url } from '../crypto.ts'
import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import { decodeUtf8, parseJsonObject } from '../json.ts'

/** What a token says. */
export interface Statement {
  readonly header: JsonObject
  readonly payload: JsonObject
  readonly alg: string
  readonly kid: string | null
  /** Lower-case, without `application/` (RFC 7515 §4.1.9). */
  readonly typ: string | null
  /** `iss`: says only whose keys to try. */
  readonly issuer: string
}

export interface ParsedToken extends Statement {
  /** What the signature is over: header and payload as they came (RFC 7515 §2). */
  readonly signingInput: string
  readonly signature: Uint8Array
}

const MAX_CHARACTERS = 8192

/** Header members that change how a token is read, or bring keys along (RFC 7515 §4.1, RFC 7797, RFC 8725 §3.10). */
const REFUSED_MEMBERS = ['crit', 'b64', 'jku', 'jwk', 'x5u', 'x5c', 'zip']

/**
 * Reads a signed token in compact serialisation: three segments of canonical base64url (RFC 7515 §7.1), header and
 * payload UTF-8 JSON objects without duplicate keys. Five segments (JWE) are refused.
 * Does NOT verify anything; nothing in the result may be believed before verifyToken has.
 * @throws Denial `invalid_token`
 */
export function parseToken(token: string): ParsedToken {
  if (token.length > MAX_CHARACTERS) throw malformed('length')
  const segments = token.split('.', 4)
  const [first = '', second = '', third = ''] = segments
  if (segments.length !== 3) throw malformed('segments')
  const signature = decodeBase64url(third)
  if (third === '' || signature === null) throw malformed('signature')
  const header = parseHeader(first)
  const payload = parseSegment(second)
  if (payload === null) throw malformed('payload')
  const { iss: issuer } = payload
  if (typeof issuer !== 'string') throw malformed('iss')
  return { ...header, payload, issuer, signingInput: `${first}.${second}`, signature }
}

type ParsedHeader = Pick<Statement, 'header' | 'alg' | 'kid' | 'typ'>

/** All tokens of one key have the same header. */
const headers = new Map<string, ParsedHeader>()
const MAX_HEADERS = 100

function parseHeader(segment: string): ParsedHeader {
  const known = headers.get(segment)
  if (known !== undefined) return known
  const parsed = readHeader(segment)
  if (headers.size >= MAX_HEADERS) headers.clear()
  headers.set(segment, parsed)
  return parsed
}

function readHeader(segment: string): ParsedHeader {
  const header = parseSegment(segment)
  if (header === null) throw malformed('header')
  const refused = REFUSED_MEMBERS.find((name) => Object.hasOwn(header, name))
  if (refused !== undefined) throw malformed(refused)
  const { alg } = header
  if (typeof alg !== 'string') throw malformed('alg')
  return { header, alg, kid: parseKeyId(header), typ: parseType(header) }
}

function parseKeyId(header: JsonObject): string | null {
  if (!Object.hasOwn(header, 'kid')) return null
  const { kid } = header
  if (typeof kid !== 'string' || kid === '') throw malformed('kid')
  return kid
}

function parseType(header: JsonObject): string | null {
  if (!Object.hasOwn(header, 'typ')) return null
  const { typ } = header
  if (typeof typ !== 'string' || !/^[!-~]+$/.test(typ)) throw malformed('typ')
  return typ.toLowerCase().replace(/^application\/(?=[^/]+$)/, '')
}

function parseSegment(segment: string): JsonObject | null {
  const bytes = decodeBase64url(segment)
  const text = bytes === null ? null : decodeUtf8(bytes)
  return text === null ? null : parseJsonObject(text)
}

function malformed(part: string): Denial {
  return new Denial('invalid_token', { reason: `malformed:${part}` })
}
