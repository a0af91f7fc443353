import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { createWorld, insertUser, lengthenBlocks, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [{ path: '/*', upstream: UPSTREAM, revocation: 'session' }]
const SAME_SITE = { 'Sec-Fetch-Site': 'same-origin' }

interface Listed {
  readonly sessions: readonly { readonly id: string; readonly current: boolean; readonly user_agent: string | null }[]
}

async function list(world: World, access: string): Promise<Listed['sessions']> {
  const response = await world.bearer(access, '/auth/sessions')
  return (await response.json<Listed>()).sessions
}

const status = async (world: World, access: string) => (await world.bearer(access, '/x')).status

describe('my devices', () => {
  it('are my living sessions, and this one is marked', async () => {
    const world = await createWorld({ routes })
    const here = await world.signInForTokens()
    const there = await world.signInForTokens()
    const over = await world.signInForTokens()
    await world.bearer(over.access, '/auth/sign-out', { method: 'POST' })
    const sessions = await list(world, here.access)
    expect(sessions).toHaveLength(2)
    expect(sessions.filter(({ current }) => current)).toHaveLength(1)
    expect(sessions[0]).toEqual({
      id: expect.stringMatching(/^ses_/),
      current: expect.any(Boolean),
      created_at: expect.any(Number),
      last_seen_at: expect.any(Number),
      expires_at: expect.any(Number),
      user_agent: null,
      address: null,
    })
    expect(await status(world, there.access)).toBe(200)
  })

  it('are nobody else’s', async () => {
    const world = await createWorld({ routes })
    const mine = await world.signInForTokens()
    await insertUser({ ...user, id: 'usr_0000000000000000000002', email: 'other@example.com' })
    await env.DB.prepare('UPDATE sessions SET user_id = ?1').bind('usr_0000000000000000000002').run()
    const own = await world.signInForTokens()
    expect(await list(world, own.access)).toHaveLength(1)
    expect(await status(world, mine.access)).toBe(401)
  })

  it('can be ended one by one, at once and with the time it is felt', async () => {
    const world = await createWorld({ routes })
    const here = await world.signInForTokens()
    const there = await world.signInForTokens()
    const other = (await list(world, here.access)).find(({ current }) => !current)
    const response = await world.bearer(here.access, `/auth/sessions/${other?.id}`, { method: 'DELETE' })
    expect(await response.json()).toMatchObject({ ended: 1, effective_by: { session: expect.any(Number) } })
    expect([await status(world, here.access), await status(world, there.access)]).toEqual([200, 401])
    const again = await world.bearer(here.access, `/auth/sessions/${other?.id}`, { method: 'DELETE' })
    expect(await again.json()).toMatchObject({ ended: 0 })
  })

  it('of somebody else cannot be ended, and the answer does not tell that they exist', async () => {
    const world = await createWorld({ routes })
    const victim = await world.signInForTokens()
    const [session] = await list(world, victim.access)
    const thief = 'usr_0000000000000000000002'
    await insertUser({ ...user, id: thief, email: 'thief@example.com' })
    const own = await world.signInForTokens(thief)
    const existing = await world.bearer(own.access, `/auth/sessions/${session?.id}`, { method: 'DELETE' })
    const missing = await world.bearer(own.access, '/auth/sessions/ses_0000000000000000000000', { method: 'DELETE' })
    expect([existing.status, missing.status]).toEqual([200, 200])
    expect(await existing.json()).toMatchObject({ ended: 0 })
    expect(await status(world, victim.access)).toBe(200)
  })

  it('are ended by a browser of this site only', async () => {
    const world = await createWorld({ routes })
    const cookie = await world.signInForCookies()
    const response = await world.send('/auth/sessions', { headers: { Cookie: cookie } })
    const id = (await response.json<Listed>()).sessions[0]?.id
    const end = (headers: Record<string, string>) =>
      world.send(`/auth/sessions/${id}`, { method: 'DELETE', headers: { Cookie: cookie, ...headers } })
    expect((await end({ Origin: 'https://evil.test' })).status).toBe(403)
    expect((await end(SAME_SITE)).status).toBe(200)
  })
})

describe('changing one’s password', () => {
  const next = 'an even longer password'

  it('ends the other sessions, and the one that asked lives on', async () => {
    const world = await createWorld({ routes })
    const here = await world.signInForTokens()
    const there = await world.signInForTokens()
    const response = await world.bearer(here.access, '/auth/password', {
      method: 'POST',
      body: JSON.stringify({ current: PASSWORD, new: next }),
      headers: { 'Content-Type': 'application/json' },
    })
    expect(response.status).toBe(200)
    const body = await response.json<Record<string, string>>()
    expect(body).toMatchObject({ ended: 1, token_type: 'Bearer' })
    const now = String(body['access_token'])
    expect([await status(world, now), await status(world, there.access)]).toEqual([200, 401])
    expect((await world.post('/auth/refresh', { refresh_token: body['refresh_token'] })).status).toBe(200)
    expect((await world.post('/auth/refresh', { refresh_token: there.refresh })).status).toBe(401)
    const signIn = (password: string) =>
      world.post('/auth/sign-in', { email: user.email, password, transport: 'token' })
    expect([(await signIn(PASSWORD)).status, (await signIn(next)).status]).toEqual([401, 200])
  })

  it.each([
    ['a wrong current one', { current: 'not the password', new: next }, 401, 'invalid_sign_in'],
    ['a new one that is common', { current: PASSWORD, new: 'password123' }, 400, 'invalid_request'],
    ['no current one', { new: next }, 400, 'invalid_request'],
    ['an unknown member', { current: PASSWORD, new: next, user: 'x' }, 400, 'invalid_request'],
  ])('is refused for %s', async (_, body, expected, code) => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const headers = { 'Content-Type': 'application/json' }
    const response = await world.bearer(access, '/auth/password', {
      method: 'POST',
      body: JSON.stringify(body),
      headers,
    })
    expect(response.status).toBe(expected)
    expect(await response.json()).toMatchObject({ code })
    expect(await env.DB.prepare('SELECT session_epoch FROM users').first('session_epoch')).toBe(0)
  })

  it('is refused for a session that has ended meanwhile', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await env.DB.prepare("UPDATE sessions SET ended_at = unixepoch(), end_reason = 'test'").run()
    const body = JSON.stringify({ current: PASSWORD, new: next })
    const headers = { 'Content-Type': 'application/json' }
    expect((await world.bearer(access, '/auth/password', { method: 'POST', body, headers })).status).toBe(401)
  })

  it('cannot be guessed at: wrong current ones are counted', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const headers = { 'Content-Type': 'application/json' }
    const ask = (current: string) =>
      world.bearer(access, '/auth/password', { method: 'POST', body: JSON.stringify({ current, new: next }), headers })
    for (const guess of ['a', 'b', 'c', 'd', 'e']) expect((await ask(guess)).status).toBe(401)
    await lengthenBlocks()
    expect((await ask(PASSWORD)).status).toBe(429)
  })

  it('cannot be asked for by another site', async () => {
    const world = await createWorld({ routes })
    const cookie = await world.signInForCookies()
    const post = { method: 'POST', body: JSON.stringify({ current: PASSWORD, new: next }) }
    const headers = { Cookie: cookie, 'Content-Type': 'application/json', Origin: 'https://evil.test' }
    expect((await world.send('/auth/password', { ...post, headers })).status).toBe(403)
  })
})
