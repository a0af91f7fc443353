// JSON from strangers: objects only, and no key that two parsers could read differently.

export type JsonObject = Readonly<Record<string, unknown>>

const MAX_DEPTH = 32

/** In valid JSON: a string, with the colon that makes it a key. */
const STRINGS = /"[^"\\]*(?:\\.[^"\\]*)*"\s*:?/g

/** True for an object that is neither `null` nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The object that a JSON text is (RFC 8259), or `null`: not JSON, another type at the top, an object at any depth
 * with the same key twice (RFC 8725 and RFC 7515 §4 leave that to the parser, so parsers differ), or more than
 * 32 levels deep.
 */
export function parseJsonObject(text: string): JsonObject | null {
  const value = parseJson(text)
  return isObject(value) && isUnambiguous(text, value) ? value : null
}

/** The text that bytes are in UTF-8, or `null`. A byte order mark stays in the text, where JSON refuses it. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return UTF8.decode(bytes)
  } catch {
    return null
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** As many keys as were written: of a key that comes twice in an object the parser has kept one. */
function isUnambiguous(text: string, value: JsonObject): boolean {
  const written = text.match(STRINGS)?.filter((string) => string.endsWith(':')).length ?? 0
  return written === countKeys(value, 1)
}

/** `NaN`, which equals nothing, where it is too deep. */
function countKeys(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > MAX_DEPTH) return Number.NaN
  const members: readonly unknown[] = Object.values(value)
  const own = Array.isArray(value) ? 0 : members.length
  return members.reduce<number>((sum, member) => sum + countKeys(member, depth + 1), own)
}
