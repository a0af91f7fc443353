// What a strategy is asked, and what it may answer.

export interface Question {
  readonly atMs: number
  readonly user: number
  readonly location: number
  readonly isolate: number
  /** `ver` and `iat` of the token. */
  readonly version: number
  readonly issuedAtMs: number
}

export interface Verdict {
  /** Anything but trust asks D1, which knows. */
  readonly trusted: boolean
  /** How long the request waited for KV before it was trusted or D1 was asked. */
  readonly waitMs: number
}

export interface Strategy {
  readonly judge: (question: Question) => Verdict
  /** D1 has answered for a user: what this isolate learns from that. */
  readonly learn: (isolate: number, user: number, version: number, atMs: number) => void
}
