// Credentials of the gateway's own in a header: no upstream needs them, and one that got them could use them.

import { decodeBase64url } from '../crypto.ts'
import { decodeUtf8, parseJsonObject } from '../json.ts'

/**
 * True where a header value holds a session token, a refresh token or an API key of the gateway, alone, beside a scheme,
 * or as user name or password of `Basic` (RFC 7617 §2).
 */
export function holdsOwnSecret(value: string): boolean {
  return OWN_SECRET.test(value) || OWN_SECRET.test(decodeBasic(value))
}

/**
 * True where a header value holds a JWT whose `iss` is ISSUER, wherever in it. Does NOT verify it: a token that has expired
 * here may be valid for a server that checks less.
 */
export function holdsOwnToken(value: string, issuer: string): boolean {
  return namesIssuer(value, issuer) || namesIssuer(decodeBasic(value), issuer)
}

const OWN_SECRET = /gth_(?:[a-z]_ses_|key_)/

/** The scheme's case does not matter (RFC 9110 §11.1). */
const BASIC = /^basic +([A-Za-z0-9+/_-]+)/i

/** A segment that can be a JSON object: `eyJ` is `{"`. More of them than any token has are taken for one. */
const OBJECT_SEGMENT = /\.(eyJ[\w-]*)(?=\.)/g
const MAX_SEGMENTS = 8

function decodeBasic(value: string): string {
  const encoded = BASIC.exec(value)?.[1]
  return encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('latin1')
}

function namesIssuer(text: string, issuer: string): boolean {
  const segments = text.match(OBJECT_SEGMENT) ?? []
  return segments.length > MAX_SEGMENTS || segments.some((segment) => issuerOf(segment.slice(1)) === issuer)
}

function issuerOf(segment: string): unknown {
  const bytes = decodeBase64url(segment)
  const text = bytes === null ? null : decodeUtf8(bytes)
  return text === null ? null : parseJsonObject(text)?.['iss']
}
