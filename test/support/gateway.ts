// The real Worker, bundled, in workerd on a socket of its own: no proxy of a development server reads a request first.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import type { JWK } from 'jose'
import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'
import type { V4MiniflareOptions } from 'miniflare'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { afterAll } from 'vitest'

import { bundleInto } from '../../bin/bundle.ts'
import type { Secrets } from '../../bin/secrets.ts'

export const ISSUER = 'https://gateway.test'

/** An answer as it stood on the wire: names in their spelling, lines separate, the body not decoded. */
export interface Answer {
  readonly status: number
  readonly statusText: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

/** Values of a header, whatever its case; several lines stay several. */
export function valuesOf({ headers }: Pick<Answer, 'headers'>, name: string): readonly string[] {
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}

export interface Sending {
  readonly method?: string
  /** `Host` is the gateway's unless it is here; a name with several values is sent as several lines. */
  readonly headers?: OutgoingHttpHeaders
  /** What comes bit by bit is sent bit by bit. */
  readonly body?: string | Buffer | AsyncIterable<string>
}

export interface Gateway {
  readonly port: number
  readonly issuer: string
  /** Writes text on a socket (as Latin-1) and reads one answer, whole. */
  readonly raw: (text: string) => Promise<string>
  readonly send: (target: string, sending?: Sending) => Promise<Answer>
  /** Gives the answer when its headers are there; its body streams. */
  readonly open: (target: string, sending?: Sending) => Promise<IncomingMessage>
  /** An access token of the gateway's own, valid for five minutes, with `claims` on top. */
  readonly token: (claims?: Readonly<Record<string, Json>>) => Promise<string>
  /** One run of the cron, too late for ticks of its own. */
  readonly runCron: () => Promise<void>
  /** The Worker's log lines so far. */
  readonly log: readonly string[]
  readonly secrets: Secrets
  readonly db: D1Database
  readonly markers: Awaited<ReturnType<Miniflare['getKVNamespace']>>
}

type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json }

export interface GatewayOptions {
  /** `[vars]`, as in wrangler.toml; ISSUER is there already. */
  readonly vars: Readonly<Record<string, Json>>
  /** Of this machine's own; ISSUER is `http://localhost:<port>` then, as a browser needs it. */
  readonly port?: number
  /** Workers behind service bindings: name of the binding to its module's source. */
  readonly services?: Readonly<Record<string, string>>
  /** Names of rate-limit bindings, each of 1,000 requests a minute. */
  readonly rateLimits?: readonly string[]
  /** More secrets, such as those of webhooks. */
  readonly secrets?: Readonly<Record<string, string>>
}

/** Starts one with a database of its own; it stops when the test file is through. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const log: string[] = []
  const place = placeOf(options)
  const { issuer } = place
  const key = await makeSigningKey()
  const secrets = secretsOf(key)
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [gatewayWorker(await bundle(), secrets, place, options), ...serviceWorkers(options)],
      handleStructuredLogs: ({ message }) => void log.push(message),
    }),
  )
  afterAll(() => miniflare.dispose())
  const db = await miniflare.getD1Database('DB')
  await applySchema(db)
  const markers = await miniflare.getKVNamespace('MARKERS')
  const port = Number((await miniflare.unsafeGetDirectURL('gatehouse')).port)
  const { scheduled } = await miniflare.getWorker('gatehouse')
  return {
    port,
    runCron: async () => void (await scheduled({ cron: '* * * * *', scheduledTime: new Date(0) })),
    issuer,
    raw: (text) => exchangeText(port, text),
    open: (target, sending) => openRequest({ issuer, port }, target, sending),
    send: async (target, sending) => readAnswer(await openRequest({ issuer, port }, target, sending)),
    token: (claims) => mint(key, issuer, claims),
    log,
    secrets,
    db,
    markers,
  }
}

interface Place {
  readonly issuer: string
  /** 0 is any that is free. */
  readonly port: number
}

function placeOf({ port }: GatewayOptions): Place {
  return port === undefined ? { issuer: ISSUER, port: 0 } : { issuer: `http://localhost:${port}`, port }
}

async function makeSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: 'test', alg: 'ES256', use: 'sig' }
}

async function mint(key: JWK, issuer: string, claims: Readonly<Record<string, Json>> = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const times = { iat: now, exp: now + 300, auth_time: now }
  const who = { sub: 'usr_1', sid: 'ses_1', ver: 1, client_id: 'gatehouse', amr: ['pwd'], scope: '', roles: [] }
  return new SignJWT({ iss: issuer, aud: issuer, jti: randomBytes(9).toString('hex'), ...times, ...who, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'test', typ: 'at+jwt' })
    .sign(await importJWK(key, 'ES256'))
}

const ROOT = join(import.meta.dirname, '../..')

/** What `wrangler deploy` would upload. */
async function bundle(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-'))
  try {
    await bundleInto(folder)
    return readFileSync(join(folder, 'index.js'), 'utf8')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

type Worker = Extract<V4MiniflareOptions, { workers: unknown }>['workers'][number]

const COMPATIBILITY_DATE = '2026-08-01'

function secretsOf(key: JWK): Secrets {
  return { SIGNING_KEYS: JSON.stringify({ keys: [key] }), SESSION_KEYS: randomBytes(32).toString('base64url') }
}

function gatewayWorker(
  script: string,
  secrets: Secrets,
  { issuer, port }: Place,
  { vars, services = {}, rateLimits = [], ...options }: GatewayOptions,
): Worker {
  return {
    name: 'gatehouse',
    modules: true,
    script,
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: ['nodejs_compat'],
    bindings: { ISSUER: issuer, ...structuredClone(vars), ...secrets, ...options.secrets },
    d1Databases: ['DB'],
    kvNamespaces: ['MARKERS'],
    ratelimits: Object.fromEntries(rateLimits.map((name, at) => [name, rateLimit(at)])),
    serviceBindings: Object.fromEntries(Object.keys(services).map((name) => [name, name.toLowerCase()])),
    unsafeDirectSockets: [{ host: '127.0.0.1', port }],
  }
}

function rateLimit(at: number): { readonly namespace_id: string; readonly simple: { limit: number; period: 60 } } {
  return { namespace_id: String(at + 1), simple: { limit: 1000, period: 60 } }
}

function serviceWorkers({ services = {} }: GatewayOptions): Worker[] {
  return Object.entries(services).map(([name, script]) => ({
    name: name.toLowerCase(),
    modules: true,
    script,
    compatibilityDate: COMPATIBILITY_DATE,
  }))
}

async function applySchema(db: Pick<D1Database, 'prepare'>): Promise<void> {
  const schema = readFileSync(join(ROOT, 'schema.sql'), 'utf8').replaceAll(/--.*$/gm, '')
  for (const statement of schema.split(/;\s*$/m)) {
    if (statement.trim() !== '') await db.prepare(statement).run()
  }
}

function openRequest({ issuer, port }: Place, target: string, sending: Sending = {}): Promise<IncomingMessage> {
  const { method = 'GET', headers = {}, body } = sending
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: target, method, headers: { Host: hostOf(issuer), ...headers } }
    sendBody(httpRequest(options, resolve).on('error', reject), body)
  })
}

function sendBody(request: ClientRequest, body: Sending['body']): void {
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) {
    request.end(body)
    return
  }
  Readable.from(body).pipe(request)
}

function hostOf(origin: string): string {
  return new URL(origin).host
}

async function readAnswer(message: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  const { statusCode = 0, statusMessage = '', rawHeaders } = message
  const headers = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ''] as const] : []))
  return { status: statusCode, statusText: statusMessage, headers, body: Buffer.concat(chunks) }
}

function exchangeText(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let received = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      received += String(chunk)
      if (isWhole(received, text.startsWith('HEAD '))) socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
    socket.write(text, 'latin1')
  })
}

/** RFC 9112 §6.3, for one answer and the `100 Continue` that may come before it. */
function isWhole(all: string, isHead: boolean): boolean {
  const received = all.replace(/^HTTP\/1\.1 100 [^]*?\r\n\r\n/, '')
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) return false
  const [head, body] = [received.slice(0, end), received.slice(end + 4)]
  if (isHead || /^HTTP\/1\.1 (?:101|204|304)/.test(head)) return true
  if (/\r\ntransfer-encoding: chunked/i.test(head)) return body.endsWith('0\r\n\r\n')
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
  return length !== undefined && body.length >= Number(length)
}
