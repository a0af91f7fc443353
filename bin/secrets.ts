// Fresh secrets of a gateway, and the file forms that wrangler reads.
import { writeFileSync } from 'node:fs'

import { randomText } from '../src/crypto.ts'
import { generateSigningKey } from '../src/tokens/keys.ts'

export interface Secrets {
  /** A private JWK set with one key. */
  readonly SIGNING_KEYS: string
  /** One base64url key of 256 bits. */
  readonly SESSION_KEYS: string
}

export async function makeSecrets(): Promise<Secrets> {
  return { SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }), SESSION_KEYS: randomText(32) }
}

/** Lines of a `.dev.vars` file. Neither value can hold a quote. */
export function formatDevVars(secrets: Secrets): string {
  return Object.entries(secrets)
    .map(([name, value]) => `${name}='${value}'\n`)
    .join('')
}

/** Writes a file that only its owner can read; `false` where one of that name exists, which stays as it is. */
export function writeSecretFile(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}
