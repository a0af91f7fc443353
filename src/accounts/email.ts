// E-mail addresses as the name of an account.

/** RFC 5321 §4.5.3.1.3: a path of 256 octets, less its angle brackets. */
const MAX_BYTES = 254

/** Of an address and the spaces around it, asked before any of them is looked for. */
const MAX_CHARACTERS = 2 * MAX_BYTES

/** One `@` with something on both sides; no white space, no control, invisible or unassigned character, no half surrogate. */
const ADDRESS = /^[^@\s\p{C}]+@[^@\s\p{C}]+$/u

/**
 * The address as accounts are found by it: ASCII spaces around it removed, ASCII letters lower-case; `null` if it is none.
 * Does NOT fold letters beyond ASCII, because two addresses may then become one (the Kelvin sign lower-cases to `k`),
 * and does NOT check that the address exists.
 */
export function parseEmail(value: unknown): string | null {
  if (typeof value !== 'string') return null
  if (value.length > MAX_CHARACTERS) return null
  const email = value.replace(/^ +| +$/g, '').replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  return ADDRESS.test(email) && Buffer.byteLength(email) <= MAX_BYTES ? email : null
}
