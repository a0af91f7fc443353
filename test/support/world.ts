// A gateway for flow tests: the Worker through its own fetch, with real D1 and KV that are counted, and a scripted upstream.

import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { onTestFinished, vi } from 'vitest'

import { hashPassword } from '../../src/accounts/passwords.ts'
import { issue } from '../../src/auth/issue.ts'
import type { Transport } from '../../src/auth/issue.ts'
import { openFor } from '../../src/auth/open.ts'
import { randomText } from '../../src/crypto.ts'
import worker from '../../src/index.ts'
import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { loadRuntime } from '../../src/runtime.ts'
import { placeOfDigest } from '../../src/sessions/recent.ts'
import { createSignedText } from '../../src/signed-text.ts'
import { generateSigningKey } from '../../src/tokens/keys.ts'

declare global {
  namespace Cloudflare {
    interface Env {
      readonly TEST_SCHEMA: string
      readonly DB: D1Database
      readonly MARKERS: KVNamespace
      readonly SIGN_IN_LIMIT: RateLimit
    }
  }
}

export const ISSUER = 'https://api.example.com'
export const UPSTREAM = 'https://origin.example.net'
export const PASSWORD = 'correct horse battery'

const secrets = {
  SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
  SESSION_KEYS: randomText(32),
}
const passwordHash = await hashPassword(PASSWORD)

/** A digest as the cron puts it under the key of a tick, by the world's session key or another. */
export function signDigest(tick: number, text: string, key = secrets.SESSION_KEYS): string {
  const options = { keys: [Buffer.from(key, 'base64url')], now: () => 0, log: () => undefined }
  return createSignedText(options).sign(placeOfDigest(tick), text)
}

type Init = RequestInit<IncomingRequestCfProperties>

/** What the upstream was sent. */
export interface Seen {
  readonly url: string
  readonly method: string
  readonly headers: Headers
  readonly body: string
}

/** Calls since the world was made, or since `world.count` was last read. */
export interface Counts {
  readonly roundTrips: number
  readonly gets: number
  readonly puts: number
}

export interface WorldOptions {
  readonly routes?: readonly JsonObject[]
  readonly vars?: JsonObject
  readonly upstream?: (request: Request) => Response | Promise<Response>
  /** Answers for servers that are no upstream, such as a provider. */
  readonly elsewhere?: (request: Request) => Promise<Response>
  /** Replaces bindings, such as a KV that fails. */
  readonly bindings?: JsonObject
}

export type World = Awaited<ReturnType<typeof createWorld>>

export const user = {
  id: 'usr_0000000000000000000001',
  email: 'ada@example.com',
  roles: ['staff'],
  scopes: ['orders:read'],
  claims: { tenant: 'acme' },
}

/** Each env object is an isolate of its own: what is remembered belongs to it. */
async function sendIn(isolate: JsonObject, path: string, init: Init = {}): Promise<Response> {
  const url = path.startsWith('/') ? `${ISSUER}${path}` : path
  const request = new Request<unknown, IncomingRequestCfProperties>(url, { redirect: 'manual', ...init })
  const context = createExecutionContext()
  const response = await worker.fetch(request, isolate, context)
  await waitOnExecutionContext(context)
  return response
}

export async function createWorld(options: WorldOptions = {}) {
  await emptyStorage()
  await insertUser(user)
  const counts = { roundTrips: 0, gets: 0, puts: 0 }
  const digestsAsked: string[] = []
  const seen: Seen[] = []
  const logged: JsonObject[] = []
  const env_ = createEnv(options, counts, digestsAsked)
  vi.spyOn(console, 'log').mockImplementation((line: unknown) => {
    const event: unknown = typeof line === 'string' ? JSON.parse(line) : null
    if (isObject(event)) logged.push(event)
  })
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const request = new Request(input, init)
    if (!request.url.startsWith(UPSTREAM) && options.elsewhere !== undefined) return options.elsewhere(request)
    if (!request.url.startsWith(UPSTREAM)) throw new Error(`unexpected fetch of ${request.url}`)
    const { url, method, headers } = request
    seen.push({ url, method, headers, body: await request.clone().text() })
    return options.upstream === undefined ? Response.json({ from: 'upstream' }) : options.upstream(request)
  })
  onTestFinished(() => {
    vi.restoreAllMocks()
  })

  function send(path: string, init: Init = {}): Promise<Response> {
    return sendIn(env_, path, init)
  }

  return {
    env: env_,
    seen,
    logged,
    /** Keys of digests that KV was asked for, which no request waits for. */
    digestsAsked,
    send,
    sendIn,
    /** Another isolate: the same secrets and storage, nothing remembered. */
    sendFresh: (path: string, init: Init = {}) => sendIn({ ...env_ }, path, init),
    post: (path: string, body: unknown, headers: Record<string, string> = {}) =>
      send(path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json', ...headers },
      }),
    bearer: (token: string, path: string, init: Init = {}) =>
      send(path, {
        ...init,
        headers: { ...Object.fromEntries(new Headers(init.headers)), Authorization: `Bearer ${token}` },
      }),
    /** A run that repairs, and comes too late for ticks of its own. */
    runCron: async (isolate: JsonObject = env_) => {
      const context = createExecutionContext()
      await worker.scheduled({ scheduledTime: 0, cron: '* * * * *', noRetry: () => undefined }, isolate)
      await waitOnExecutionContext(context)
    },
    /** The counts since the last reading. */
    count: (): Counts => {
      const now = { ...counts }
      Object.assign(counts, { roundTrips: 0, gets: 0, puts: 0 })
      return now
    },
    /** An API client that is signed in, without the costs of a password. */
    signInForTokens: async (userId = user.id, scopes: readonly string[] | null = null) => {
      const body: unknown = await (await openDirectly(env_, 'token', userId, scopes)).json()
      if (!isObject(body)) throw new Error('no tokens')
      return { access: String(body['access_token']), refresh: String(body['refresh_token']) }
    },
    /** The `Cookie` header of a browser that is signed in. */
    signInForCookies: async () => cookieHeader(await openDirectly(env_, 'cookie', user.id, null)),
  }
}

/** What signing in does once the password was right. */
async function openDirectly(
  env_: JsonObject,
  transport: Transport,
  userId: string,
  scopes: readonly string[] | null,
): Promise<Response> {
  const loaded = await loadRuntime(env_)
  if (loaded.outcome !== 'ready') throw new Error(loaded.problems.join(', '))
  const context = createExecutionContext()
  const waitUntil = (work: Promise<unknown>) => context.waitUntil(work)
  const { runtime } = loaded
  const request = new Request(ISSUER)
  const exchange = { request, head: request, requestId: 'test', clientAddress: null, runtime, note: null, waitUntil }
  const proof = { userId, checked: { sessionEpoch: await epochOf(userId), passwordHash }, amr: ['pwd'], scopes }
  const session = await openFor(exchange, proof, transport, { before: [], after: [] })
  if (session === null) throw new Error('no session')
  const response = await issue(exchange, session, transport, 200)
  await waitOnExecutionContext(context)
  return response
}

async function epochOf(userId: string): Promise<number> {
  const row = await env.DB.prepare('SELECT session_epoch AS epoch FROM users WHERE id = ?1')
    .bind(userId)
    .first<number>('epoch')
  return row ?? 0
}

/** Gives a slow machine half a minute: blocks last longer, where there are any. */
export async function lengthenBlocks(): Promise<void> {
  await env.DB.prepare('UPDATE sign_in_attempts SET blocked_until = blocked_until + 30 WHERE blocked_until > 0').run()
}

/** Tests of a file share D1 and KV: each world begins with neither rows nor markers. */
async function emptyStorage(): Promise<void> {
  const tables = [
    'figures',
    'deliveries',
    'audit_events',
    'password_resets',
    'client_assertions',
    'clients',
    'api_keys',
    'revoked_subjects',
    'revoked_issuers',
    'logout_tokens',
    'identities',
    'known_addresses',
    'sessions',
    'sign_in_attempts',
    'refusals',
    'users',
  ]
  const statements = [...statementsOf(env.TEST_SCHEMA), ...tables.map((table) => `DELETE FROM ${table}`)]
  await env.DB.batch(statements.map((sql) => env.DB.prepare(sql)))
  const { keys } = await env.MARKERS.list()
  await Promise.all(keys.map(({ name }) => env.MARKERS.delete(name)))
}

/** The `Cookie` header that a browser would send after this answer. */
export function cookieHeader(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((line) => line.split(';')[0] ?? '')
    .join('; ')
}

export async function insertUser(row: typeof user): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO users (id, email, password_hash, roles, scopes, claims, token_version, created_at, changed_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, unixepoch(), 0)`,
  )
    .bind(
      row.id,
      row.email,
      passwordHash,
      JSON.stringify(row.roles),
      JSON.stringify(row.scopes),
      JSON.stringify(row.claims),
    )
    .run()
}

function createEnv(
  options: WorldOptions,
  counts: { roundTrips: number; gets: number; puts: number },
  digestsAsked: string[],
): JsonObject {
  const bindings = {
    DB: {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: (statements: D1PreparedStatement[]) => {
        counts.roundTrips += 1
        return env.DB.batch(statements)
      },
    },
    MARKERS: {
      get: (key: string, init: KVNamespaceGetOptions<'text'>) => {
        if (key.startsWith('recent:')) digestsAsked.push(key)
        else counts.gets += 1
        return env.MARKERS.get(key, init)
      },
      put: (key: string, value: string, init?: KVNamespacePutOptions) => {
        counts.puts += 1
        return env.MARKERS.put(key, value, init)
      },
    },
    SIGN_IN_LIMIT: { limit: async () => ({ success: true }) },
  }
  const routes = options.routes ?? [{ path: '/*', upstream: UPSTREAM }]
  const vars = { ISSUER, PASSWORDS: { sign_in: true }, ROUTES: routes }
  return { ...secrets, ...vars, ...bindings, ...options.vars, ...options.bindings }
}

/** The statements of a schema file, without its comments. */
function statementsOf(schema: string): readonly string[] {
  return schema
    .replaceAll(/--.*$/gm, '')
    .split(';')
    .map((sql) => sql.trim())
    .filter((sql) => sql !== '')
}
