// Text that is kept where others may be able to read: encrypted under SESSION_KEYS, and bound to the place where it is kept.

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'

import { decodeBase64url } from './crypto.ts'

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** `v1.<nonce, ciphertext and tag in base64url>`, under the first of the keys. `place` is what it is kept under. */
export function sealText(keys: readonly Uint8Array[], place: string, text: string): string {
  const [key] = keys
  if (key === undefined) throw new Error('no session key')
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(ALGORITHM, derive(key), nonce).setAAD(Buffer.from(place))
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `v1.${sealed.toString('base64url')}`
}

/** The text, or `null` where it was sealed for another place, under none of the keys, or not at all. */
export function openText(keys: readonly Uint8Array[], place: string, sealed: string): string | null {
  const bytes = sealed.startsWith('v1.') ? decodeBase64url(sealed.slice(3)) : null
  if (bytes === null || bytes.length < NONCE_BYTES + TAG_BYTES) return null
  for (const key of keys) {
    const text = decrypt(derive(key), place, bytes)
    if (text !== null) return text
  }
  return null
}

function decrypt(key: Buffer, place: string, bytes: Uint8Array): string | null {
  try {
    const cipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(place))
    cipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    return Buffer.concat([cipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), cipher.final()]).toString('utf8')
  } catch {
    return null
  }
}

/** A key for this purpose alone. */
function derive(key: Uint8Array): Buffer {
  return createHmac('sha256', key).update('gatehouse sealed text').digest()
}
