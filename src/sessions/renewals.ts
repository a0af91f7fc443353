// Renewals that run beside requests: one at a time for a session, however many requests its page sends.

export interface Renewals {
  /** True where none was begun within the spacing; it is begun then. */
  readonly begin: (sessionId: string) => boolean
}

/** Sessions that are remembered at most; forgetting one costs a round trip. */
const CAPACITY = 10_000

/** `spacing` in seconds. */
export function createRenewals(spacing: number, now: () => number): Renewals {
  const begun = new Map<string, number>()
  return {
    begin: (sessionId) => {
      if (now() - (begun.get(sessionId) ?? Number.NEGATIVE_INFINITY) < spacing) return false
      if (begun.size >= CAPACITY) begun.clear()
      begun.set(sessionId, now())
      return true
    },
  }
}
