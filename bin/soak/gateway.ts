// A gateway on this machine, with its state on disk, that can be killed at any moment and starts again on that state.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { OutgoingHttpHeaders } from 'node:http'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { convertV4MiniflareOptions, Miniflare } from 'miniflare'

import { bundleInto } from '../bundle.ts'
import { makeSecrets } from '../secrets.ts'
import type { Secrets } from '../secrets.ts'
import { BESIDE, UPSTREAM } from './beside.ts'

export const ISSUER = 'https://gateway.test'

export interface Sending {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: unknown
}

export interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}

/** How often what happened to requests, whatever they asked for. */
export interface Traffic {
  readonly answered: number
  /** The process was killed before its answer was there. */
  readonly lost: number
  /** 5xx: the gateway cannot tell, and the same is asked again. */
  readonly unavailable: number
}

export type WhenLost = () => Promise<void>

export interface Gateway {
  /** Sends, and sends again until the gateway says what it decided; `whenLost` comes before each repetition. */
  readonly ask: (path: string, sending?: Sending, whenLost?: WhenLost) => Promise<Answer>
  /** Asks D1 itself, the same way. */
  readonly query: (sql: string, ...parameters: readonly (string | number)[]) => Promise<readonly unknown[]>
  readonly readMarkers: (ids: readonly string[]) => Promise<readonly unknown[]>
  /** One tick of the cron; false where it was killed. */
  readonly tick: () => Promise<boolean>
  /** SIGKILL, then a start on the same state. Resolves when it serves again. */
  readonly kill: () => Promise<void>
  readonly traffic: () => Traffic
  readonly stop: () => Promise<void>
}

const ROOT = join(import.meta.dirname, '..', '..')
/** Milliseconds after which a gateway that gives no answer is broken. */
const PATIENCE_MS = 90_000

/** Starts one on an empty database. */
export async function startGateway(): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-soak-'))
  const options = describeWorkers(await bundle(folder), await makeSecrets(), join(folder, 'state'))
  const miniflare = new Miniflare(options)
  const state = { up: ready(), answered: 0, lost: 0, unavailable: 0 }

  async function ready(): Promise<void> {
    await miniflare.ready
  }

  async function once(worker: string, path: string, sending: Sending): Promise<Answer | null> {
    await state.up
    try {
      const { port } = await miniflare.unsafeGetDirectURL(worker)
      const answer = await send(port, path, sending)
      if (answer.status < 500) state.answered += 1
      else state.unavailable += 1
      return answer
    } catch {
      state.lost += 1
      return null
    }
  }

  async function insist(worker: string, path: string, sending: Sending, whenLost: WhenLost = rest): Promise<Answer> {
    const deadline = Date.now() + PATIENCE_MS
    while (Date.now() < deadline) {
      const answer = await once(worker, path, sending)
      if (answer !== null && answer.status < 500) return answer
      await whenLost()
    }
    throw new Error(`no answer from ${path}`)
  }

  async function look(path: string, body: unknown): Promise<readonly unknown[]> {
    const answer = await insist('beside', path, { method: 'POST', body })
    const rows: unknown = JSON.parse(answer.body)
    if (!Array.isArray(rows)) throw new Error(`${path} gave no list`)
    return rows
  }

  async function restart(): Promise<void> {
    for (const pid of findRuntimes()) process.kill(pid, 'SIGKILL')
    await miniflare.setOptions(options)
  }

  const gateway: Gateway = {
    ask: (path, sending = {}, whenLost = rest) => insist('gatehouse', path, sending, whenLost),
    query: (sql, ...parameters) => look('/sql', { sql, parameters }),
    readMarkers: (ids) => look('/markers', { ids }),
    tick: async () => (await once('beside', '/tick', { method: 'POST', body: {} }))?.body === '"ok"',
    kill: () => {
      state.up = restart()
      return state.up
    },
    traffic: () => state,
    stop: async () => {
      await miniflare.dispose()
      rmSync(folder, { recursive: true })
    },
  }
  for (const statement of readSchema()) await gateway.query(statement)
  return gateway
}

async function rest(): Promise<void> {
  await sleep(10)
}

/** What `wrangler deploy` would upload. */
async function bundle(folder: string): Promise<string> {
  await bundleInto(folder)
  return readFileSync(join(folder, 'index.js'), 'utf8')
}

function describeWorkers(script: string, secrets: Secrets, state: string) {
  const upstream = { upstream: UPSTREAM, binding: 'BESIDE' }
  const vars = {
    ISSUER,
    // Nothing expires by itself while the soak runs, and nobody has too many sessions.
    TOKENS: { access_ttl: '1h' },
    SESSIONS: { max_per_user: 1000 },
    PASSWORDS: { sign_in: true },
    ROUTES: [
      { path: '/*', ...upstream },
      { path: '/strict', ...upstream, revocation: 'session' },
      { path: '/say', ...upstream, access: 'public', session_control: true },
    ],
  }
  const common = {
    modules: true,
    compatibilityDate: '2026-08-01',
    d1Databases: ['DB'],
    kvNamespaces: ['MARKERS'],
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
  }
  const gatehouse = {
    ...common,
    name: 'gatehouse',
    script,
    compatibilityFlags: ['nodejs_compat'],
    bindings: { ...vars, ...secrets },
    serviceBindings: { BESIDE: 'beside' },
    ratelimits: { SIGN_IN_LIMIT: { namespace_id: '1', simple: { limit: 100_000, period: 60 as const } } },
  }
  const beside = {
    ...common,
    name: 'beside',
    script: BESIDE,
    compatibilityFlags: ['service_binding_extra_handlers'],
    serviceBindings: { GATEWAY: 'gatehouse' },
  }
  return convertV4MiniflareOptions({
    workers: [gatehouse, beside],
    resourcePersistencePath: state,
    handleStructuredLogs: () => undefined,
  })
}

function readSchema(): readonly string[] {
  const schema = readFileSync(join(ROOT, 'schema.sql'), 'utf8').replaceAll(/--.*$/gm, '')
  return schema.split(/;\s*$/m).filter((statement) => statement.trim() !== '')
}

/** The processes that this one has started to run Workers: each holds D1 and KV, and dies with what it was about to write. */
function findRuntimes(): readonly number[] {
  const rows = execFileSync('ps', ['-e', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n')
  return rows
    .map((row) => /^\s*(?<pid>\d+)\s+(?<parent>\d+)\s.*workerd serve/.exec(row)?.groups)
    .filter((groups) => groups?.['parent'] === String(process.pid))
    .map((groups) => Number(groups?.['pid']))
}

/** @throws Error where the connection breaks before the answer is whole */
function send(port: string, path: string, { method = 'GET', headers = {}, body }: Sending): Promise<Answer> {
  const json = body === undefined ? {} : { 'Content-Type': 'application/json' }
  const all = { Host: new URL(ISSUER).host, ...json, ...headers }
  const options = { host: '127.0.0.1', port, path, method, agent: false, headers: all }
  return new Promise((resolve, reject) => {
    const request = httpRequest(options, (message) => {
      const chunks: Buffer[] = []
      message.on('data', (chunk: Buffer) => chunks.push(chunk))
      message.on('error', reject)
      message.on('end', () => {
        const { statusCode = 0 } = message
        resolve({ status: statusCode, headers: message.headers, body: Buffer.concat(chunks).toString() })
      })
    })
    request.on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
