// Optional white space of HTTP (RFC 9110 §5.6.3): SP and HTAB, and nothing else that `trim` would take.

/** The text without optional white space around it. Linear in its length. */
export function trimOws(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isOws(text.charCodeAt(start))) start += 1
  while (end > start && isOws(text.charCodeAt(end - 1))) end -= 1
  return text.slice(start, end)
}

/** The index of the first character from `at` on that is not optional white space. */
export function skipOws(text: string, at: number): number {
  let next = at
  while (next < text.length && isOws(text.charCodeAt(next))) next += 1
  return next
}

/** The index behind the last character before `at` that is not optional white space. */
export function skipOwsBack(text: string, at: number): number {
  let next = at
  while (next > 0 && isOws(text.charCodeAt(next - 1))) next -= 1
  return next
}

function isOws(code: number): boolean {
  return code === 0x20 || code === 0x09
}
