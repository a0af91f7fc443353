// `npm run explain`: why a request is let through or refused, told by the gateway's own code, without a gateway that runs.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

import { parse as parseToml } from 'smol-toml'

import type { Asked } from './explain/ask.ts'
import { explain } from './explain/ask.ts'
import { describeLine, findLogLines } from './explain/log-line.ts'
import { describeExplained } from './explain/report.ts'
import type { Values } from './keys/secrets-file.ts'
import { readSecretsFile } from './keys/secrets-file.ts'
import { LOG_FILE } from './start/gateway.ts'

const USAGE = `Usage: npm run explain -- [METHOD] <path or URL> [options]
       npm run explain -- --request-id <id>

Tells which route a request has, what each step says of it, and what the upstream would receive.
Offline: from wrangler.toml and the keys at hand. What only D1 and KV know is said to be unknown.

  --token <jwt>          as Authorization: Bearer; - reads it from the standard input
  --cookie <pairs>       as Cookie
  --header 'Name: value' another header, as often as you like
  --method, --host       default: GET, and the host of ISSUER
  --config <file>        default: wrangler.toml
  --secrets-file <file>  default: .dev.vars beside it
  --fetch                asks other issuers for their keys
  --request-id <id>      finds the log line of a request that was refused

Exit code: 0 it passes, 3 it is refused, 4 it cannot be told here.`

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}

type Options = NonNullable<ReturnType<typeof parse>>

async function run(args: readonly string[]): Promise<number> {
  const options = parse(args)
  if (options === null) {
    console.error(USAGE)
    return 2
  }
  return options.requestId === undefined ? explainRequest(options) : findRequest(options.requestId, options)
}

async function explainRequest(options: Options): Promise<number> {
  const secrets = readSecrets(options)
  const token = options.token === '-' ? readFileSync(0, 'utf8').trim() : options.token
  const headers = headersOf(options, token)
  const asked: Asked = { method: options.method, target: options.target, host: options.host, headers }
  const toml = parseToml(readFileSync(options.config, 'utf8'))
  const explained = await explain({ toml, secrets, mayFetch: options.fetch }, asked)
  const { text, exitCode } = describeExplained(explained, asked.method, secretTexts(asked, secrets))
  console.log(text)
  return exitCode
}

function headersOf({ cookie, header }: Options, token: string | undefined): Asked['headers'] {
  const given = header.map((line): readonly [string, string] => {
    const at = line.indexOf(':')
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()]
  })
  return [
    ...given,
    ...(token === undefined ? [] : [['Authorization', `Bearer ${token}`] as const]),
    ...(cookie === undefined ? [] : [['Cookie', cookie] as const]),
  ]
}

/** What came as a credential, whole and in its parts, and every secret at hand. */
function secretTexts({ headers }: Asked, secrets: Values): readonly string[] {
  const credentials = headers.filter(([name]) => /^(?:authorization|cookie|sec-websocket-protocol)$/i.test(name))
  const parts = credentials.flatMap(([, value]) => [value].concat(value.split(/[\s;,=]+/)))
  return [...parts, ...Object.entries(secrets).flatMap(([name, value]) => (name === 'KEY_STATES' ? [] : [value]))]
}

function readSecrets({ config, secretsFile }: Options): Values {
  const path = secretsFile ?? join(dirname(config), '.dev.vars')
  return secretsFile === undefined && !existsSync(path) ? {} : readSecretsFile(path).values
}

function findRequest(requestId: string, { config }: Options): number {
  const file = join(dirname(config), LOG_FILE)
  const lines = findLogLines(file, requestId)
  if (lines !== null && lines.length > 0) {
    console.log([`In ${file}:`, ...lines.map(describeLine)].join('\n\n'))
    return 0
  }
  console.error(`${lines === null ? `There is no ${file}` : `Not in ${file}`}. A request that passes writes no line.
Deployed: Workers Logs, filter request_id = ${requestId}; or, as they come:
  npx wrangler tail --config ${config} --search ${requestId}`)
  return 1
}

/** `null` for arguments that cannot be meant. */
function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        token: { type: 'string' },
        cookie: { type: 'string' },
        header: { type: 'string', multiple: true, default: [] },
        method: { type: 'string' },
        host: { type: 'string' },
        config: { type: 'string', short: 'c', default: 'wrangler.toml' },
        'secrets-file': { type: 'string' },
        'request-id': { type: 'string' },
        fetch: { type: 'boolean', default: false },
      },
    })
    const { 'request-id': requestId, 'secrets-file': secretsFile, method, host, header, ...others } = values
    const [first, second, ...more] = positionals
    const target = second ?? first ?? ''
    const isAsked = /^(?:\/|https?:\/\/)/i.test(target) && requestId === undefined
    const isFound = positionals.length === 0 && requestId !== undefined && /^[0-9a-z-]{1,64}$/i.test(requestId)
    const isTwice = second !== undefined && method !== undefined
    if ((!isAsked && !isFound) || more.length > 0 || isTwice || !header.every((line) => /^[^:\s]+:/.test(line)))
      return null
    const named = method ?? (second === undefined ? undefined : first) ?? 'GET'
    return { ...others, requestId, secretsFile, header, target, host: host ?? null, method: named.toUpperCase() }
  } catch {
    return null
  }
}
