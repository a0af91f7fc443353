// The opaque credential of a session: `gth_<kind>_<session id>.<generation>.<mac>` (DESIGN §4).

import { equalInConstantTime, hmac, randomText } from '../crypto.ts'

/** `c` is a browser's session cookie, `r` the refresh token of an API client, `a` the console's cookie; none passes for another. */
export type SessionTokenKind = 'c' | 'r' | 'a'

export interface SessionToken {
  readonly sessionId: string
  readonly generation: number
}

const FORM = /^gth_([cra])_(ses_[A-Za-z0-9_-]{22})\.([1-9][0-9]{0,15})\.([A-Za-z0-9_-]{43})$/

/** A new session id: 128 random bits. A shard would stand before them (docs/scale.md). */
export function newSessionId(): string {
  return `ses_${randomText(16)}`
}

/** The token of a session's generation, under the first of the keys. */
export function formatSessionToken(
  keys: readonly Uint8Array[],
  kind: SessionTokenKind,
  { sessionId, generation }: SessionToken,
): string {
  const [signing] = keys
  if (signing === undefined) throw new Error('no session key')
  return `gth_${kind}_${sessionId}.${generation}.${hmac(signing, macInput(kind, sessionId, String(generation)))}`
}

/** What a token of this kind names, or `null` where it is malformed or its mac is by none of the keys. Reads nothing. */
export function parseSessionToken(
  keys: readonly Uint8Array[],
  kind: SessionTokenKind,
  text: string,
): SessionToken | null {
  const [, givenKind, sessionId, generation, mac] = FORM.exec(text) ?? []
  if (givenKind !== kind || sessionId === undefined || generation === undefined || mac === undefined) return null
  if (!Number.isSafeInteger(Number(generation))) return null
  const input = macInput(kind, sessionId, generation)
  return keys.some((key) => equalInConstantTime(hmac(key, input), mac))
    ? { sessionId, generation: Number(generation) }
    : null
}

/** Unambiguous, because none of the three can hold a line feed. */
function macInput(kind: SessionTokenKind, sessionId: string, generation: string): string {
  return `gatehouse session token\n${kind}\n${sessionId}\n${generation}`
}
