// A deployment as it is seen from outside of the Worker: its secrets' names, its database, its namespace.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

import type { JsonObject } from '../../src/json.ts'
import { isObject } from '../../src/json.ts'
import { readSecretsFile } from '../keys/secrets-file.ts'
import type { Place } from '../markers/wrangler.ts'
import { openStorage, parseNames, usesPreview } from '../markers/wrangler.ts'
import type { Wrangler } from '../wrangler.ts'
import { runWrangler } from '../wrangler.ts'

export interface Deployment {
  /** Names of the secrets that are set. */
  readonly listSecrets: () => Promise<readonly string[]>
  /** The rows of a statement. Reads only. */
  readonly query: (sql: string) => Promise<readonly JsonObject[]>
  /** Names of KV's entries that begin so. */
  readonly listKeys: (prefix: string) => Promise<readonly string[]>
  readonly readMarkers: (keys: readonly string[]) => Promise<ReadonlyMap<string, string | null>>
}

export function openDeployment(place: Place): Deployment {
  const run: Wrangler = (...args) => runWrangler(...args, '--config', place.config, `--${place.where}`)
  const kv = ['--binding', 'MARKERS', '--preview', String(usesPreview(place))]
  return {
    listSecrets: () => (place.where === 'remote' ? listDeployed(place) : Promise.resolve(listLocal(place))),
    query: async (sql) => parseRows(await run('d1', 'execute', 'DB', '--json', '--yes', '--command', sql)),
    listKeys: async (prefix) => parseNames(await run('kv', 'key', 'list', '--prefix', prefix, ...kv)),
    readMarkers: (keys) => openStorage(place).readMarkers(keys),
  }
}

async function listDeployed({ config }: Place): Promise<readonly string[]> {
  return parseNames(await runWrangler('secret', 'list', '--format', 'json', '--config', config))
}

function listLocal({ config }: Place): readonly string[] {
  const path = join(dirname(config), '.dev.vars')
  return existsSync(path) ? Object.keys(readSecretsFile(path).values) : []
}

/** `[{ "results": [{ … }, …] }]` */
function parseRows(text: string): readonly JsonObject[] {
  const answers: unknown = JSON.parse(text)
  const answer: unknown = Array.isArray(answers) ? answers[0] : null
  const rows: unknown = isObject(answer) ? answer['results'] : null
  if (!Array.isArray(rows) || !rows.every(isObject)) throw new TypeError('wrangler gave no rows')
  return rows
}
