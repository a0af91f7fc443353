// Password hashing beside other requests: a few at once, a bounded queue, and nobody loses by it but those who wait.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { createHashing } from '../../src/accounts/hashing.ts'
import { createWorld, insertUser, PASSWORD, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const wrong = { email: user.email, password: `${PASSWORD}!`, transport: 'token' }

/** Sign-ins at once, each from an address of its own. */
function signInAll(world: World, count: number, body: (n: number) => unknown): Promise<readonly Response[]> {
  return Promise.all(
    Array.from({ length: count }, (_, n) =>
      world.post('/auth/sign-in', body(n), { 'CF-Connecting-IP': `192.0.2.${n}` }),
    ),
  )
}

function countStatuses(responses: readonly Response[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...new Set(responses.map(({ status }) => status))].map((status) => [
      status,
      responses.filter((response) => response.status === status).length,
    ]),
  )
}

function countHashed(statuses: readonly number[]): number {
  return statuses.filter((status) => status === 401).length
}

async function guesses(): Promise<unknown> {
  return env.DB.prepare(`SELECT coalesce(sum(failures), 0) AS n FROM sign_in_attempts WHERE address <> ''`).first('n')
}

/** Holds every place by sign-ins whose D1 does not answer until `free`. */
function createHeld() {
  const held = { isOn: false, free: (): void => undefined }
  const freed = new Promise<void>((resolve) => {
    held.free = () => {
      held.isOn = false
      resolve()
    }
  })
  const batch = async (statements: D1PreparedStatement[]) => {
    if (held.isOn) await freed
    return env.DB.batch(statements)
  }
  return { held, DB: { prepare: (sql: string) => env.DB.prepare(sql), batch } }
}

describe('40 sign-ins at once', () => {
  it('are hashed as far as there are places to wait in, and the rest is asked to come again, uncounted', async () => {
    const world = await createWorld()
    const responses = await signInAll(world, 40, (n) => ({ ...wrong, email: `user${n}@example.com` }))
    const { 401: hashed = 0, 503: refused = 0 } = countStatuses(responses)
    expect(hashed + refused).toBe(40)
    expect(refused).toBeGreaterThanOrEqual(20)
    expect(hashed).toBeGreaterThanOrEqual(4)
    expect(await guesses()).toBe(hashed)
    const refusal = responses.find(({ status }) => status === 503)
    expect(refusal?.headers.get('Retry-After')).toBe('5')
    expect(await refusal?.json()).toMatchObject({ code: 'unavailable' })
    expect(world.logged).toContainEqual(
      expect.objectContaining({ code: 'unavailable', reason: 'too many passwords to hash' }),
    )
  })

  it('leave a request with a known token its turn before the queue is empty', async () => {
    const world = await createWorld()
    const { access } = await world.signInForTokens()
    await world.bearer(access, '/orders')
    const finished: string[] = []
    const flood = Array.from({ length: 16 }, async (_, n) => {
      await world.post('/auth/sign-in', wrong, { 'CF-Connecting-IP': `192.0.2.${n}` })
      finished.push('sign-in')
    })
    const known = Array.from({ length: 5 }, async () => {
      expect((await world.bearer(access, '/orders')).status).toBe(200)
      finished.push('known')
    })
    await Promise.all([...flood, ...known])
    expect(finished.lastIndexOf('known')).toBeLessThan(finished.length / 2)
  })

  it('are refused alike for users who exist and those who do not', async () => {
    const world = await createWorld()
    const others = Array.from({ length: 20 }, (_, n) => ({
      ...user,
      id: `usr_00000000000000000001${10 + n}`,
      email: `user${n * 2}@example.com`,
    }))
    for (const other of others) await insertUser(other)
    const responses = await signInAll(world, 40, (n) => ({ ...wrong, email: `user${n}@example.com` }))
    const statuses = responses.map(({ status }) => status)
    const known = statuses.filter((_, n) => n % 2 === 0)
    const unknown = statuses.filter((_, n) => n % 2 === 1)
    expect(Math.abs(countHashed(known) - countHashed(unknown))).toBeLessThanOrEqual(2)
  })

  it('leave the right password what it was once they have been answered', async () => {
    const world = await createWorld()
    await signInAll(world, 40, () => wrong)
    const right = await world.post('/auth/sign-in', { ...wrong, password: PASSWORD }, { 'CF-Connecting-IP': '::1' })
    expect(right.status).toBe(200)
  })

  it('of one network leave places to others', async () => {
    const world = await createWorld()
    const flood = Array.from({ length: 40 }, (_, n) =>
      world.post('/auth/sign-in', wrong, { 'CF-Connecting-IP': `2001:db8:1:${n}::1` }),
    )
    const other = world.post('/auth/sign-in', { ...wrong, password: PASSWORD }, { 'CF-Connecting-IP': '192.0.2.1' })
    expect((await other).status).toBe(200)
    const { 503: refused = 0 } = countStatuses(await Promise.all(flood))
    expect(refused).toBeGreaterThanOrEqual(30)
  })
})

describe('every way to a hash', () => {
  const vars = { PASSWORDS: { sign_in: true, sign_up: true } }

  async function expectRefused(ask: (world: World) => Promise<Response>): Promise<void> {
    const { held, DB } = createHeld()
    const world = await createWorld({ vars, bindings: { DB } })
    held.isOn = true
    const flood = signInAll(world, 30, () => wrong)
    await scheduler.wait(100)
    const asked = ask(world)
    await scheduler.wait(100)
    held.free()
    expect((await asked).status).toBe(503)
    await flood
    expect((await world.post('/auth/sign-in', { ...wrong, email: 'x@example.com' })).status).toBe(401)
  }

  it('is refused at sign-in while no place is free', () => expectRefused((world) => world.post('/auth/sign-in', wrong)))

  it('is refused at sign-up while no place is free', () =>
    expectRefused((world) => world.post('/auth/sign-up', { ...wrong, email: 'new@example.com' })))
})

describe('a place', () => {
  const clock = { nowMs: () => Date.now(), sleepMs: (milliseconds: number) => scheduler.wait(milliseconds) }

  it('is free again after work that failed', async () => {
    const hashing = createHashing(clock)
    const asker = { clientAddress: '192.0.2.1', waitUntil: () => undefined }
    const failing = Array.from({ length: 8 }, () =>
      hashing.admit(asker, async (passwords) => {
        await passwords.verify('x', 'malformed')
      }),
    )
    const outcomes = await Promise.allSettled(failing)
    expect(outcomes.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 'rejected'))
    await expect(hashing.admit(asker, async () => 'done')).resolves.toBe('done')
  })

  it('is kept until the work is done, also where the client has gone', async () => {
    const hashing = createHashing(clock)
    const kept: Promise<unknown>[] = []
    const asker = { clientAddress: '192.0.2.1', waitUntil: (work: Promise<unknown>) => void kept.push(work) }
    await expect(hashing.admit(asker, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(kept).toHaveLength(1)
    await expect(kept[0]).resolves.toBeUndefined()
  })
})
