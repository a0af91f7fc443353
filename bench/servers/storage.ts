// KV and D1 for the Worker that is measured, in another process, so that only what the Worker itself spends is counted.

import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue } from 'node:sqlite'
import { json, text } from 'node:stream/consumers'

import { isObject } from '../../src/json.ts'
import { markerKey } from '../../src/sessions/markers.ts'
import { showCounts } from './counts.ts'
import { listen } from './listen.ts'

const values = new Map<string, string>()
const database = new DatabaseSync(':memory:')
database.exec(readFileSync(join(import.meta.dirname, '../../schema.sql'), 'utf8'))

const counts = { databaseRoundTrips: 0, databaseStatements: 0, markerReads: 0, otherKvReads: 0, kvWrites: 0 }

listen(createServer((request, response) => void answer(request, response)))
showCounts(counts)

/** The HTTP that workerd makes of both bindings: D1 posts, and to KV a key is a path. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'POST') return answerQueries(await json(request), response)
  const key = decodeURIComponent(new URL(request.url ?? '', 'http://kv').pathname.slice(1))
  if (request.method === 'PUT') return putValue(key, await text(request), response)
  counts[key.startsWith(MARKER) ? 'markerReads' : 'otherKvReads'] += 1
  const value = values.get(key)
  response.writeHead(value === undefined ? 404 : 200).end(value)
}

const MARKER = markerKey('')

function putValue(key: string, value: string, response: ServerResponse): void {
  counts.kvWrites += 1
  values.set(key, value)
  response.writeHead(200).end()
}

/** One query, or a batch. */
function answerQueries(body: unknown, response: ServerResponse): void {
  const queries = [body].flat()
  counts.databaseRoundTrips += 1
  counts.databaseStatements += queries.length
  const results = queries.map(answerQuery)
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(results))
}

function answerQuery(query: unknown): unknown {
  if (!isObject(query) || !Array.isArray(query['params'])) throw new TypeError('not a query')
  const sql = String(query['sql'])
  const statement = database.prepare(sql)
  statement.setReturnArrays(true)
  const rows = isNumbered(sql) ? statement.all(numbered(query['params'])) : statement.all(...query['params'])
  const results = { columns: statement.columns().map(({ name }) => name), rows }
  return { success: true, results, meta: { duration: 0, changes: 0, last_row_id: 0 } }
}

/** `?1` and the like are names to SQLite, and `?` are places. */
function isNumbered(sql: string): boolean {
  return /\?\d/.test(sql)
}

function numbered(params: readonly SQLInputValue[]): Record<string, SQLInputValue> {
  return Object.fromEntries(params.map((value, at) => [`?${at + 1}`, value]))
}
