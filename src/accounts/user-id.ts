// Ids of users: what `sub` may be (DESIGN §4), and those that the gateway gives itself.

import { randomText } from '../crypto.ts'

/** True for 1 to 255 ASCII characters without spaces and control characters. */
export function isUserId(text: string): boolean {
  return /^[!-~]{1,255}$/.test(text)
}

/** `usr_` and 128 random bits. */
export function newUserId(): string {
  return `usr_${randomText(16)}`
}
