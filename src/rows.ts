// Columns of D1's rows, `unknown` until they have been looked at.

import { parseJsonObject } from './json.ts'
import type { JsonObject } from './json.ts'

/** @throws TypeError where the column is not text; so do the others for what they are named after. */
export function readText(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('a column is not text')
  return value
}

export function readInteger(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError('a column is not an integer')
  return Number(value)
}

/** A JSON array of texts. */
export function readTexts(value: unknown): readonly string[] {
  const list: unknown = JSON.parse(readText(value))
  if (!Array.isArray(list)) throw new TypeError('a column is not a list')
  return list.map(readText)
}

/** A JSON object. */
export function readObject(value: unknown): JsonObject {
  const object = parseJsonObject(readText(value))
  if (object === null) throw new TypeError('a column is not an object')
  return object
}

/** What `read` makes of a column that may be NULL. */
export function readNullable<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null ? null : read(value)
}
