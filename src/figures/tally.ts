// Denials by code, counted in the isolate's memory and added to D1 at most once a minute, beside a request.

import type { Database } from '../database.ts'
import type { Log } from '../log.ts'
import { describeFault } from '../log.ts'

export interface Tally {
  /** Counts what the log is told of. */
  readonly log: Log
  /** Begins to write where there is something to write and the last time is a minute ago. Does NOT throw. */
  readonly flush: (db: Database, waitUntil: (work: Promise<unknown>) => void) => void
}

/** Seconds between two writes of an isolate, and what is lost at most where one is killed or a write fails. */
const SPACING = 60

export function createTally(log: Log, now: () => number): Tally {
  const counts = new Map<string, number>()
  let due = 0
  return {
    log: (event) => {
      const { code } = event
      if (code !== undefined && COUNTED.has(event.event)) counts.set(code, (counts.get(code) ?? 0) + 1)
      log(event)
    },
    flush: (db, waitUntil) => {
      if (counts.size === 0 || now() < due) return
      due = now() + SPACING
      const taken = new Map(counts)
      counts.clear()
      waitUntil(
        write(db, taken).catch((error: unknown) => log({ event: 'fault', reason: 'figures', ...describeFault(error) })),
      )
    },
  }
}

/** Not `observed`: what would have been refused was not. */
const COUNTED: ReadonlySet<string> = new Set(['denial', 'fault'])

async function write(db: Database, counts: ReadonlyMap<string, number>): Promise<void> {
  const { addDenials } = await import('./add-denials.ts')
  await addDenials(db, counts)
}
