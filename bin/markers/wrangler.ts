// D1 and KV through wrangler, on this machine or deployed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { parse } from 'smol-toml'

import { isObject } from '../../src/json.ts'
import { readInteger, readNullable, readText } from '../../src/rows.ts'
import type { RaisedVersion } from '../../src/sessions/store.ts'
import { runWrangler } from '../wrangler.ts'
import type { Storage } from './rebuild.ts'

export interface Place {
  /** The wrangler file that names the bindings. */
  readonly config: string
  readonly where: 'local' | 'remote'
}

/** Keys of one bulk read; the API takes no more, and wrangler does not divide. */
const READ_LIMIT = 100

/** @throws Error with wrangler's own words where a call of it fails */
export function openStorage(place: Place): Storage {
  const run = (...args: readonly string[]) => runWrangler(...args, '--config', place.config, `--${place.where}`)
  const kv = ['--binding', 'MARKERS', '--preview', String(usesPreview(place))]
  return {
    listMarkers: async () => parseNames(await run('kv', 'key', 'list', '--prefix', 'marker:', ...kv)),
    readMarkers: async (keys) => {
      const values: (readonly [string, string | null])[] = []
      for (const some of chunksOf(keys, READ_LIMIT)) {
        const text = await withFile(some, (file) => run('kv', 'bulk', 'get', file, ...kv))
        values.push(...parseValues(text, some))
      }
      return new Map(values)
    },
    putMarkers: async (entries) => {
      await withFile(entries, (file) => run('kv', 'bulk', 'put', file, ...kv))
    },
    readUsers: async (after, limit) =>
      parseUsers(await run('d1', 'execute', 'DB', '--json', '--yes', '--command', selectUsers(after, limit))),
  }
}

/** A development server keeps its markers under the preview id, where there is one. */
function usesPreview({ config, where }: Place): boolean {
  if (where === 'remote') return false
  const { kv_namespaces: namespaces } = parse(readFileSync(config, 'utf8'))
  if (!Array.isArray(namespaces)) return false
  return namespaces.some(
    (namespace) => isObject(namespace) && namespace['binding'] === 'MARKERS' && namespace['preview_id'] !== undefined,
  )
}

/** An id may hold a quote; its hexadecimal digits hold none. */
function selectUsers(after: string, limit: number): string {
  const hex = Buffer.from(after).toString('hex')
  return `SELECT id, token_version FROM users WHERE id > CAST(X'${hex}' AS TEXT) ORDER BY id LIMIT ${limit}`
}

async function withFile<T>(content: unknown, use: (file: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-markers-'))
  try {
    const file = join(folder, 'bulk.json')
    writeFileSync(file, JSON.stringify(content))
    return await use(file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function chunksOf(keys: readonly string[], size: number): readonly (readonly string[])[] {
  const count = Math.ceil(keys.length / size)
  return Array.from({ length: count }, (_, at) => keys.slice(at * size, (at + 1) * size))
}

/** `[{ "name": … }, …]` */
export function parseNames(text: string): readonly string[] {
  const list: unknown = JSON.parse(text)
  if (!Array.isArray(list)) throw new TypeError('wrangler gave no list of keys')
  return list.map((item) => readText(isObject(item) ? item['name'] : null))
}

/** `{ key: { "value": … } }` on this machine, `{ key: … }` deployed; what is not there may be `null` or left out. */
export function parseValues(text: string, keys: readonly string[]): readonly (readonly [string, string | null])[] {
  const values: unknown = JSON.parse(text)
  if (!isObject(values)) throw new TypeError('wrangler gave no values')
  return keys.map((key) => [key, parseValue(values[key] ?? null)])
}

function parseValue(value: unknown): string | null {
  if (isObject(value)) return parseValue(value['value'] ?? null)
  return readNullable(value, readText)
}

/** `[{ "results": [{ "id": …, "token_version": … }, …] }]` */
export function parseUsers(text: string): readonly RaisedVersion[] {
  const answers: unknown = JSON.parse(text)
  const answer: unknown = Array.isArray(answers) ? answers[0] : null
  const rows = isObject(answer) ? answer['results'] : null
  if (!Array.isArray(rows)) throw new TypeError('wrangler gave no rows')
  return rows.map(parseUser)
}

function parseUser(row: unknown): RaisedVersion {
  if (!isObject(row)) throw new TypeError('wrangler gave a row that is none')
  return { userId: readText(row['id']), tokenVersion: readInteger(row['token_version']) }
}
