// Pages of lists: a page ends with the key of its last row, so rows that come and go move no other row between pages.

import type { JsonObject } from '../json.ts'

interface Rows<T> {
  readonly keyOf: (row: T) => string
  readonly describe: (row: T) => JsonObject
}

/** A page of up to `limit` rows; `rows` has one more where there is a next page. */
export function pageOf<T>(name: string, rows: readonly T[], limit: number, { keyOf, describe }: Rows<T>): JsonObject {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  const hasNext = rows.length > limit && last !== undefined
  return { [name]: page.map(describe), next: hasNext ? Buffer.from(keyOf(last)).toString('base64url') : null }
}

/** JSON Schema of a page. */
export function describePage(name: string, item: JsonObject): JsonObject {
  return {
    type: 'object',
    properties: {
      [name]: { type: 'array', items: item },
      next: { type: ['string', 'null'], description: '`cursor` of the next page' },
    },
    required: [name, 'next'],
    additionalProperties: false,
  }
}
