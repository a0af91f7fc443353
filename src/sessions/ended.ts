// Sessions that D1 has just called ended, so that their tokens do not cost a round trip each time they come.

import { createMemory } from '../memory.ts'

export interface EndedSessions {
  /** True where D1 refused this a moment ago. */
  readonly has: (text: string) => boolean
  readonly remember: (text: string) => void
}

const CAPACITY = 10_000
/** Seconds after which D1 is asked again: a database may be restored. */
const REMEMBERED_FOR = 30

/** `now` in unix seconds. */
export function createEndedSessions(now: () => number): EndedSessions {
  const ended = createMemory<number>(CAPACITY, Infinity)
  return {
    has: (text) => (ended.find(text) ?? 0) > now(),
    remember: (text) => ended.remember(text, now() + REMEMBERED_FOR),
  }
}
