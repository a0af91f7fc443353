// Refusals in the audit trail: bounded for each account, address block and in all, so that nothing hides behind a flood.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { insertRefusalOf, removeOldRefusals } from '../../src/audit/refusals-store.ts'
import type { Refused } from '../../src/audit/refusals-store.ts'
import { sourceOf, STRANGER } from '../../src/audit/store.ts'
import { createWorld, insertUser, PASSWORD, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const right = { email: user.email, password: PASSWORD, transport: 'token' }
const wrong = { ...right, password: `${PASSWORD}!` }
const event = { actor: STRANGER, action: 'sign_in', requestId: null, details: {} } as const

interface Row {
  readonly action: string
  readonly target: string | null
  readonly details: string
}

async function readTrail() {
  const { results } = await env.DB.prepare('SELECT action, target, details FROM audit_events ORDER BY id').all<Row>()
  return results.map(({ action, target, details }) => ({ action, target, details: JSON.parse(details) }))
}

async function readLeftOut() {
  return (await readTrail()).filter(({ action }) => action === 'audit.left_out')
}

async function countOf(target: string | null, action = 'sign_in'): Promise<number> {
  return (await readTrail()).filter((row) => row.target === target && row.action === action).length
}

/** Refusals by the store itself, without the cost of a password each. */
async function refuse(all: readonly Refused[]): Promise<void> {
  for (let from = 0; from < all.length; from += 100) {
    const statements = all.slice(from, from + 100).flatMap((refused) => {
      const target = refused.isKnown ? refused.account : null
      return insertRefusalOf(env.DB, event, sourceOf(target), refused)
    })
    await env.DB.batch(statements)
  }
}

function many(count: number, make: (n: number) => Partial<Refused>): readonly Refused[] {
  return Array.from({ length: count }, (_, n) => ({
    account: `account ${n}`,
    address: `198.51.100.${n}`,
    isKnown: false,
    ...make(n),
  }))
}

function fromAddress(world: World, address: string, body: unknown): Promise<Response> {
  return world.post('/auth/sign-in', body, { 'CF-Connecting-IP': address })
}

/** The log line of a sign-in. */
async function logOf(world: World, address: string, body: unknown) {
  const before = world.logged.length
  await fromAddress(world, address, body)
  return world.logged[before]
}

/** Floods of 5,000 refusals, as wide as an attacker can make them. */
const FLOODS = {
  'one account from one address': () => many(5000, () => ({ account: 'other', address: '192.0.2.1' })),
  'one account from 5,000 addresses': () => many(5000, () => ({ account: 'other' })),
  '5,000 accounts from one address': () => many(5000, () => ({ address: '192.0.2.1' })),
  '5,000 accounts from 5,000 addresses of one /48': () =>
    many(5000, (n) => ({ address: `2001:db8:1:${n.toString(16)}::/64` })),
  '70 known accounts from 70 addresses each': () =>
    many(5000, (n) => ({ account: `usr_${n % 70}`, address: `192.0.2.${Math.floor(n / 70)}`, isKnown: true })),
}

describe('a refused sign-in at an account that exists', () => {
  it.each(Object.entries(FLOODS))('is recorded after 5,000 refusals of %s', async (_, flood) => {
    const world = await createWorld()
    await refuse(flood())
    expect((await readTrail()).length).toBeLessThan(3000)
    expect((await fromAddress(world, '192.0.2.1', wrong)).status).toBe(401)
    expect(await countOf(user.id)).toBe(1)
    expect((await fromAddress(world, '203.0.113.7', wrong)).status).toBe(401)
    expect(await countOf(user.id)).toBe(2)
  })

  it('is counted in one event of its account once its own bound is reached', async () => {
    const world = await createWorld()
    for (let n = 0; n < 23; n += 1) {
      await env.DB.prepare(`UPDATE sign_in_attempts SET blocked_until = 0, failures = 0 WHERE address = ''`).run()
      expect((await fromAddress(world, `192.0.2.${n}`, wrong)).status).toBe(401)
    }
    expect(await countOf(user.id)).toBe(20)
    const account = expect.stringMatching(/^[\w-]{22}$/)
    const details = { scope: 'account', account, address: '192.0.2.22', left_out: 3 }
    expect(await readLeftOut()).toEqual([{ action: 'audit.left_out', target: user.id, details }])
  })

  it('is counted for its account where the bound of all is what leaves it out', async () => {
    await createWorld()
    await refuse(many(2000, () => ({})))
    await refuse(many(6, () => ({ account: user.id, isKnown: true })))
    expect(await countOf(user.id)).toBe(4)
    expect(await readLeftOut()).toMatchObject([{ target: user.id, details: { scope: 'account', left_out: 2 } }])
  })
})

describe('a flood of refusals', () => {
  it('leaves a right password recorded', async () => {
    const world = await createWorld()
    await refuse(many(2100, () => ({})))
    expect((await fromAddress(world, '192.0.2.1', right)).status).toBe(200)
    expect(await countOf(user.id)).toBe(1)
  })

  it('of one address is counted in one event of that address', async () => {
    await createWorld()
    await refuse(many(100, () => ({ address: '192.0.2.1' })))
    expect(await countOf(null)).toBe(60)
    const details = { scope: 'address', address: '192.0.2.1', left_out: 40 }
    expect(await readLeftOut()).toEqual([{ action: 'audit.left_out', target: null, details }])
  })

  it('of many accounts and addresses is counted in one event of all', async () => {
    await createWorld()
    await refuse(many(2100, () => ({})))
    expect(await countOf(null)).toBe(2000)
    expect(await readLeftOut()).toEqual([
      { action: 'audit.left_out', target: null, details: { scope: 'all', left_out: 100 } },
    ])
  })

  it('is counted again from nothing after an hour, in an event of its own', async () => {
    await createWorld()
    await refuse(many(61, () => ({ address: '192.0.2.1' })))
    await env.DB.prepare('UPDATE refusals SET since = since - 3600').run()
    await refuse(many(61, () => ({ address: '192.0.2.1' })))
    expect(await countOf(null)).toBe(120)
    expect((await readLeftOut()).map(({ details }) => details.left_out)).toEqual([1, 1])
  })

  it('of which nothing was found leaves nothing', async () => {
    await createWorld()
    const nothing = { sql: `SELECT ?1 AS target, '{}' AS details WHERE 0`, parameters: ['usr_x'] }
    const refused = { account: 'x', address: 'x', isKnown: true }
    await env.DB.batch([...insertRefusalOf(env.DB, event, nothing, refused)])
    expect(await readTrail()).toEqual([])
    expect(await env.DB.prepare('SELECT count(*) AS n FROM refusals').first('n')).toBe(0)
  })

  it('that is rolled back counts nothing', async () => {
    await createWorld()
    const [refused = { account: '', address: '', isKnown: false }] = many(1, () => ({}))
    const broken = env.DB.prepare('UPDATE users SET claims = NULL')
    const statements = insertRefusalOf(env.DB, event, sourceOf(null), refused)
    await expect(env.DB.batch([...statements, broken])).rejects.toThrow('NOT NULL')
    expect(await env.DB.prepare('SELECT count(*) AS n FROM refusals').first('n')).toBe(0)
  })

  it('leaves counters that are deleted an hour later, and no others', async () => {
    await createWorld()
    await refuse(many(3, () => ({})))
    await env.DB.prepare(`UPDATE refusals SET since = since - 3600 WHERE scope = 'account'`).run()
    const { results } = await removeOldRefusals(env.DB, 2).all()
    expect(results).toHaveLength(2)
    expect(await env.DB.prepare('SELECT count(*) AS n FROM refusals').first('n')).toBe(5)
  })
})

describe('the log line of a refused sign-in', () => {
  it('has the address block and a digest of the account, the same for each attempt and another for another account', async () => {
    const world = await createWorld()
    await insertUser({ ...user, id: 'usr_0000000000000000000002', email: 'bob@example.com' })
    const first = await logOf(world, '2001:db8::1', wrong)
    const second = await logOf(world, '192.0.2.7', wrong)
    const other = await logOf(world, '192.0.2.7', { ...wrong, email: 'bob@example.com' })
    const unknown = await logOf(world, '192.0.2.7', { ...wrong, email: 'nobody@example.com' })
    expect(first).toMatchObject({ code: 'invalid_sign_in', address: '2001:db8:0:0::/64' })
    expect(second).toMatchObject({ address: '192.0.2.7', account: first?.['account'] })
    const digests = [first, other, unknown].map((line) => line?.['account'])
    expect(new Set(digests).size).toBe(3)
    expect(digests).toEqual(digests.map(() => expect.stringMatching(/^[\w-]{22}$/)))
    expect(JSON.stringify(world.logged)).not.toMatch(/example\.com/)
  })

  it('has both where the account is blocked, and where a page is answered', async () => {
    const world = await createWorld()
    for (let n = 0; n < 5; n += 1) await fromAddress(world, '192.0.2.7', wrong)
    await env.DB.prepare('UPDATE sign_in_attempts SET blocked_until = unixepoch() + 60').run()
    const blocked = await logOf(world, '192.0.2.7', wrong)
    expect(blocked).toMatchObject({ code: 'rate_limited', address: '192.0.2.7', account: world.logged[0]?.['account'] })
    const body = new URLSearchParams({ email: user.email, password: 'x' })
    const headers = { 'Sec-Fetch-Mode': 'navigate', Accept: 'text/html', 'CF-Connecting-IP': '192.0.2.7' }
    await world.send('/auth/sign-in', {
      method: 'POST',
      body,
      headers: { ...headers, 'Sec-Fetch-Site': 'same-origin' },
    })
    expect(world.logged.at(-1)).toMatchObject({ address: '192.0.2.7', account: world.logged[0]?.['account'] })
  })
})
