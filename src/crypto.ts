// Randomness, digests, base64url and base62, in the few forms the gateway needs.

import { createHash, createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'

/** `bytes` random bytes as base64url. */
export function randomText(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** So many random base62 digits, of 5.954 bits each: 43 of them hold 256 bits. */
export function randomBase62(length: number): string {
  return Array.from({ length }, () => BASE62.charAt(randomInt(BASE62.length))).join('')
}

/** A non-negative integer in base62, padded with zeros. */
export function toBase62(value: number, length: number): string {
  const digits = Array.from({ length }, (_, place) => Math.floor(value / BASE62.length ** place) % BASE62.length)
  return digits
    .map((digit) => BASE62.charAt(digit))
    .toReversed()
    .join('')
}

/** HMAC-SHA-256 as 43 characters of base64url. */
export function hmac(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}

/** SHA-256 as 43 characters of base64url. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/** Compares two texts in a time that tells nothing but whether their lengths differ. */
export function equalInConstantTime(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The bytes of a canonical base64url text (RFC 4648 §5: no padding, unused bits zero), or `null`. */
export function decodeBase64url(text: string): Uint8Array | null {
  return BASE64URL.test(text) ? Buffer.from(text, 'base64url') : null
}

/** Four characters are three bytes; of the last one of two, or of three, only the first bits are used. */
const BASE64URL = /^(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?$/
