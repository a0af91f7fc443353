// The text of an API key: `gth_key_<id>_<secret><checksum>`, made for secret scanners to find.

import { randomBase62, sha256, toBase62 } from '../crypto.ts'

/** What a request proves with. */
export interface PresentedKey {
  /** `key_…`, the id of the key and of its user. */
  readonly id: string
  /** SHA-256 of the whole text: what D1 and memories hold in its place. */
  readonly digest: string
}

/** Every API key begins with it, and no other credential of the gateway does. */
export const API_KEY_PREFIX = 'gth_key_'

/** 22 digits are 131 bits of id, 43 are 256 bits of secret, and 6 hold a CRC-32. */
const API_KEY = /^gth_(key_[0-9A-Za-z]{22})_[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/
const CHECKSUM_DIGITS = 6

export function createKeyId(): string {
  return `key_${randomBase62(22)}`
}

/** A key with a new secret, and what is stored of it. */
export function createKeyText(id: string): { readonly text: string; readonly digest: string } {
  const unchecked = `gth_${id}_${randomBase62(43)}`
  const text = unchecked + checksum(unchecked)
  return { text, digest: sha256(text) }
}

/**
 * What a key names, or `null` where it has a typing error or is none.
 * Does NOT know whether there is such a key: anybody can make a checksum.
 */
export function parseApiKey(text: string): PresentedKey | null {
  const id = API_KEY.exec(text)?.[1]
  if (id === undefined || checksum(text.slice(0, -CHECKSUM_DIGITS)) !== text.slice(-CHECKSUM_DIGITS)) return null
  return { id, digest: sha256(text) }
}

function checksum(text: string): string {
  return toBase62(crc32(Buffer.from(text)), CHECKSUM_DIGITS)
}

/** CRC-32 of ISO 3309, reflected. */
function crc32(bytes: Uint8Array): number {
  const rest = bytes.reduce((crc, byte) => {
    const bits = Array.from({ length: 8 })
    return bits.reduce<number>((value) => (value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1), crc ^ byte)
  }, 0xffffffff)
  return (rest ^ 0xffffffff) >>> 0
}
