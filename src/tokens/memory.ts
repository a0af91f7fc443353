// Tokens that this isolate has verified: bounded, and nothing in here spares a look at expiry, key or marker.

import type { Identity } from './identity.ts'
import type { VerificationKey } from './keys.ts'

export interface Remembered {
  readonly identity: Identity
  /** The key that verified it; a key that is no longer its issuer's makes the entry worthless. */
  readonly key: VerificationKey
  /** D1 has said that the session is over. */
  readonly ended: boolean
}

export interface TokenMemory {
  readonly find: (token: string) => Remembered | null
  readonly remember: (token: string, remembered: Remembered) => void
}

/** Bounds of one isolate: entries, and characters of the tokens that they are found by. */
const MAX_ENTRIES = 10_000
const MAX_CHARACTERS = 8 * 1024 * 1024

export function createTokenMemory(maxEntries = MAX_ENTRIES, maxCharacters = MAX_CHARACTERS): TokenMemory {
  const entries = new Map<string, Remembered>()
  const size = { characters: 0 }

  function forget(token: string): void {
    if (entries.delete(token)) size.characters -= token.length
  }

  return {
    find: (token) => entries.get(token) ?? null,
    remember: (token, remembered) => {
      forget(token)
      entries.set(token, remembered)
      size.characters += token.length
      for (const oldest of entries.keys()) {
        if (entries.size <= maxEntries && size.characters <= maxCharacters) return
        forget(oldest)
      }
    },
  }
}
