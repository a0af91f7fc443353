// Who calls one of the gateway's own URLs, as far as a credential alone can tell.

/** What an access token says of itself. */
export interface ProvedAccess {
  /** Unix seconds, `exp`. */
  readonly expiresAt: number
  /** `ver`. */
  readonly version: number
}

/** Proved by an access token's signature or a session token's mac; whether the session is alive, D1 says. */
export type Caller =
  | {
      readonly via: 'bearer'
      readonly sessionId: string
      readonly access: ProvedAccess
    }
  | {
      /** An access cookie beside the session cookie of the same session. */
      readonly via: 'cookies'
      readonly sessionId: string
      readonly generation: number
      readonly access: ProvedAccess
    }
  | {
      /** A session cookie alone. */
      readonly via: 'session'
      readonly sessionId: string
      readonly generation: number
    }

/** True where the credential is one that browsers send by themselves. */
export function usesCookies(caller: Caller | null): boolean {
  return caller !== null && caller.via !== 'bearer'
}
