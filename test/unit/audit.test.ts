import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { insertAudit, insertAuditOf } from '../../src/audit/store.ts'
import { createWorld, user } from '../support/world.ts'

const event = {
  actor: user.id,
  action: 'user.disable',
  outcome: 'success',
  requestId: 'r1',
  details: { count: 1, because: 'asked' },
} as const

const named = { sql: `SELECT id AS target, '{"count":2,"found":true}' AS details FROM users WHERE id = ?1` }

async function readEvents() {
  const { results } = await env.DB.prepare('SELECT * FROM audit_events ORDER BY id').all()
  return results
}

describe('an audit event', () => {
  it('says who did what to whom, when, for which request and how it went', async () => {
    await createWorld()
    const { results } = await env.DB.prepare('SELECT unixepoch() AS now').all()
    await env.DB.batch([insertAudit(env.DB, { ...event, target: 'usr_2' })])
    const [row] = await readEvents()
    expect(row).toMatchObject({ actor: user.id, action: 'user.disable', target: 'usr_2', outcome: 'success' })
    expect(row).toMatchObject({ request_id: 'r1', details: '{"count":1,"because":"asked"}' })
    expect(Math.abs(Number(row?.['at']) - Number(results[0]?.['now']))).toBeLessThan(5)
  })

  it('is rolled back with the batch of what it tells of', async () => {
    await createWorld()
    const broken = env.DB.prepare('UPDATE users SET claims = NULL')
    await expect(env.DB.batch([insertAudit(env.DB, { ...event, target: null }), broken])).rejects.toThrow('NOT NULL')
    expect(await readEvents()).toEqual([])
  })

  it('of a source has what the source knows, and on top what the event says', async () => {
    await createWorld()
    await env.DB.batch([insertAuditOf(env.DB, event, { ...named, parameters: [user.id] })])
    expect(await readEvents()).toMatchObject([
      { target: user.id, details: '{"count":1,"found":true,"because":"asked"}' },
    ])
  })

  it('of a source that finds nothing is not recorded', async () => {
    await createWorld()
    await env.DB.batch([insertAuditOf(env.DB, event, { ...named, parameters: ['usr_nobody'] })])
    expect(await readEvents()).toEqual([])
  })
})
