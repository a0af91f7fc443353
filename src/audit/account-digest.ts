// The name of an account in the log and in counters: a keyed digest, the same for accounts that exist and those that do not.

import { hmac } from '../crypto.ts'

/** 132 bits. */
const CHARACTERS = 22

/**
 * Returns a digest of an account under the first of SESSION_KEYS: without the key, no list of addresses can be compared
 * with it. `account` is what `Attempt.account` holds. A new first key gives each account a new digest.
 */
export function digestAccount([key]: readonly Uint8Array[], account: string): string {
  if (key === undefined) throw new Error('no session key')
  return hmac(key, `gatehouse audit account\n${account}`).slice(0, CHARACTERS)
}
