// Guesses from one IPv6 /48, which is 65,536 addresses to whoever has it.
import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { forgetAttempts, takeTicket } from '../../src/accounts/attempts.ts'
import { insertUser } from '../../src/accounts/store.ts'
import { createDatabase, runBatch } from '../../src/database.ts'

const db = createDatabase(env.DB)
const EMAIL = 'ada@example.com'
const HOME = '2001:db8:9:1::/64'

beforeAll(async () => {
  const statements = env.TEST_SCHEMA.replaceAll(/^--.*$/gm, '').split(';')
  await env.DB.batch(statements.filter((sql) => sql.trim() !== '').map((sql) => env.DB.prepare(sql)))
})

beforeEach(async () => {
  await runBatch(
    db,
    ['sessions', 'sign_in_attempts', 'users'].map((table) => db.prepare(`DELETE FROM ${table}`)),
  )
  await runBatch(db, [insertUser(db, { id: 'usr_ada', email: EMAIL, passwordHash: 'hash-1' })])
})

/** Guesses from as many /64s of 2001:db8:1::/48; how many were taken. */
async function attack(count: number): Promise<number> {
  const outcomes: string[] = []
  for (let n = 0; n < count; n += 1) {
    outcomes.push((await takeTicket(db, EMAIL, `2001:db8:1:${n.toString(16)}::/64`)).outcome)
  }
  return outcomes.filter((outcome) => outcome === 'taken').length
}

async function failuresOf(address: string): Promise<unknown> {
  return env.DB.prepare('SELECT failures AS n FROM sign_in_attempts WHERE address = ?1').bind(address).first('n')
}

describe('guesses from the addresses of one /48', () => {
  it('are 12 at one account, and one more that blocks', async () => {
    expect(await attack(200)).toBe(13)
  })

  it('do not block the account for others, nor count for it beyond that', async () => {
    await attack(200)
    expect(await failuresOf('')).toBe(13)
    expect((await takeTicket(db, EMAIL, '192.0.2.1')).outcome).toBe('taken')
    expect((await takeTicket(db, EMAIL, '2001:db8:2:1::/64')).outcome).toBe('taken')
  })

  it('do not block an address of it from which the user has signed in before', async () => {
    await env.DB.prepare(`INSERT INTO known_addresses (user_id, address, seen_at) VALUES ('usr_ada', ?1, 0)`)
      .bind('2001:db8:1:ffff::/64')
      .run()
    await attack(200)
    expect((await takeTicket(db, EMAIL, '2001:db8:1:ffff::/64')).outcome).toBe('taken')
    expect((await takeTicket(db, EMAIL, '2001:db8:1:fffe::/64')).outcome).toBe('blocked')
  })

  it('say for how long they are blocked', async () => {
    await attack(13)
    await env.DB.prepare(
      `UPDATE sign_in_attempts SET blocked_until = unixepoch() + 30 WHERE address LIKE '%::/48'`,
    ).run()
    const taken = await takeTicket(db, EMAIL, '2001:db8:1:ffff::/64')
    expect(taken.outcome === 'blocked' ? taken.retryAfter : 0).toBeGreaterThan(20)
  })
})

describe('a right password', () => {
  it('takes its own attempt back from the /48 and from the account', async () => {
    await takeTicket(db, EMAIL, '2001:db8:9:2::/64')
    const taken = await takeTicket(db, EMAIL, HOME)
    if (taken.outcome === 'taken') await runBatch(db, [forgetAttempts(db, taken.ticket)])
    expect([await failuresOf(HOME), await failuresOf('2001:db8:9::/48'), await failuresOf('')]).toEqual([null, 1, 1])
  })

  it('from an IPv4 address knows no network', async () => {
    const taken = await takeTicket(db, EMAIL, '192.0.2.1')
    expect(taken).toMatchObject({ ticket: { network: null, countedIn: [''] } })
  })
})
