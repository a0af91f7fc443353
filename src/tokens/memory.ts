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

/** Bounds of one isolate: entries, about 2 KB each, and characters of the tokens that they are found by. */
const MAX_ENTRIES = 10_000
const MAX_CHARACTERS = 8 * 1024 * 1024

/**
 * Two generations, each of half the bounds: the young one, when it is full, becomes the old one, which is forgotten as a
 * whole. What is found in the old one is young again. To forget one entry at a time takes some thirty times as long.
 */
export function createTokenMemory(maxEntries = MAX_ENTRIES, maxCharacters = MAX_CHARACTERS): TokenMemory {
  let young = new Map<string, Remembered>()
  let old = new Map<string, Remembered>()
  let characters = 0

  function remember(token: string, remembered: Remembered): void {
    if (!young.has(token)) {
      if (young.size >= maxEntries / 2 || characters + token.length > maxCharacters / 2) {
        old = young
        young = new Map()
        characters = 0
      }
      characters += token.length
    }
    young.set(token, remembered)
  }

  return {
    find: (token) => {
      const known = young.get(token)
      if (known !== undefined) return known
      const older = old.get(token)
      if (older === undefined) return null
      remember(token, older)
      return older
    },
    remember,
  }
}
