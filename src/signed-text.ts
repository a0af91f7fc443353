// Text that is kept where others may be able to write: a MAC under SESSION_KEYS binds it to its purpose and its place.

import { equalInConstantTime, hmac } from './crypto.ts'
import type { Log } from './log.ts'

/** What a text is for, and under which name it is kept: a text that is copied to another place does not verify there. */
export interface Place {
  readonly purpose: 'key set' | 'metadata' | 'digest'
  readonly name: string
}

export interface SignedText {
  /** `<mac>`, a line feed, and the text, under the first of the keys. */
  readonly sign: (place: Place, text: string) => string
  /** The text, or `null` where its MAC is missing or is by none of the keys, which is logged at most once an hour. */
  readonly verify: (place: Place, signed: string) => string | null
}

export interface SignedTextOptions {
  readonly keys: readonly Uint8Array[]
  /** Unix seconds. */
  readonly now: () => number
  readonly log: Log
}

/** Seconds between two log lines of one purpose. */
const LOG_SPACING = 3600
/** Characters of an HMAC-SHA-256 in base64url. */
const MAC_LENGTH = 43

export function createSignedText({ keys, now, log }: SignedTextOptions): SignedText {
  const loggedAt = new Map<Place['purpose'], number>()

  function logRefusal({ purpose }: Place): void {
    if (now() - (loggedAt.get(purpose) ?? -LOG_SPACING) < LOG_SPACING) return
    loggedAt.set(purpose, now())
    log({ event: 'fault', reason: `mac of a ${purpose}` })
  }

  return {
    sign: (place, text) => {
      const [signing] = keys
      if (signing === undefined) throw new Error('no session key')
      return `${hmac(signing, macInput(place, text))}\n${text}`
    },
    verify: (place, signed) => {
      const [mac, text] = [signed.slice(0, MAC_LENGTH), signed.slice(MAC_LENGTH + 1)]
      const input = macInput(place, text)
      const isOurs =
        signed.charAt(MAC_LENGTH) === '\n' && keys.some((key) => equalInConstantTime(hmac(key, input), mac))
      if (!isOurs) logRefusal(place)
      return isOurs ? text : null
    },
  }
}

/** Unambiguous, because JSON has no line feed; no other MAC under these keys begins so. */
function macInput({ purpose, name }: Place, text: string): string {
  return `gatehouse kept ${purpose}\n${JSON.stringify(name)}\n${text}`
}
