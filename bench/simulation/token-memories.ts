// Orders in which a bounded memory of tokens may forget: the gateway's own, and three that look at use.

import type { Remembered, TokenMemory } from '../../src/tokens/memory.ts'
import { createTokenMemory } from '../../src/tokens/memory.ts'

export interface Order {
  readonly name: string
  readonly create: (capacity: number) => TokenMemory
}

export const ORDERS: readonly Order[] = [
  { name: 'insertion', create: createQueue },
  { name: 'least recently used', create: createRecent },
  { name: 'second chance', create: createSecondChance },
  { name: 'two generations', create: (capacity) => createTokenMemory(capacity, Infinity) },
]

/** A hit changes nothing. */
function createQueue(capacity: number): TokenMemory {
  const entries = new Map<string, Remembered>()
  return {
    find: (token) => entries.get(token) ?? null,
    remember: (token, remembered) => {
      entries.delete(token)
      entries.set(token, remembered)
      if (entries.size > capacity) forgetFirst(entries)
    },
  }
}

function forgetFirst(entries: Map<string, unknown>): void {
  for (const oldest of entries.keys()) {
    entries.delete(oldest)
    return
  }
}

/** A hit moves its entry to the young end. */
function createRecent(capacity: number): TokenMemory {
  const entries = new Map<string, Remembered>()

  function remember(token: string, remembered: Remembered): void {
    entries.delete(token)
    entries.set(token, remembered)
    if (entries.size > capacity) forgetFirst(entries)
  }

  return {
    find: (token) => {
      const remembered = entries.get(token)
      if (remembered === undefined) return null
      entries.delete(token)
      entries.set(token, remembered)
      return remembered
    },
    remember,
  }
}

interface Marked {
  readonly remembered: Remembered
  used: boolean
}

/** A hit only marks its entry; what is marked goes round once more before it is forgotten (CLOCK). */
function createSecondChance(capacity: number): TokenMemory {
  const entries = new Map<string, Marked>()

  function forgetOne(): void {
    for (const [token, marked] of entries) {
      entries.delete(token)
      if (!marked.used) return
      entries.set(token, { ...marked, used: false })
    }
  }

  return {
    find: (token) => {
      const marked = entries.get(token)
      if (marked === undefined) return null
      marked.used = true
      return marked.remembered
    },
    remember: (token, remembered) => {
      entries.delete(token)
      entries.set(token, { remembered, used: false })
      if (entries.size > capacity) forgetOne()
    },
  }
}
