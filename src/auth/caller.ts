// Who calls one of the gateway's own URLs, as far as a credential alone can tell.

/** Proved by an access token's signature or a session token's mac; whether the session is alive, D1 says. */
export interface Caller {
  readonly sessionId: string
  readonly via: 'bearer' | 'cookie'
  /** The generation that a session token carries; `null` for an access token. */
  readonly generation: number | null
  /** Unix seconds, `exp` of the access token that came along. */
  readonly accessExpiresAt: number | null
}
