// What became of a request, as one Analytics Engine data point: its route and outcome, never who asked nor what exactly for.

/** What is told of a request while it goes on; what is told last holds. */
export interface Outcome {
  /** The route's key, `own` for the gateway's own URLs, `none` before there is one. */
  readonly route: string
  /** `passed`, `answered` by the gateway itself, or the code of a denial. */
  readonly outcome: string
  /** 0 where no upstream has answered. */
  readonly upstreamStatus: number
}

export type Note = (told: Partial<Outcome>) => void

export interface Meter {
  readonly note: Note
  /** Writes the data point of a request that has been answered. */
  readonly write: (answer: Answer) => void
}

interface Answer {
  readonly status: number
  /** The request's method is not a safe one. */
  readonly writes: boolean
}

const UNTOLD: Outcome = { route: 'none', outcome: 'answered', upstreamStatus: 0 }

/** One for each request. The order of blobs and doubles is what docs/telemetry.md promises. */
export function createMeter(dataset: Pick<AnalyticsEngineDataset, 'writeDataPoint'>): Meter {
  let known = UNTOLD
  return {
    note: (told) => {
      known = { ...known, ...told }
    },
    write: ({ status, writes }) => {
      const { route, outcome, upstreamStatus } = known
      dataset.writeDataPoint({
        indexes: [route.slice(0, MAX_INDEX)],
        blobs: [route, outcome, writes ? 'write' : 'read'],
        doubles: [status, upstreamStatus],
      })
    },
  }
}

/** Bytes that Analytics Engine takes as an index; the names of variables are ASCII. */
const MAX_INDEX = 96
