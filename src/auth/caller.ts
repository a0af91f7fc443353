// Who calls one of the gateway's own URLs, as far as a credential alone can tell.

/** Proved by an access token's signature or a session token's mac; whether the session is alive, D1 says. */
export type Caller =
  | {
      /** `cookies`: an access cookie beside the session cookie of the same session. */
      readonly via: 'bearer' | 'cookies'
      readonly sessionId: string
      /** Unix seconds, `exp` of the access token. */
      readonly accessExpiresAt: number
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
