// The audit trail, the newest event first.

import type { RecordedEvent } from '../audit/store.ts'
import { parseRecorded, selectTrail } from '../audit/store.ts'
import { answerJson } from '../auth/answer.ts'
import { runBatch } from '../database.ts'
import type { JsonObject } from '../json.ts'
import { ACTION, CURSOR, ID, invalid, LIMIT, optional } from './fields.ts'
import { operation } from './operation.ts'
import { describePage, pageOf } from './page.ts'

const EVENT: JsonObject = {
  type: 'object',
  properties: {
    id: { type: 'integer', description: 'grows with time' },
    at: { type: 'integer', description: 'unix seconds' },
    actor: { type: 'string' },
    action: { type: 'string' },
    target: { type: ['string', 'null'] },
    outcome: { enum: ['success', 'failure'] },
    request_id: { type: ['string', 'null'] },
    details: { type: 'object', additionalProperties: true },
  },
  required: ['id', 'at', 'actor', 'action', 'target', 'outcome', 'request_id', 'details'],
  additionalProperties: false,
}

export const listTrail = operation({
  method: 'GET',
  path: '/audit',
  summary: 'List audit events',
  query: {
    actor: optional(ID),
    target: optional(ID),
    action: optional(ACTION),
    cursor: optional(CURSOR),
    limit: LIMIT,
  },
  answers: { 200: describePage('events', EVENT) },
  run: async ({ runtime }, query) => {
    const limit = query.get('limit')
    const before = readBefore(query.get('cursor'))
    const filter = {
      actor: query.get('actor') ?? null,
      target: query.get('target') ?? null,
      action: query.get('action') ?? null,
    }
    const [rows = []] = await runBatch(runtime.db, [selectTrail(runtime.db, filter, before, limit + 1)])
    return answerJson(pageOf('events', rows.map(parseRecorded), limit, { keyOf, describe: describeEvent }))
  },
})

function keyOf({ id }: RecordedEvent): string {
  return String(id)
}

/** Ids are given in the order of the commits, so what comes meanwhile comes before the first page. */
function readBefore(cursor: string | undefined): number {
  if (cursor === undefined) return Number.MAX_SAFE_INTEGER
  if (!/^[1-9]\d{0,14}$/.test(cursor)) throw invalid('cursor must be `next` of a page')
  return Number(cursor)
}

function describeEvent({ requestId, ...event }: RecordedEvent): JsonObject {
  return { ...event, request_id: requestId }
}
