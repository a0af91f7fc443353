// Accounts in D1: guesses that are counted, users that are found, and the names they go by.
import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'

import type { Taken } from '../../src/accounts/attempts.ts'
import { forgetAttempts, takeTicket } from '../../src/accounts/attempts.ts'
import { parseEmail } from '../../src/accounts/email.ts'
import { insertUser, parseUser, removeOldAttempts, replacePasswordHash } from '../../src/accounts/store.ts'
import { isUserId, newUserId } from '../../src/accounts/user-id.ts'
import { sha256 } from '../../src/crypto.ts'
import { createDatabase, runBatch } from '../../src/database.ts'
import { isReservedId } from '../../src/reserved-ids.ts'

// An attack is hundreds of batches, and slower still on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const db = createDatabase(env.DB)

const EMAIL = 'ada@example.com'
const HOME = '192.0.2.1'
const CAFE = '198.51.100.7'

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

describe('a ticket to try a password', () => {
  it('comes with the user', async () => {
    const taken = await takeTicket(db, EMAIL, HOME)

    expect(taken).toMatchObject({
      outcome: 'taken',
      user: {
        id: 'usr_ada',
        passwordHash: 'hash-1',
        sessionEpoch: 0,
        disabledAt: null,
        publishedVersion: null,
        roles: [],
        scopes: [],
        claims: {},
      },
    })
  })

  it('is one round trip', async () => {
    const batches: number[] = []
    const counting = {
      prepare: db.prepare,
      batch: (statements: D1PreparedStatement[]) => {
        batches.push(statements.length)
        return env.DB.batch<never>(statements)
      },
    }

    await takeTicket(counting, EMAIL, HOME)

    expect(batches).toHaveLength(1)
  })

  it.each([
    ['a known user', EMAIL, true],
    ['an unknown one', 'nobody@example.com', false],
  ])('is counted alike for %s, under a digest of the e-mail', async (_, email, isKnown) => {
    const taken = await takeTicket(db, email, CAFE)

    expect(taken.outcome === 'taken' && taken.user !== null).toBe(isKnown)
    expect(await rows()).toEqual([
      { account: sha256(email), address: '', failures: 1, blocked_for: null },
      { account: sha256(email), address: CAFE, failures: 1, blocked_for: null },
    ])
  })

  it('is given five times for twenty guesses at once, and the others wait', async () => {
    const taken = await Promise.all(Array.from({ length: 20 }, () => takeTicket(db, EMAIL, CAFE)))

    expect(taken.filter(({ outcome }) => outcome === 'taken')).toHaveLength(5)
    expect(taken.map(waitOf).filter((wait) => wait !== 0 && wait !== 1 && wait !== 2)).toEqual([])
  })

  it('is given five times to twenty guesses at once at an unknown user', async () => {
    const taken = await Promise.all(Array.from({ length: 20 }, () => takeTicket(db, 'nobody@example.com', CAFE)))

    expect(taken.filter(({ outcome }) => outcome === 'taken')).toHaveLength(5)
  })

  it('is given fifty times to guesses at once from a hundred addresses', async () => {
    const taken = await Promise.all(addresses(100).map((address) => takeTicket(db, EMAIL, address)))

    expect(taken.filter(({ outcome }) => outcome === 'taken')).toHaveLength(50)
  })

  it('makes the next one from there wait for 1, 2, 4 … seconds and the rest of one, at most 60', async () => {
    const waits = []
    for (let index = 0; index < 13; index += 1) {
      expect((await takeTicket(db, EMAIL, CAFE)).outcome).toBe('taken')
      waits.push(await blockedFor(CAFE))
      await letTimePass(60)
    }

    expect(waits).toEqual([null, null, null, null, 2, 3, 5, 9, 17, 33, 60, 60, 60])
  })

  it('is free again when the block has passed, and not before', async () => {
    await guess(CAFE, 9)

    await letTimePass(10)
    expect([6, 7]).toContain(waitOf(await takeTicket(db, EMAIL, CAFE)))
    await letTimePass(7)
    expect((await takeTicket(db, EMAIL, CAFE)).outcome).toBe('taken')
  })

  it('is not counted while it is refused, so that asking again makes nobody wait longer', async () => {
    await guess(CAFE, 5)
    const before = await rows()

    await takeTicket(db, EMAIL, CAFE)

    expect(await rows()).toEqual(before)
  })

  it('starts anew an hour after the last failure', async () => {
    await guess(CAFE, 8)

    await letTimePass(3590)
    await takeTicket(db, EMAIL, CAFE)
    expect(await failures(CAFE)).toBe(9)
    await letTimePass(3600)
    await takeTicket(db, EMAIL, CAFE)
    expect(await failures(CAFE)).toBe(1)
    expect(await failures('')).toBe(1)
  })

  it('counts the addresses of one account apart, and the accounts of one address', async () => {
    await guess(CAFE, 5)

    expect((await takeTicket(db, EMAIL, HOME)).outcome).toBe('taken')
    expect((await takeTicket(db, 'bob@example.com', CAFE)).outcome).toBe('taken')
  })
})

describe('an attack from a hundred addresses', () => {
  it('does not keep the user out where he has signed in from before', async () => {
    await signedInFrom(HOME)
    await attack()

    const taken = await takeTicket(db, EMAIL, HOME)

    expect(taken.outcome).toBe('taken')
    expect(await failures(HOME)).toBe(1)
  })

  it('still lets that address no more than its own guesses', async () => {
    await signedInFrom(HOME)
    await attack()

    const taken = await Promise.all(Array.from({ length: 20 }, () => takeTicket(db, EMAIL, HOME)))

    expect(taken.filter(({ outcome }) => outcome === 'taken')).toHaveLength(5)
  })

  it('makes him wait for 60 seconds at most at a new address, and none of it counts against him', async () => {
    await signedInFrom(HOME)
    await attack()

    const waits = await Promise.all(Array.from({ length: 10 }, () => takeTicket(db, EMAIL, CAFE)))

    expect(Math.max(...waits.map(waitOf))).toBeLessThanOrEqual(60)
    expect(Math.min(...waits.map(waitOf))).toBeGreaterThan(0)
    expect(await failures(CAFE)).toBeNull()
    await letTimePass(60)
    expect((await takeTicket(db, EMAIL, CAFE)).outcome).toBe('taken')
  })

  it('gets one guess a minute in the end, from all of its addresses together', async () => {
    await attack()
    await letTimePass(60)

    const taken = await Promise.all(addresses(100).map((address) => takeTicket(db, EMAIL, address)))

    expect(taken.filter(({ outcome }) => outcome === 'taken')).toHaveLength(1)
  })

  it("does not profit from another user's address", async () => {
    await runBatch(db, [insertUser(db, { id: 'usr_bob', email: 'bob@example.com', passwordHash: 'hash' })])
    await signedInFrom(CAFE, 'usr_bob')
    await attack()

    expect((await takeTicket(db, EMAIL, CAFE)).outcome).toBe('blocked')
  })
})

describe('a right password', () => {
  it('forgets the failures of its address and takes its one attempt back from the account', async () => {
    await guess(CAFE, 3)
    await guess(HOME, 2)

    await succeed(HOME)

    expect(await failures(HOME)).toBeNull()
    expect(await failures(CAFE)).toBe(3)
    expect(await failures('')).toBe(5)
  })

  it('lifts the block that its own attempt brought to the account', async () => {
    for (const address of addresses(49)) await takeTicket(db, EMAIL, address)

    await succeed(HOME)

    expect(await blockedFor('')).toBeNull()
    expect(await failures('')).toBe(49)
  })

  it('takes nothing back where its attempt was not counted for the account', async () => {
    await signedInFrom(HOME)
    await attack()
    const [before, blocked] = [await failures(''), await blockedFor('')]

    await succeed(HOME)

    expect(await failures('')).toBe(before)
    expect(await blockedFor('')).toBe(blocked)
  })
})

describe('old attempts', () => {
  it('are removed a few at a time, the oldest first, and none that still counts', async () => {
    for (const address of ['192.0.2.10', '192.0.2.11']) {
      await takeTicket(db, EMAIL, address)
      await letTimePass(1800)
    }
    await takeTicket(db, 'bob@example.com', '192.0.2.12')
    await letTimePass(1800)
    expect(await addressesCounted()).toHaveLength(5)

    await runBatch(db, [removeOldAttempts(db, 1)])
    expect(await addressesCounted()).not.toContain('192.0.2.10')
    expect(await addressesCounted()).toHaveLength(4)
    await runBatch(db, [removeOldAttempts(db, 100)])
    expect(await addressesCounted()).toEqual(expect.arrayContaining(['', '192.0.2.12']))
    expect(await addressesCounted()).toHaveLength(2)
  })
})

describe('a user', () => {
  it('is inserted once for an e-mail', async () => {
    const again = { id: 'usr_other', email: EMAIL, passwordHash: 'hash-2' }

    expect(await runBatch(db, [insertUser(db, again)])).toEqual([[]])
    expect(await runBatch(db, [insertUser(db, { ...again, email: 'other@example.com' })])).toEqual([
      [{ id: 'usr_other' }],
    ])
    expect(await userOf(EMAIL)).toMatchObject({ id: 'usr_ada', passwordHash: 'hash-1' })
  })

  it("begins with a token version of D1's clock in milliseconds", async () => {
    const { tokenVersion = 0 } = (await userOf(EMAIL)) ?? {}

    expect(Math.abs(tokenVersion - Date.now())).toBeLessThan(60_000)
  })

  it('gets a new hash only in place of the one that was checked', async () => {
    expect(await runBatch(db, [replacePasswordHash(db, 'usr_ada', 'hash-0', 'hash-2')])).toEqual([[]])
    expect(await userOf(EMAIL)).toMatchObject({ passwordHash: 'hash-1' })
    expect(await runBatch(db, [replacePasswordHash(db, 'usr_ada', 'hash-1', 'hash-2')])).toEqual([[{ id: 'usr_ada' }]])
    expect(await userOf(EMAIL)).toMatchObject({ passwordHash: 'hash-2' })
  })

  const row = {
    id: 'usr_ada',
    email: 'ada@example.com',
    password_hash: null,
    session_epoch: 3,
    disabled_at: 1_800_000_000,
    token_version: 7,
    published_version: 6,
    roles: '["staff"]',
    scopes: '["orders:read"]',
    claims: '{"tenant":"a"}',
  }

  it('is read from its row', () => {
    expect(parseUser(row)).toEqual({
      id: 'usr_ada',
      email: 'ada@example.com',
      passwordHash: null,
      sessionEpoch: 3,
      disabledAt: 1_800_000_000,
      tokenVersion: 7,
      publishedVersion: 6,
      roles: ['staff'],
      scopes: ['orders:read'],
      claims: { tenant: 'a' },
    })
    expect(parseUser(undefined)).toBeNull()
  })

  it.each([
    ['password_hash', undefined],
    ['session_epoch', '3'],
    ['disabled_at', undefined],
    ['token_version', null],
    ['roles', 'staff'],
    ['roles', '[1]'],
    ['scopes', '{}'],
    ['claims', '[]'],
    ['claims', '{"a":1,"a":2}'],
  ])('is a fault, never half a user, where its row holds a bad %s: %s', (column, value) => {
    expect(() => parseUser({ ...row, [column]: value })).toThrow(Error)
  })
})

describe('an e-mail', () => {
  it.each([
    ['as it is', 'ada@example.com', 'ada@example.com'],
    ['spaces around it', '  ada@example.com ', 'ada@example.com'],
    ['capitals', 'Ada.L@Example.COM', 'ada.l@example.com'],
    ['letters beyond ASCII', 'zoë@exämple.com', 'zoë@exämple.com'],
    ['a capital beyond ASCII, which stays', 'Ä@example.com', 'Ä@example.com'],
    ['the Kelvin sign, which is no k', '\u212Aim@example.com', '\u212Aim@example.com'],
    ['the shortest', 'a@b', 'a@b'],
    ['254 bytes', `${'a'.repeat(242)}@example.com`, `${'a'.repeat(242)}@example.com`],
    ['255 bytes', `${'a'.repeat(243)}@example.com`, null],
    ['254 characters of more bytes', `${'ä'.repeat(242)}@example.com`, null],
    ['no @', 'ada.example.com', null],
    ['two @', 'ada@b@example.com', null],
    ['nothing before the @', '@example.com', null],
    ['nothing behind the @', 'ada@ ', null],
    ['a space inside', 'ada l@example.com', null],
    ['a tab around it', '\tada@example.com', null],
    ['a line feed at its end', 'ada@example.com\n', null],
    ['a no-break space', 'ada\u00A0@example.com', null],
    ['a zero-width space', 'ada\u200B@example.com', null],
    ['NUL', 'ada\0@example.com', null],
    ['half a surrogate pair', 'ada\uD800@example.com', null],
    ['no text', undefined, null],
    ['a list', ['ada@example.com'], null],
  ])('%s', (_, value, email) => {
    expect(parseEmail(value)).toBe(email)
  })
})

describe('the id of a new user', () => {
  it('is usr_ and 128 bits that never come twice', () => {
    const ids = Array.from({ length: 1000 }, newUserId)

    expect(ids.filter((id) => !/^usr_[A-Za-z0-9_-]{22}$/.test(id))).toEqual([])
    expect(new Set(ids).size).toBe(1000)
  })
})

describe('the id of a user', () => {
  it.each(['42', 'a/b', '~', '"', 'x'.repeat(255)])('may be %s', (id) => {
    expect([isUserId(id), isReservedId(id)]).toEqual([true, false])
  })

  it.each(['', ' ', 'a b', 'é', 'a\n', '\u007F', 'x'.repeat(256)])('may not be %j', (id) => {
    expect(isUserId(id)).toBe(false)
  })

  it.each(['usr_1', 'cli_1', 'key_1'])('is the gateway’s to give: %s', (id) => {
    expect(isReservedId(id)).toBe(true)
  })
})

function addresses(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `203.0.113.${index}`)
}

/** Wrong guesses at once from a hundred addresses, for so long that the account-wide row blocks for a minute. */
async function attack(): Promise<void> {
  const taken = await Promise.all(addresses(100).map((address) => takeTicket(db, EMAIL, address)))
  expect(taken.some(({ outcome }) => outcome === 'blocked')).toBe(true)
  for (const address of addresses(8)) {
    await letTimePass(60)
    expect((await takeTicket(db, EMAIL, address)).outcome).toBe('taken')
  }
  expect(await blockedFor('')).toBeGreaterThan(50)
}

/** Wrong guesses one after the other, each as soon as it may be; the last one's block stands. */
async function guess(address: string, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    if (index > 0) await letTimePass(Math.max(...(await rows()).map((row) => row.blocked_for ?? 0)))
    expect((await takeTicket(db, EMAIL, address)).outcome).toBe('taken')
  }
}

async function succeed(address: string): Promise<void> {
  const taken = await takeTicket(db, EMAIL, address)
  if (taken.outcome !== 'taken') throw new Error('blocked')
  await runBatch(db, forgetAttempts(db, taken.ticket))
}

async function signedInFrom(address: string, userId = 'usr_ada'): Promise<void> {
  await runBatch(db, [
    db.prepare(`INSERT INTO known_addresses (user_id, address, seen_at) VALUES (?1, ?2, 1)`).bind(userId, address),
  ])
}

/** The rows' clock put back stands for time that passes. */
async function letTimePass(seconds: number): Promise<void> {
  const sql = `UPDATE sign_in_attempts SET failed_at = failed_at - ?1,
    blocked_until = CASE blocked_until WHEN 0 THEN 0 ELSE blocked_until - ?1 END`
  await runBatch(db, [db.prepare(sql).bind(seconds)])
}

interface Row {
  readonly account: string
  readonly address: string
  readonly failures: number
  readonly blocked_for: number | null
}

/** What is counted; `blocked_for` is from the failure on, whatever the time is by now. */
async function rows(): Promise<readonly Row[]> {
  const sql = `SELECT account, address, failures,
      CASE blocked_until WHEN 0 THEN NULL ELSE blocked_until - failed_at END AS blocked_for
    FROM sign_in_attempts ORDER BY account, address`
  return (await env.DB.prepare(sql).all<Row>()).results
}

async function addressesCounted(): Promise<readonly string[]> {
  return (await rows()).map(({ address }) => address)
}

async function failures(address: string): Promise<number | null> {
  return (await rows()).find((row) => row.address === address)?.failures ?? null
}

async function blockedFor(address: string): Promise<number | null> {
  return (await rows()).find((row) => row.address === address)?.blocked_for ?? null
}

function waitOf(taken: Taken): number {
  return taken.outcome === 'blocked' ? taken.retryAfter : 0
}

async function userOf(email: string): Promise<ReturnType<typeof parseUser>> {
  const taken = await takeTicket(db, email, '192.0.2.99')
  return taken.outcome === 'taken' ? taken.user : null
}
