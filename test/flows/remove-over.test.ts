// What is over goes away by the cron: a bounded number at a time, by indexes, and nothing that somebody needs.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { removeOldAttempts } from '../../src/accounts/store.ts'
import { removeOldAudit } from '../../src/audit/store.ts'
import { removeOldAssertions } from '../../src/clients/store.ts'
import { isObject } from '../../src/json.ts'
import { removeOldResets } from '../../src/resets/store.ts'
import { removeOldAddresses } from '../../src/sessions/past-store.ts'
import { dropOldHints, removeOldLogoutTokens } from '../../src/sessions/provider-store.ts'
import { removeOldSessions, selectSession } from '../../src/sessions/store.ts'
import { reusedSession } from '../../src/sessions/told-store.ts'
import { buryDead, removeOldDeliveries, takeDue } from '../../src/webhooks/store.ts'
import { createWorld, user } from '../support/world.ts'

const DAY = 86_400

interface Aged {
  readonly id: string
  readonly expires: number
  readonly ended?: number
}

/** Days from now at which sessions expire, and have ended. */
async function insertSessions(sessions: readonly Aged[]): Promise<void> {
  const sql = `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, auth_time, expires_at, ended_at)
    VALUES (?1, ?2, 0, 0, 0, unixepoch(), 0, unixepoch() + ?3, unixepoch() + ?4)`
  await env.DB.batch(
    sessions.map(({ id, expires, ended }) =>
      env.DB.prepare(sql).bind(id, user.id, expires * DAY, ended === undefined ? null : ended * DAY),
    ),
  )
}

async function idsOf(table: string): Promise<readonly unknown[]> {
  const { results } = await env.DB.prepare(`SELECT id FROM ${table} ORDER BY id`).all()
  return results.map(({ id }) => id)
}

async function count(table: string): Promise<number | null> {
  return env.DB.prepare(`SELECT count(*) AS count FROM ${table}`).first<number>('count')
}

/** `n` rows by a statement of which `n` counts. */
function many(n: number, sql: string): D1PreparedStatement {
  return env.DB.prepare(
    `${sql.replace('SELECT', `WITH RECURSIVE counted (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < ${n}) SELECT`)} FROM counted`,
  )
}

describe('the cron', () => {
  it('removes sessions a month after they ended or expired, and no other', async () => {
    const world = await createWorld()
    await insertSessions([
      { id: 'ended long ago', expires: 60, ended: -31 },
      { id: 'ended lately', expires: 60, ended: -29 },
      { id: 'expired long ago', expires: -31 },
      { id: 'expired lately', expires: -29 },
      { id: 'alive', expires: 1 },
    ])
    await world.runCron()
    expect(await idsOf('sessions')).toEqual(['alive', 'ended lately', 'expired lately'])
  })

  it('refuses the tokens of a session that is gone as those of one that has ended', async () => {
    const world = await createWorld({
      routes: [{ path: '/*', upstream: 'https://origin.example.net', revocation: 'session' }],
    })
    const { access, refresh } = await world.signInForTokens()
    await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch() - ?1')
      .bind(31 * DAY)
      .run()
    await world.runCron()
    expect(await count('sessions')).toBe(0)
    expect((await world.bearer(access, '/orders')).status).toBe(401)
    expect((await world.post('/auth/refresh', { refresh_token: refresh })).status).toBe(401)
  })

  it('removes events past their retention, and no other', async () => {
    const world = await createWorld({ vars: { AUDIT: { retention: '7d' } } })
    const sql = `INSERT INTO audit_events (at, actor, action, outcome) VALUES (unixepoch() - ?1, 'x', 'sign_in', 'success')`
    await env.DB.batch([8, 7, 6, 0].map((days) => env.DB.prepare(sql).bind(days * DAY)))
    await world.runCron()
    expect(await count('audit_events')).toBe(2)
  })

  it('removes deliveries a week after they were made or given up, and those that nobody can make', async () => {
    const world = await createWorld()
    const sql = `INSERT INTO deliveries (id, webhook, event, body, created_at, next_at, delivered_at, dead_at)
      VALUES (?1, 'crm', 'user.changed', '{}', unixepoch() - ?2, unixepoch(), unixepoch() - ?3, unixepoch() - ?4)`
    const rows = [
      ['delivered', 8, 8, null],
      ['delivered lately', 8, 6, null],
      ['dead', 12, null, 8],
      ['dead lately', 12, null, 6],
      ['waiting', 30, null, null],
      ['unwanted', 38, null, null],
    ] as const
    await env.DB.batch(
      rows.map(([id, ...days]) =>
        env.DB.prepare(sql).bind(id, ...days.map((each) => (each === null ? null : each * DAY))),
      ),
    )
    await world.runCron()
    expect(await idsOf('deliveries')).toEqual(['dead lately', 'delivered lately', 'waiting'])
  })

  it('takes 20,000 of 100,000 in a run, a thousand a batch, and says that there is more', async () => {
    const world = await createWorld()
    await env.DB.batch([
      many(
        100_000,
        `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, auth_time, expires_at)
         SELECT 'old' || n, '${user.id}', 0, 0, 0, 0, 0, n`,
      ),
    ])
    world.count()
    await world.runCron()
    expect(await count('sessions')).toBe(80_000)
    expect(await env.DB.prepare('SELECT min(expires_at) AS first FROM sessions').first('first')).toBe(20_001)
    expect(world.logged).toMatchObject([{ event: 'cron', reason: 'more to remove' }])
    expect(world.count().roundTrips).toBe(21)
    await Promise.all([world.runCron(), world.runCron()])
    expect(await count('sessions')).toBe(40_000)
  })

  it('publishes before it removes, though removing fails', async () => {
    const world = await createWorld()
    await world.signInForTokens()
    await env.DB.prepare('UPDATE users SET published_version = 0').run()
    const done: string[] = []
    const prepare = (sql: string) => {
      if (!sql.startsWith('DELETE FROM sessions')) return env.DB.prepare(sql)
      done.push('removed')
      return env.DB.prepare('broken')
    }
    const put = async () => void done.push('published')
    const isolate = {
      ...world.env,
      DB: Object.assign({}, world.env['DB'], { prepare }),
      MARKERS: { get: () => null, put },
    }
    await expect(world.runCron(isolate)).rejects.toThrow('D1_ERROR')
    expect(done).toEqual(['published', 'removed'])
  })

  it('asks once where nothing is over', async () => {
    const world = await createWorld()
    await world.runCron()
    expect(world.count().roundTrips).toBe(2)
  })
})

async function planOf(statement: (db: D1Database) => D1PreparedStatement): Promise<string> {
  const asked: D1PreparedStatement[] = []
  const db: D1Database = Object.create(env.DB, {
    prepare: { value: (sql: string) => env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`) },
  })
  asked.push(statement(db))
  const [{ results } = { results: [] }] = await env.DB.batch(asked)
  return results.map((row) => (isObject(row) ? String(row['detail']) : '')).join('\n')
}

describe('a statement of the cron', () => {
  const presented = { sessionId: 's', generation: 1, idleTimeout: 1, spacing: 1, grace: 1 }

  it.each<[string, (db: D1Database) => D1PreparedStatement, string]>([
    ['old attempts', (db) => removeOldAttempts(db, 1), 'sign_in_attempts_by_age'],
    ['old sessions', (db) => removeOldSessions(db, 1, 1), 'sessions_over'],
    ['old links', (db) => removeOldResets(db, 1), 'password_resets_by_age'],
    ['old assertions', (db) => removeOldAssertions(db, 1), 'client_assertions_by_age'],
    ['old logout tokens', (db) => removeOldLogoutTokens(db, 1), 'logout_tokens_by_age'],
    ['old hints', (db) => dropOldHints(db, 1, 1), 'sessions_by_sealed_id_token'],
    ['old addresses', (db) => removeOldAddresses(db, 1, 1), 'known_addresses_by_age'],
    ['old deliveries', (db) => removeOldDeliveries(db, 1, 1), 'deliveries_over'],
    ['due deliveries', (db) => takeDue(db, 'crm', 1), 'deliveries_due'],
    ['dead deliveries', (db) => buryDead(db, 1), 'deliveries_failed'],
  ])('finds %s by its index, in order', async (_, statement, index) => {
    await createWorld()
    const plan = await planOf(statement)
    expect(plan).toContain(`INDEX ${index} (`)
    expect(plan).not.toMatch(/TEMP B-TREE|SCAN (?:sessions|deliveries|users)\b(?! USING)/)
  })

  it('looks at the oldest events alone', async () => {
    await createWorld()
    await env.DB.batch([
      many(5000, `INSERT INTO audit_events (at, actor, action, outcome) SELECT unixepoch(), 'x', 'sign_in', 'success'`),
    ])
    const [{ meta } = { meta: { rows_read: Number.NaN } }] = await env.DB.batch([removeOldAudit(env.DB, DAY, 100)])
    expect(meta.rows_read).toBeLessThanOrEqual(300)
  })

  it('that tells of reuse reads a session and its user, like the one that looks at it', async () => {
    await createWorld()
    const { sql, parameters } = reusedSession(presented)
    const plan = await planOf((db) => db.prepare(sql).bind(...parameters))
    expect(plan).not.toContain('SCAN')
    expect(await planOf((db) => selectSession(db, 's', 1))).not.toContain('SCAN')
  })
})
