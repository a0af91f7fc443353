// JSON from strangers: objects only, and no key that two parsers could read differently.

export type JsonObject = Readonly<Record<string, unknown>>

/** True for an object that is neither `null` nor an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
