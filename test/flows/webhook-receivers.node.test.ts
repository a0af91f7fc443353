// Webhooks on the wire: the receiver of the documentation, and receivers that fail, hang and redirect, over loopback.
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import type { Example } from '../support/example.ts'
import { runExample } from '../support/example.ts'
import type { Gateway } from '../support/gateway.ts'
import { startGateway } from '../support/gateway.ts'

const OLD = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const NEW = `whsec_${Buffer.alloc(24, 2).toString('base64')}`

interface Taken {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const taken: Taken[] = []

const ANSWERS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '/good': (response) => response.writeHead(200).end('thanks'),
  '/failing': (response) => response.writeHead(500).end(),
  '/moved': (response) => response.writeHead(308, { Location: '/stolen' }).end(),
  '/hanging': () => undefined,
  '/dripping': (response) => response.writeHead(200).write('a body that never ends'),
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const path = request.url ?? ''
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
  taken.push({ path, headers, body: Buffer.concat(chunks).toString() })
  ANSWERS[path]?.(response)
}

const server = createServer((request, response) => void receive(request, response)).listen(0, '127.0.0.1')
const kinds = ['good', 'failing', 'moved', 'hanging', 'dripping']

const scene: { gateway: Gateway; example: Example } = await open()

async function open() {
  const example = await runExample('webhook-receiver.mjs', '', { WEBHOOK_SECRET: OLD })
  const hooks = kinds.map((id) => ({ id, url: `http://127.0.0.1:${portOf(server.address())}/${id}` }))
  const all = [...hooks, { id: 'example', url: `${example.origin}/` }]
  const gateway = await startGateway({
    vars: {
      ROUTES: [{ path: '/*', upstream: 'http://127.0.0.1:9' }],
      WEBHOOKS: all.map((hook) => ({ ...hook, events: ['session.ended'] })),
    },
    secrets: Object.fromEntries(all.map(({ id }) => [`WEBHOOK_${id.toUpperCase()}_SECRET`, `${NEW}, ${OLD}`])),
  })
  return { gateway, example }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not a port')
  return address.port
}

/** A session that somebody opens and ends. */
async function endSession(): Promise<void> {
  const { gateway } = scene
  await gateway.db.batch([
    gateway.db.prepare(
      `INSERT OR IGNORE INTO users (id, token_version, created_at, changed_at) VALUES ('usr_1', 1, 0, 0)`,
    ),
    gateway.db.prepare('DELETE FROM sessions'),
    gateway.db.prepare(
      `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, auth_time, expires_at)
       VALUES ('ses_1', 'usr_1', 0, 0, 0, unixepoch(), 0, unixepoch() + 9000)`,
    ),
  ])
  const Authorization = `Bearer ${await gateway.token({ sub: 'usr_1', sid: 'ses_1' })}`
  const answer = await gateway.send('/auth/sign-out', { method: 'POST', headers: { Authorization } })
  expect(answer.status).toBe(200)
}

async function stateOf(webhook: string): Promise<unknown> {
  return scene.gateway.db
    .prepare('SELECT attempts, delivered_at IS NOT NULL AS delivered FROM deliveries WHERE webhook = ?1')
    .bind(webhook)
    .first()
}

const pathsOf = (path: string) => taken.filter((each) => each.path === path)

beforeAll(async () => {
  await endSession()
  await scene.gateway.runCron()
})

afterAll(() => {
  scene.example.stop()
  server.closeAllConnections()
  server.close()
})

describe('a message on the wire', () => {
  it('is verified by the standardwebhooks package, with the old secret and with the new', () => {
    const [message] = pathsOf('/good')
    expect(message).toBeDefined()
    for (const secret of [OLD, NEW]) {
      expect(new Webhook(secret).verify(message?.body ?? '', message?.headers ?? {})).toEqual({
        type: 'session.ended',
        timestamp: expect.any(String),
        data: { subject: 'usr_1', sessions: ['ses_1'], reason: 'sign_out' },
      })
    }
  })

  it('is not verified once a byte of it is another', () => {
    const [message] = pathsOf('/good')
    const forged = message?.body.replace('usr_1', 'usr_2') ?? ''
    expect(() => new Webhook(NEW).verify(forged, message?.headers ?? {})).toThrow('No matching signature')
  })

  it('is JSON by POST, and no credential comes along', () => {
    const [message] = pathsOf('/good')
    expect(message?.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Gatehouse' })
    expect(Object.keys(message?.headers ?? {})).not.toContain('authorization')
  })
})

describe('a receiver', () => {
  it('that takes the message is sent it once', async () => {
    expect(pathsOf('/good')).toHaveLength(1)
    expect(await stateOf('good')).toEqual({ attempts: 1, delivered: 1 })
  })

  it.each(['failing', 'moved', 'hanging'])('that is %s is asked again later', async (kind) => {
    expect(pathsOf(`/${kind}`)).toHaveLength(1)
    expect(await stateOf(kind)).toEqual({ attempts: 1, delivered: 0 })
  })

  it('that redirects is not followed', () => {
    expect(pathsOf('/stolen')).toEqual([])
  })

  it('that never ends its answer has taken the message', async () => {
    expect(await stateOf('dripping')).toEqual({ attempts: 1, delivered: 1 })
  })
})

describe('the receiver of the documentation', () => {
  const source = readFileSync(join(import.meta.dirname, '../../examples/webhook-receiver.mjs'), 'utf8')

  beforeEach(async () => {
    await sleep(50)
  })

  it('is there word for word', () => {
    expect(readFileSync(join(import.meta.dirname, '../../docs/webhooks.md'), 'utf8')).toContain(source)
  })

  it('takes a message once, though it comes twice', async () => {
    expect(await stateOf('example')).toEqual({ attempts: 1, delivered: 1 })
    await scene.gateway.db
      .prepare(`UPDATE deliveries SET delivered_at = NULL, next_at = unixepoch() WHERE webhook = 'example'`)
      .run()
    await scene.gateway.runCron()
    expect(await stateOf('example')).toEqual({ attempts: 2, delivered: 1 })
    expect(scene.example.printed.slice(1)).toEqual(['session.ended usr_1'])
  })

  it('refuses what is not signed', async () => {
    const response = await fetch(scene.example.origin, { method: 'POST', body: '{"type":"session.ended"}' })
    expect(response.status).toBe(401)
  })
})
