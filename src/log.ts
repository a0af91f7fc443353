// One JSON line an event; what may be logged is the closed list of fields below, and no secret is among them.

export interface LogEvent {
  readonly event: 'denial' | 'fault' | 'observed' | 'misconfigured' | 'publication' | 'issuer' | 'cron' | 'webhook'
  readonly request_id?: string
  readonly code?: string
  readonly status?: number
  /** Which check failed, in words of our own; never a value that a client sent. */
  readonly reason?: string
  /** The route's key in the configuration, `ROUTES[2]`. */
  readonly route?: string
  readonly method?: string
  readonly issuer?: string
  readonly subject?: string
  /** A keyed digest of the account of a refused sign-in; never an e-mail. */
  readonly account?: string
  /** A client's address block. */
  readonly address?: string
  readonly session?: string
  /** Ids of a webhook and of a delivery to it. */
  readonly webhook?: string
  readonly delivery?: string
  readonly fault?: string
  readonly at?: readonly string[]
  readonly problems?: readonly string[]
  readonly count?: number
}

export type Log = (event: LogEvent) => void

/** Writes an event to the Worker's log. */
export const writeLog: Log = (event) => {
  console.log(JSON.stringify(event))
}

/**
 * What may be told of a fault: its kind and where it was thrown.
 * Does NOT tell its message, which may quote what a client sent, but for D1's, which quote SQL only.
 */
export function describeFault(error: unknown): Pick<LogEvent, 'fault' | 'at'> {
  if (!(error instanceof Error)) return { fault: typeof error }
  const kind = /^D1_[A-Z_]+: [^\n]{0,200}/.exec(error.message)?.[0] ?? error.name
  const at = (error.stack ?? '')
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 4)
  return { fault: kind, at: at.map((line) => line.trim()) }
}
