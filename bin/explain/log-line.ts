// The log lines of one request, in the log that `npm start` keeps.
import { existsSync, readFileSync } from 'node:fs'

import { isObject, parseJsonObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'

/** `null` where there is no such log. What is no event is skipped: other processes write there as well. */
export function findLogLines(file: string, requestId: string): readonly JsonObject[] | null {
  if (!existsSync(file)) return null
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => parseJsonObject(line.trim()))
    .filter((event) => isObject(event))
    .filter(({ request_id: id, event }) => id === requestId && typeof event === 'string')
}

/** A line a field. */
export function describeLine(line: JsonObject): string {
  return Object.entries(line)
    .map(([name, value]) => `  ${name.padEnd(10)}  ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('\n')
}
