import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'

import { createWorld, PASSWORD, UPSTREAM, user } from '../support/world.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const routes = [{ path: '/*', upstream: UPSTREAM, revocation: 'session' }]
const ENDED = 100_000

/** Sessions of one user that have ended, one a second; those of an old epoch have an end as well since migration 0005. */
async function insertPast(count: number): Promise<void> {
  await env.DB.prepare(
    `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
     INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, expires_at, auth_time,
       address, provider, provider_subject, ended_at, end_reason)
     SELECT 'ses_past' || n, ?1, 0, unixepoch() - n, unixepoch() - n, unixepoch() - n, unixepoch() + 1000, unixepoch() - n,
       '192.0.2.' || (n % 250), 'corp', 'ada', unixepoch() - (n % 1000000), 'sign_out' FROM numbers`,
  )
    .bind(user.id, count)
    .run()
}

/** Rows that D1 read for a flow, by its own count. */
async function rowsReadBy(past: number): Promise<Record<string, number>> {
  const counted = { rows: 0 }
  const DB = {
    prepare: (sql: string) => env.DB.prepare(sql),
    batch: async (statements: D1PreparedStatement[]) => {
      const results = await env.DB.batch(statements)
      for (const { meta } of results) counted.rows += meta.rows_read
      return results
    },
  }
  const world = await createWorld({ routes, bindings: { DB } })
  await insertPast(past)
  const read: Record<string, number> = {}
  async function count<T>(flow: string, run: () => Promise<T>): Promise<T> {
    counted.rows = 0
    const answer = await run()
    read[flow] = counted.rows
    return answer
  }
  const right = { email: user.email, password: PASSWORD, transport: 'token' }
  const json = { 'Content-Type': 'application/json' }
  const body = JSON.stringify({ current: PASSWORD, new: 'an even longer password' })
  await world.post('/auth/sign-in', right)
  await count('sign-in', () => world.post('/auth/sign-in', right))
  await count('wrong password', () => world.post('/auth/sign-in', { ...right, password: 'not the password' }))
  const other = await world.signInForTokens()
  const { access, refresh } = await world.signInForTokens()
  await count('session route', () => world.bearer(access, '/x'))
  await count('refresh', () => world.post('/auth/refresh', { refresh_token: refresh }))
  await count('devices', () => world.bearer(access, '/auth/sessions'))
  await count('sign-out', () => world.bearer(other.access, '/auth/sign-out', { method: 'POST' }))
  const changed = await count('password', () =>
    world.bearer(access, '/auth/password', { method: 'POST', body, headers: json }),
  )
  const { access_token: token = '' } = await changed.json<Record<string, string>>()
  await count('everywhere', () => world.bearer(token, '/auth/sign-out-everywhere', { method: 'POST' }))
  return read
}

describe('what a flow reads of D1', () => {
  it('is the same for a user with 200 ended sessions and with 100,000', async () => {
    const few = await rowsReadBy(200)
    const many = await rowsReadBy(ENDED)
    expect(Object.keys(few)).toHaveLength(8)
    expect(many).toEqual(few)
  })
})

const count = () => env.DB.prepare('SELECT count(*) AS count FROM sessions').first<number>('count')

describe('a user’s past', () => {
  it('is cut to a hundred ended sessions, a few with each sign-in', async () => {
    const world = await createWorld({ routes })
    await insertPast(130)
    await world.signInForTokens()
    expect(await count()).toBe(111)
    await world.signInForTokens()
    expect(await count()).toBe(102)
    const newest = await env.DB.prepare("SELECT count(*) AS count FROM sessions WHERE id = 'ses_past1'").first('count')
    expect(newest).toBe(1)
  })

  it('has an end for sessions that have expired', async () => {
    const world = await createWorld({ routes })
    await world.signInForTokens()
    await env.DB.prepare('UPDATE sessions SET last_seen_at = 0').run()
    await world.signInForTokens()
    const { results } = await env.DB.prepare('SELECT end_reason FROM sessions ORDER BY rowid').all()
    expect(results).toEqual([{ end_reason: 'expired' }, { end_reason: null }])
  })

  it('has a hundred known addresses at most, and forgets those that were seen longest ago', async () => {
    const world = await createWorld({ routes })
    await env.DB.prepare(
      `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 110)
       INSERT INTO known_addresses SELECT ?1, 'address ' || n, unixepoch() - n FROM numbers`,
    )
      .bind(user.id)
      .run()
    const sign = { email: user.email, password: PASSWORD, transport: 'token' }
    await world.post('/auth/sign-in', sign, { 'CF-Connecting-IP': '192.0.2.1' })
    const { results } = await env.DB.prepare('SELECT address FROM known_addresses ORDER BY seen_at DESC').all()
    expect(results).toHaveLength(100)
    expect([results[0], results.at(-1)]).toEqual([{ address: '192.0.2.1' }, { address: 'address 99' }])
  })
})
