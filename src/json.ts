// JSON from strangers: objects only, and no key that two parsers could read differently.

export type JsonObject = Readonly<Record<string, unknown>>

const MAX_DEPTH = 32

/** In valid JSON: a string, with the colon that makes it a key, or a bracket. */
const TOKENS = /("[^"\\]*(?:\\.[^"\\]*)*")\s*(:)?|[{}[\]]/g

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
  return isObject(value) && isUnambiguous(text) ? value : null
}

/** The text that bytes are in UTF-8, or `null`. A byte order mark stays in the text, where JSON refuses it. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** One pass over a text that is known to be valid JSON; keys are compared as they read once unescaped. */
function isUnambiguous(text: string): boolean {
  const open: Set<unknown>[] = []
  for (const [token, string, colon] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') open.push(new Set())
    if (token === '}' || token === ']') open.pop()
    if (open.length > MAX_DEPTH) return false
    if (string === undefined || colon === undefined) continue
    const key: unknown = JSON.parse(string)
    const keys = open.at(-1)
    if (keys?.has(key) === true) return false
    keys?.add(key)
  }
  return true
}
