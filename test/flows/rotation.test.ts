import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'

import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [{ path: '/*', upstream: UPSTREAM, revocation: 'session' }]

/** D1's clock cannot be moved, so the row is: as if `seconds` had passed since. */
async function age(seconds: number): Promise<void> {
  await env.DB.prepare('UPDATE sessions SET rotated_at = rotated_at - ?1').bind(seconds).run()
}

async function refresh(world: World, token: string): Promise<{ status: number; refresh: string; access: string }> {
  const response = await world.post('/auth/refresh', { refresh_token: token })
  const body = await response.json<Record<string, string>>()
  return { status: response.status, refresh: body['refresh_token'] ?? '', access: body['access_token'] ?? '' }
}

async function endReason(): Promise<unknown> {
  return env.DB.prepare('SELECT end_reason FROM sessions').first('end_reason')
}

describe('a refresh token', () => {
  it('that is current and old enough is rotated', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const second = await refresh(world, first)
    expect(second.status).toBe(200)
    expect(second.refresh).toMatch(/^gth_r_ses_[\w-]{22}\.2\.[\w-]{43}$/)
  })

  it('that is current and fresh stays what it is', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(50)
    expect((await refresh(world, first)).refresh).toBe(first)
  })

  it('gives every parallel caller the same successor, and one rotation happens', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const answers = await Promise.all(Array.from({ length: 12 }, () => refresh(world, first)))
    expect(new Set(answers.map((answer) => answer.refresh)).size).toBe(1)
    expect(await env.DB.prepare('SELECT generation FROM sessions').first('generation')).toBe(2)
  })

  it('that is the previous one, within the window, gets the same successor and writes nothing', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const second = await refresh(world, first)
    await age(10)
    const before = await env.DB.prepare('SELECT * FROM sessions').first()
    expect((await refresh(world, first)).refresh).toBe(second.refresh)
    expect(await env.DB.prepare('SELECT * FROM sessions').first()).toEqual(before)
  })

  it('that is the previous one, late in the window, gets no successor that a parallel request may be about to kill', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    await refresh(world, first)
    await age(20)
    const before = await env.DB.prepare('SELECT * FROM sessions').first()
    const late = await refresh(world, first)
    expect(late).toMatchObject({ status: 200, refresh: '' })
    expect((await world.bearer(late.access, '/orders')).status).toBe(200)
    expect(await env.DB.prepare('SELECT * FROM sessions').first()).toEqual(before)
    await age(20)
    expect((await refresh(world, first)).refresh).toContain('.3.')
  })

  it('late in the window gets the successor once that was presented, because nothing can kill it any more', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const second = await refresh(world, first)
    await refresh(world, second.refresh)
    await age(20)
    expect((await refresh(world, first)).refresh).toBe(second.refresh)
  })

  it('whose answer was lost is rotated past its successor, which is dead from then on', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const lost = await refresh(world, first)
    await age(31)
    const third = await refresh(world, first)
    expect(third.status).toBe(200)
    expect(third.refresh).toContain('.3.')
    expect((await refresh(world, lost.refresh)).status).toBe(401)
    expect(await endReason()).toBe('reuse')
  })

  it('whose answer was lost twice is still its owner’s', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    await refresh(world, first)
    await age(31)
    await refresh(world, first)
    await age(31)
    expect((await refresh(world, first)).status).toBe(200)
  })

  it('that comes again after its successor was presented was stolen: the session ends', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const second = await refresh(world, first)
    expect((await refresh(world, second.refresh)).refresh).toBe(second.refresh)
    await age(31)
    const stolen = await refresh(world, first)
    expect(stolen.status).toBe(401)
    expect(await endReason()).toBe('reuse')
    expect((await refresh(world, second.refresh)).status).toBe(401)
    expect((await world.bearer(second.access, '/orders')).status).toBe(401)
  })

  it('that is two generations old was stolen, however fresh the rotation', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const second = await refresh(world, first)
    await age(60)
    await refresh(world, second.refresh)
    expect((await refresh(world, first)).status).toBe(401)
    expect(await endReason()).toBe('reuse')
  })

  it('survives answers that arrive in the wrong order: the older one is what the client holds in the end', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const second = await refresh(world, first)
    await age(60)
    const third = await refresh(world, second.refresh)
    expect((await refresh(world, second.refresh)).refresh).toBe(third.refresh)
    await age(31)
    const fourth = await refresh(world, second.refresh)
    expect(fourth.status).toBe(200)
    expect(fourth.refresh).toContain('.4.')
  })

  it('is not used up where D1 fails before or after the commit: repeating it gets on', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const post = {
      method: 'POST',
      body: JSON.stringify({ refresh_token: first }),
      headers: { 'Content-Type': 'application/json' },
    }
    const failing = (batch: (statements: D1PreparedStatement[]) => Promise<unknown>) =>
      world.sendIn({ ...world.env, DB: Object.assign({}, world.env['DB'], { batch }) }, '/auth/refresh', post)
    const before = await failing(() => Promise.reject(new Error('down')))
    const after = await failing(async (statements) => {
      await env.DB.batch(statements)
      throw new Error('Network connection lost.')
    })
    expect([before.status, after.status]).toEqual([503, 503])
    expect((await refresh(world, first)).refresh).toContain('.2.')
  })

  it('ends by reuse this session only', async () => {
    const world = await createWorld({ routes })
    const other = await world.signInForTokens()
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const second = await refresh(world, first)
    await age(60)
    await refresh(world, second.refresh)
    await refresh(world, first)
    expect((await refresh(world, other.refresh)).status).toBe(200)
  })

  it('from before a restore of the database is adopted', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const second = await refresh(world, first)
    await env.DB.prepare('UPDATE sessions SET generation = 1, previous_generation = NULL').run()
    const third = await refresh(world, second.refresh)
    expect(third.status).toBe(200)
    expect(third.refresh).toContain('.3.')
  })

  it('has a window that begins at the rotation and does not slide', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    const second = await refresh(world, first)
    await refresh(world, second.refresh)
    for (const _ of [1, 2, 3]) {
      await age(8)
      expect((await refresh(world, first)).status).toBe(200)
    }
    await age(10)
    expect((await refresh(world, first)).status).toBe(401)
  })

  it.each([
    ['ended', "UPDATE sessions SET ended_at = unixepoch(), end_reason = 'test'"],
    ['idle too long', 'UPDATE sessions SET last_seen_at = unixepoch() - 14 * 86400'],
    ['past its absolute end', 'UPDATE sessions SET expires_at = unixepoch()'],
    ['of an older epoch', 'UPDATE users SET session_epoch = session_epoch + 1'],
    ['of a disabled user', 'UPDATE users SET disabled_at = unixepoch()'],
    ['gone', 'DELETE FROM sessions'],
  ])('of a session that is %s is refused, and rotates nothing', async (_, sql) => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    await env.DB.prepare(sql).run()
    const before = await env.DB.prepare('SELECT * FROM sessions').first()
    const response = await world.post('/auth/refresh', { refresh_token: first })
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'session_ended' })
    expect(await env.DB.prepare('SELECT * FROM sessions').first()).toEqual(before)
  })

  it.each([
    ['forged', (token: string) => token.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))],
    ['of another generation', (token: string) => token.replace('.1.', '.2.')],
    ['of another session', (token: string) => token.replace(/ses_../, 'ses_zz')],
    ['of the cookie kind', (token: string) => token.replace('gth_r_', 'gth_c_')],
    ['truncated', (token: string) => token.slice(0, -1)],
    ['with a blank', (token: string) => `${token} `],
    ['with a leading zero', (token: string) => token.replace('.1.', '.01.')],
    ['empty', () => ''],
  ])('that is %s is refused without a read', async (_, broken) => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    world.count()
    expect((await refresh(world, broken(first))).status).toBe(401)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })

  it('costs one round trip, whatever becomes of it', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    await age(60)
    world.count()
    await refresh(world, first)
    expect(world.count()).toEqual({ roundTrips: 1, gets: 0, puts: 0 })
    await refresh(world, first)
    expect(world.count()).toEqual({ roundTrips: 1, gets: 0, puts: 0 })
  })

  it('is known by every key of the ring, and made by the first', async () => {
    const world = await createWorld({ routes })
    const { refresh: first } = await world.signInForTokens()
    const newer = 'BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA'
    const older = String(world.env['SESSION_KEYS'])
    const isolate = { ...world.env, SESSION_KEYS: `${newer},${older}` }
    const body = JSON.stringify({ refresh_token: first })
    const post = { method: 'POST', body, headers: { 'Content-Type': 'application/json' } }
    const response = await world.sendIn(isolate, '/auth/refresh', post)
    expect(response.status).toBe(200)
    const { refresh_token: made } = await response.json<{ refresh_token: string }>()
    expect(made).not.toBe(first)
    expect((await world.sendIn({ ...world.env, SESSION_KEYS: newer }, '/auth/refresh', post)).status).toBe(401)
  })
})

const first = (cookies: string) => cookies.split('; ')[0] ?? ''
const sessionOf = (response: Response) =>
  response.headers
    .getSetCookie()
    .find((line) => line.startsWith('__Host-gatehouse_session='))
    ?.split(';')[0]

describe('a session cookie', () => {
  const SAME_SITE = { 'Sec-Fetch-Site': 'same-origin' }

  it('is rotated in-line every rotate_after, and not before', async () => {
    const world = await createWorld({ routes })
    const cookie = first(await world.signInForCookies())
    await age(3590)
    expect(sessionOf(await world.send('/x', { headers: { Cookie: cookie } }))).toBeUndefined()
    await age(10)
    expect(sessionOf(await world.send('/x', { headers: { Cookie: cookie } }))).toContain('.2.')
  })

  it('lets 40 parallel requests of one page all succeed, converge on one cookie, and rotate once', async () => {
    const world = await createWorld({ routes })
    const cookie = first(await world.signInForCookies())
    await age(3600)
    const responses = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        world.sendFresh(`/x/${index}`, {
          method: index % 2 === 0 ? 'GET' : 'POST',
          headers: { Cookie: cookie, Origin: ISSUER },
          ...(index % 2 === 0 ? {} : { body: `body ${index}` }),
        }),
      ),
    )
    expect(responses.every(({ status }) => status === 200)).toBe(true)
    expect(new Set(responses.map(sessionOf)).size).toBe(1)
    expect(sessionOf(responses[0] ?? new Response())).toContain('.2.')
    expect(await env.DB.prepare('SELECT generation FROM sessions').first('generation')).toBe(2)
    expect(world.seen).toHaveLength(40)
  })

  it('of a slow answer never comes back: half the window later it is not set', async () => {
    const world = await createWorld({ routes })
    const cookie = first(await world.signInForCookies())
    await age(3600)
    await world.send('/x', { headers: { Cookie: cookie } })
    await age(16)
    const late = await world.send('/x', { headers: { Cookie: cookie } })
    expect(late.status).toBe(200)
    expect(late.headers.getSetCookie()).toEqual([])
  })

  it('never comes back after its owner has signed out, however soon the slow answer comes', async () => {
    const world = await createWorld({ routes })
    const cookie = first(await world.signInForCookies())
    await age(3600)
    const headers = { Cookie: cookie, ...SAME_SITE }
    vi.mocked(globalThis.fetch).mockImplementation(async () => {
      expect((await world.send('/auth/sign-out', { method: 'POST', headers })).status).toBe(200)
      return new Response('late')
    })
    const late = await world.send('/x', { headers: { Cookie: cookie } })
    expect([late.status, late.headers.getSetCookie()]).toEqual([200, []])
  })

  it('is not rotated by a route that only observes', async () => {
    const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM, access: 'observe' }] })
    const cookie = first(await world.signInForCookies())
    await age(3600)
    const before = await env.DB.prepare('SELECT * FROM sessions').first()
    await world.send('/x', { headers: { Cookie: cookie } })
    expect(world.logged.map(({ reason }) => reason)).toEqual(['would pass'])
    expect(await env.DB.prepare('SELECT * FROM sessions').first()).toEqual(before)
  })

  it('refreshes on demand', async () => {
    const world = await createWorld({ routes })
    const cookie = await world.signInForCookies()
    await age(3600)
    const response = await world.send('/auth/refresh', { method: 'POST', headers: { Cookie: cookie, ...SAME_SITE } })
    expect(response.status).toBe(200)
    expect(sessionOf(response)).toContain('.2.')
    expect((await world.send('/auth/refresh', { method: 'POST', headers: { Cookie: cookie } })).status).toBe(403)
    expect((await world.send('/auth/refresh', { method: 'POST', headers: SAME_SITE })).status).toBe(401)
  })
})
