// Webhooks: a message for each change, in its batch, sent by the cron until the receiver has it, however often anything dies.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { administer } from '../support/admin.ts'
import { createWorld, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const HOOK = 'https://crm.example.org/hook?team=1'
const OTHER = 'https://siem.example.org/'
const SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`
const ALL = ['session.opened', 'session.ended', 'session.reuse_found', 'user.changed']

interface Sent {
  readonly url: string
  readonly id: string
  readonly body: JsonObject
}

type Receiver = (request: Request) => Response | Promise<Response>

async function createHooked(receive: Receiver, hooks: readonly JsonObject[] = [{}]) {
  const sent: Sent[] = []
  const entries = hooks.map((hook) => ({ id: 'crm', url: HOOK, events: ALL, ...hook }))
  const secrets = Object.fromEntries(entries.map(({ id }) => [`WEBHOOK_${id.toUpperCase()}_SECRET`, SECRET]))
  const world = await createWorld({
    vars: { WEBHOOKS: entries, ...secrets },
    elsewhere: async (request) => {
      const body: unknown = await request.clone().json()
      sent.push({ url: request.url, id: request.headers.get('Webhook-Id') ?? '', body: isObject(body) ? body : {} })
      return receive(request)
    },
  })
  return { world, sent }
}

const ok: Receiver = () => new Response(null, { status: 204 })

interface Row {
  readonly id: string
  readonly attempts: number
  readonly wait: number
  readonly delivered: number
  readonly dead: number
}

async function readRows(): Promise<readonly Row[]> {
  const { results } = await env.DB.prepare(
    `SELECT id, attempts, next_at - unixepoch() AS wait, delivered_at IS NOT NULL AS delivered, dead_at IS NOT NULL AS dead
     FROM deliveries ORDER BY rowid`,
  ).all<Row>()
  return results
}

/** Time passes until every delivery that waits is due. */
async function wait(): Promise<void> {
  await env.DB.prepare('UPDATE deliveries SET next_at = unixepoch()').run()
}

/** As many as a busy hour has left. */
async function fill(webhook: string, count: number): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO deliveries (id, webhook, event, body, created_at, next_at)
     WITH RECURSIVE counted (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < ?2)
     SELECT ?1 || n, ?1, 'user.changed', '{}', unixepoch(), unixepoch() FROM counted`,
  )
    .bind(webhook, count)
    .run()
}

function reports(world: World): readonly unknown[] {
  return world.logged.filter(({ event }) => event === 'webhook').map(({ reason }) => reason)
}

describe('a message to a webhook', () => {
  it('has a type, a time and what happened to whom', async () => {
    const { world, sent } = await createHooked(ok)
    const { refresh } = await world.signInForTokens()
    await world.post('/auth/sign-out', { refresh_token: refresh })
    await world.runCron()
    const session = await env.DB.prepare('SELECT id FROM sessions').first<string>('id')
    const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    const bodies = sent.map(({ body }) => body).toSorted((a, b) => (String(a['type']) < String(b['type']) ? 1 : -1))
    expect(bodies).toEqual([
      { type: 'session.opened', timestamp, data: { subject: user.id, session, amr: ['pwd'] } },
      { type: 'session.ended', timestamp, data: { subject: user.id, sessions: [session], reason: 'sign_out' } },
    ])
  })

  it('is written for those alone that want its event, each under an id of its own', async () => {
    const hooks = [
      { events: ['session.opened'] },
      { id: 'siem', url: OTHER, events: ['session.opened', 'user.changed'] },
    ]
    const { world, sent } = await createHooked(ok, hooks)
    const { refresh } = await world.signInForTokens()
    await world.post('/auth/sign-out', { refresh_token: refresh })
    await world.runCron()
    expect(sent.map(({ url }) => url).toSorted()).toEqual([HOOK, OTHER])
    expect(new Set(sent.map(({ id }) => id)).size).toBe(2)
    expect(sent.every(({ id }) => /^msg_[0-9a-f]{32}$/.test(id))).toBe(true)
  })

  it('of a stolen token says so, and that the session has ended', async () => {
    const { world, sent } = await createHooked(ok, [{ events: ['session.reuse_found', 'session.ended'] }])
    const { refresh } = await world.signInForTokens()
    await env.DB.prepare('UPDATE sessions SET generation = 9, previous_generation = 8, successor_presented = 1').run()
    await world.post('/auth/refresh', { refresh_token: refresh })
    await world.runCron()
    expect(new Set(sent.map(({ body }) => body['type']))).toEqual(new Set(['session.ended', 'session.reuse_found']))
  })

  it('tells what an administrator does, and who ended what', async () => {
    const { world, sent } = await createHooked(ok)
    const ask = await administer(world)
    await world.signInForTokens()
    await world.runCron()
    sent.splice(0)
    await ask('PATCH', `/users/${user.id}`, { roles: ['staff', 'lead'] })
    await ask('POST', `/users/${user.id}/end-sessions`)
    await ask('POST', `/users/${user.id}/disable`)
    await world.runCron()
    const subject = user.id
    expect(sent.map(({ body }) => body['data'])).toEqual(
      expect.arrayContaining([
        { subject, action: 'user.change', roles: ['staff', 'lead'] },
        { subject, sessions: 'all', reason: 'admin' },
        { subject, action: 'user.disable' },
      ]),
    )
    expect(sent).toHaveLength(3)
  })

  it('costs no round trip more than the change that it tells of', async () => {
    const { world } = await createHooked(ok)
    const { access } = await world.signInForTokens()
    world.count()
    await world.bearer(access, '/auth/sign-out', { method: 'POST' })
    expect(world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 1 })
  })

  it('is not written where nobody listens', async () => {
    const world = await createWorld()
    await world.signInForTokens()
    expect(await readRows()).toEqual([])
  })

  it('is gone with the batch that failed', async () => {
    const { world } = await createHooked(ok)
    const { prepare } = { prepare: (sql: string) => env.DB.prepare(sql) }
    const broken = env.DB.prepare('UPDATE users SET claims = NULL')
    const batch = (statements: D1PreparedStatement[]) => env.DB.batch([...statements, broken])
    const { refresh } = await world.signInForTokens()
    const before = await readRows()
    const init = { method: 'POST', body: JSON.stringify({ refresh_token: refresh }) }
    const headers = { 'Content-Type': 'application/json' }
    const isolate = { ...world.env, DB: { prepare, batch } }
    expect((await world.sendIn(isolate, '/auth/sign-out', { ...init, headers })).status).toBe(503)
    expect(await readRows()).toEqual(before)
  })
})

describe('a delivery', () => {
  it('that was made is not made again', async () => {
    const { world, sent } = await createHooked(ok)
    await world.signInForTokens()
    await world.runCron()
    await wait()
    await world.runCron()
    expect(sent).toHaveLength(1)
    expect(await readRows()).toMatchObject([{ attempts: 1, delivered: 1 }])
  })

  it.each([
    ['is refused', () => new Response('no', { status: 500 }), 'refused'],
    ['is asked for elsewhere', () => Response.redirect(`${UPSTREAM}/stolen`, 307), 'refused'],
    ['is not reached', () => Promise.reject(new Error('connection refused')), 'unreachable'],
  ])('that %s is made again under the same id', async (_, receive, reason) => {
    const { world, sent } = await createHooked(receive)
    await world.signInForTokens()
    await world.runCron()
    await world.runCron()
    expect(sent).toHaveLength(1)
    await wait()
    await world.runCron()
    expect(sent.map(({ url }) => url)).toEqual([HOOK, HOOK])
    expect(sent[1]?.id).toBe(sent[0]?.id)
    expect(sent[1]?.body).toEqual(sent[0]?.body)
    expect(world.seen).toEqual([])
    expect(reports(world)).toEqual([reason, reason])
  })

  it('waits four times as long after each failure, eight attempts in all, and then is dead, which is reported', async () => {
    const { world, sent } = await createHooked(() => new Response(null, { status: 503 }))
    await world.signInForTokens()
    const waits: number[] = []
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await wait()
      await world.runCron()
      const [row] = await readRows()
      waits.push(row?.wait ?? 0)
    }
    const expected = [60, 240, 960, 3840, 15_360, 61_440, 245_760, 60]
    expect(waits.map((each, at) => (expected[at] ?? 0) - each).every((late) => late >= 0 && late < 10)).toBe(true)
    await wait()
    await world.runCron()
    await wait()
    await world.runCron()
    expect(sent).toHaveLength(8)
    expect(await readRows()).toMatchObject([{ attempts: 8, delivered: 0, dead: 1 }])
    expect(reports(world)).toEqual([...Array.from({ length: 8 }, () => 'refused'), 'dead'])
  })

  it('that has failed for the last time is not made again, however many wait to be given up', async () => {
    const { world, sent } = await createHooked(ok)
    await fill('crm', 60)
    await env.DB.prepare('UPDATE deliveries SET attempts = 8').run()
    await world.runCron()
    await world.runCron()
    expect(sent).toEqual([])
    expect((await readRows()).every(({ dead }) => dead === 1)).toBe(true)
  })

  it('whose sender died before it sent is made by the next', async () => {
    const { world, sent } = await createHooked(ok)
    await world.signInForTokens()
    await env.DB.prepare('UPDATE deliveries SET attempts = 1, next_at = unixepoch() + 60').run()
    await world.runCron()
    expect(sent).toEqual([])
    await wait()
    await world.runCron()
    expect(sent).toHaveLength(1)
  })

  it('whose sender died before it could take note is made twice, under one id', async () => {
    const { world, sent } = await createHooked(ok)
    await world.signInForTokens()
    await world.runCron()
    await env.DB.prepare('UPDATE deliveries SET delivered_at = NULL').run()
    await wait()
    await world.runCron()
    expect(new Set(sent.map(({ id }) => id)).size).toBe(1)
    expect(sent).toHaveLength(2)
  })

  it('is made once by two crons at the same time', async () => {
    const { world, sent } = await createHooked(ok)
    await fill('crm', 30)
    await Promise.all([world.runCron(), world.runCron()])
    await world.runCron()
    expect(sent).toHaveLength(30)
    expect(new Set(sent.map(({ id }) => id)).size).toBe(30)
  })

  it('of a webhook that fails does not keep others from theirs, nor takes its attempts', async () => {
    const hooks = [{}, { id: 'siem', url: OTHER }]
    const { world, sent } = await createHooked(
      ({ url }) => new Response(null, { status: url === HOOK ? 500 : 200 }),
      hooks,
    )
    await fill('crm', 30)
    await fill('siem', 15)
    await world.runCron()
    expect(sent.filter(({ url }) => url === HOOK)).toHaveLength(1)
    expect(sent.filter(({ url }) => url === OTHER)).toHaveLength(15)
    const rows = await readRows()
    expect(rows.filter(({ attempts, delivered }) => attempts > 0 && delivered === 0)).toHaveLength(1)
  })

  it('of a webhook that is configured no more waits for it', async () => {
    const { world, sent } = await createHooked(ok)
    await fill('gone', 1)
    await world.runCron()
    expect(sent).toEqual([])
    expect(await readRows()).toMatchObject([{ attempts: 0, dead: 0 }])
  })

  it('does not end the cron where D1 fails to note it', async () => {
    const { world } = await createHooked(ok)
    await world.signInForTokens()
    const isolate: JsonObject = {
      ...world.env,
      DB: {
        prepare: (sql: string) => env.DB.prepare(sql.startsWith('UPDATE deliveries SET delivered_at') ? 'broken' : sql),
        batch: (statements: D1PreparedStatement[]) => env.DB.batch(statements),
      },
    }
    await world.runCron(isolate)
    expect(reports(world)).toEqual(['not recorded'])
    expect(await readRows()).toMatchObject([{ attempts: 1, delivered: 0 }])
  })
})
