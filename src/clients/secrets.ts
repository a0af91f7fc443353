// The secret of a client: `gth_cs_`, 256 random bits and a checksum, by which a scanner tells one from noise.

import { randomText, sha256 } from '../crypto.ts'

const FORM = /^(gth_cs_[A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})$/

/** A new secret, to be shown once. */
export function newClientSecret(): string {
  const body = `gth_cs_${randomText(32)}`
  return body + checksumOf(body)
}

/** True for what `newClientSecret` could have made: nothing else needs to be looked up. */
export function isClientSecret(text: string): boolean {
  const [, body, checksum] = FORM.exec(text) ?? []
  return body !== undefined && checksum === checksumOf(body)
}

/** What D1 holds of a secret. Nobody guesses 256 bits, so the hash need not be slow. */
export function hashSecret(secret: string): string {
  return sha256(secret)
}

function checksumOf(body: string): string {
  return sha256(body).slice(0, 6)
}
