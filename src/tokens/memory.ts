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

/**
 * Bounds of one isolate: entries, and characters of the tokens that they are found by. A token of so many characters has claims
 * of three quarters of that in JSON, and its objects, arrays and strings are bounded apart, so an entry holds some 20 KB at most.
 */
const MAX_ENTRIES = 10_000
const MAX_CHARACTERS = 8 * 1024 * 1024
const MAX_TOKEN = 4096
/** Values and levels of the claims: each value costs memory beyond its characters. */
const MAX_VALUES = 200
const MAX_DEPTH = 4

/** A token that is large, or whose claims are many or deep, is not kept: it is verified each time. */
export function createTokenMemory(maxEntries = MAX_ENTRIES, maxCharacters = MAX_CHARACTERS): TokenMemory {
  const memory = createMemory<Remembered>(maxEntries, maxCharacters)
  return {
    find: memory.find,
    remember: (token, remembered) => {
      if (isSmall(token, remembered)) memory.remember(token, remembered)
    },
  }
}

function isSmall(token: string, { identity }: Remembered): boolean {
  return token.length <= MAX_TOKEN && countValues(identity.claims, 1) <= MAX_VALUES
}

/** `Infinity` where it is too deep. */
function countValues(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 1
  if (depth > MAX_DEPTH) return Infinity
  const members: readonly unknown[] = Object.values(value)
  return members.reduce<number>((sum, member) => sum + countValues(member, depth + 1), 1)
}
