// Tokens that this isolate has verified: bounded, and nothing in here spares a look at expiry, key or marker.

import type { Memory } from '../memory.ts'
import { createMemory } from '../memory.ts'
import type { Identity } from './identity.ts'
import type { VerificationKey } from './keys.ts'

export interface Remembered {
  readonly identity: Identity
  /** The key that verified it; a key that is no longer its issuer's makes the entry worthless. */
  readonly key: VerificationKey
  /** D1 has said that the session is over. */
  readonly ended: boolean
}

/** Found by the token itself. */
export type TokenMemory = Memory<Remembered>

/** Bounds of one isolate: entries, about 2 KB each, and characters of the tokens that they are found by. */
const MAX_ENTRIES = 10_000
const MAX_CHARACTERS = 8 * 1024 * 1024

export function createTokenMemory(maxEntries = MAX_ENTRIES, maxCharacters = MAX_CHARACTERS): TokenMemory {
  return createMemory(maxEntries, maxCharacters)
}
