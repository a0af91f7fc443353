// How much has ended, and when that is felt (DESIGN §7), as a schema of the answers that say it.

import type { JsonObject } from '../json.ts'

const TIME = { type: 'integer', description: 'unix seconds' }

const PROPERTIES: JsonObject = {
  ended: { type: 'integer', minimum: 0 },
  effective_by: {
    type: 'object',
    properties: {
      session: TIME,
      marker: {
        type: 'object',
        properties: { expected: TIME, at_latest: TIME },
        required: ['expected', 'at_latest'],
        additionalProperties: false,
      },
      expiry: TIME,
    },
    required: ['session', 'marker', 'expiry'],
    additionalProperties: false,
  },
}

/** JSON Schema of what `announceEnded` answers. */
export const ENDED: JsonObject = {
  type: 'object',
  properties: PROPERTIES,
  required: ['ended', 'effective_by'],
  additionalProperties: false,
}

/** JSON Schema of an answer that also says which ways in were suspended. */
export const STOPPED: JsonObject = {
  ...ENDED,
  properties: {
    ...PROPERTIES,
    suspended: {
      type: 'array',
      items: {
        type: 'object',
        properties: { provider: { type: 'string' } },
        required: ['provider'],
        additionalProperties: false,
      },
    },
  },
  required: ['ended', 'effective_by', 'suspended'],
}
