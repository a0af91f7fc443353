// A bounded number of places for dear work, and a bounded, short queue before them.

export interface Places {
  /** Waits for a place and returns what frees it; `null` where too many wait, or the wait was too long. */
  readonly take: (origin: string) => Promise<(() => void) | null>
}

export interface Bounds {
  readonly places: number
  readonly waiting: number
  /** Places and waiters of one origin. */
  readonly perOrigin: number
  /** Milliseconds that a request waits. */
  readonly patience: number
}

export interface Clock {
  /** Milliseconds. */
  readonly nowMs: () => number
  readonly sleepMs: (milliseconds: number) => Promise<void>
}

/** Milliseconds between two looks at the queue. */
const POLL = 20
/** Milliseconds after which a waiter that does not look any more has gone, with its client. */
const GONE = 1000
/** Milliseconds after which a place is free whatever became of its request: more than a Worker lives without a client. */
const LEASE = 60_000

interface Entry {
  readonly origin: string
  /** The time from which on the entry no longer counts. */
  readonly until: number
}

/**
 * Waiters look by timers of their own. A promise that one request waits for and another settles is dropped by the runtime
 * when either of the two has been cancelled.
 */
export function createPlaces({ places, waiting, perOrigin, patience }: Bounds, { nowMs, sleepMs }: Clock): Places {
  const held = new Map<number, Entry>()
  const queue = new Map<number, Entry>()
  const counter = { last: 0 }

  function isRefused(origin: string): boolean {
    dropExpired(held, nowMs())
    dropExpired(queue, nowMs())
    const ofOrigin = [...held.values(), ...queue.values()].filter((entry) => entry.origin === origin)
    return queue.size >= waiting || ofOrigin.length >= perOrigin
  }

  /** In the order of their coming; a waiter that was dropped by mistake starts at the end. */
  function isNext(id: number): boolean {
    dropExpired(held, nowMs())
    dropExpired(queue, nowMs())
    return [...queue.keys()].indexOf(id) < places - held.size
  }

  async function take(origin: string): Promise<(() => void) | null> {
    if (isRefused(origin)) return null
    counter.last += 1
    const id = counter.last
    const deadline = nowMs() + patience
    for (;;) {
      queue.set(id, { origin, until: nowMs() + GONE })
      if (isNext(id)) break
      if (nowMs() >= deadline) {
        queue.delete(id)
        return null
      }
      await sleepMs(POLL)
    }
    queue.delete(id)
    held.set(id, { origin, until: nowMs() + LEASE })
    return () => void held.delete(id)
  }

  return { take }
}

function dropExpired(entries: Map<number, Entry>, now: number): void {
  for (const [id, { until }] of entries) if (until <= now) entries.delete(id)
}
