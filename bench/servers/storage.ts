// KV and D1 for the Worker that is measured, in another process, so that only what the Worker itself spends is counted.

import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { json, text } from 'node:stream/consumers'

import { isObject } from '../../src/json.ts'
import { listen } from './listen.ts'

const values = new Map<string, string>()
const database = new DatabaseSync(':memory:')
database.exec(readFileSync(join(import.meta.dirname, '../../schema.sql'), 'utf8'))

listen(createServer((request, response) => void answer(request, response)))

/** The HTTP that workerd makes of both bindings: D1 posts, and to KV a key is a path. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'POST') return answerQueries(await json(request), response)
  const key = decodeURIComponent(new URL(request.url ?? '', 'http://kv').pathname.slice(1))
  if (request.method === 'PUT') values.set(key, await text(request))
  const value = values.get(key)
  response.writeHead(value === undefined ? 404 : 200).end(value)
}

/** One query, or a batch. */
function answerQueries(queries: unknown, response: ServerResponse): void {
  const results = [queries].flat().map(answerQuery)
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(results))
}

function answerQuery(query: unknown): unknown {
  if (!isObject(query) || !Array.isArray(query['params'])) throw new TypeError('not a query')
  const statement = database.prepare(String(query['sql']))
  statement.setReturnArrays(true)
  const parameters = Object.fromEntries(query['params'].map((value, at) => [`?${at + 1}`, value]))
  const rows = statement.all(parameters)
  const results = { columns: statement.columns().map(({ name }) => name), rows }
  return { success: true, results, meta: { duration: 0, changes: 0, last_row_id: 0 } }
}
