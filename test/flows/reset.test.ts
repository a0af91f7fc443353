// A one-time link sets a password: made by an administrator, used once, and it tells nobody who exists.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import type { Ask } from '../support/admin.ts'
import { administer, administrator, everything, signInAsAdministrator, trail } from '../support/admin.ts'
import { createWorld, insertUser, ISSUER, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [{ path: '/*', upstream: UPSTREAM, revocation: 'session' }]
const NEXT = 'an even longer password'

async function start(): Promise<{ readonly world: World; readonly ask: Ask; readonly token: string }> {
  const world = await createWorld({ routes })
  const ask = await administer(world)
  return { world, ask, token: await makeToken(ask) }
}

async function makeToken(ask: Ask): Promise<string> {
  const { body } = await ask('POST', `/users/${user.id}/reset-link`)
  return new URL(String(body['url'])).searchParams.get('token') ?? ''
}

function reset(world: World, token: string, password = NEXT, headers: Record<string, string> = {}): Promise<Response> {
  return world.post('/auth/reset', { token, password }, headers)
}

async function canSignIn(world: World, password: string): Promise<boolean> {
  return (await world.post('/auth/sign-in', { email: user.email, password, transport: 'token' })).status === 200
}

async function expectOver(world: World, token: string): Promise<void> {
  const before = await everything()
  const response = await reset(world, token)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ code: 'invalid_request', detail: 'the link is over, or has been used' })
  expect(await everything()).toEqual(before)
}

describe('a reset link', () => {
  it('sets the password and ends every session', async () => {
    const { world, token } = await start()
    const { access, refresh } = await world.signInForTokens()
    const response = await reset(world, token)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ ended: 1, effective_by: { session: expect.any(Number) } })
    expect((await world.bearer(access, '/x')).status).toBe(401)
    expect((await world.post('/auth/refresh', { refresh_token: refresh })).status).toBe(401)
    expect([await canSignIn(world, PASSWORD), await canSignIn(world, NEXT)]).toEqual([false, true])
    expect(response.headers.getSetCookie()).toEqual([])
  })

  it('is a URL of the gateway’s with 256 bits, of which D1 has the digest only', async () => {
    const { ask } = await start()
    const { status, body } = await ask('POST', `/users/${user.id}/reset-link`)
    expect(status).toBe(201)
    expect(body['url']).toMatch(new RegExp(`^${ISSUER}/auth/reset\\?token=[A-Za-z0-9_-]{43}$`))
    expect(Number(body['expires_at']) - Date.now() / 1000).toBeGreaterThan(3590)
    const token = String(body['url']).split('=')[1] ?? 'none'
    expect(JSON.stringify(await everything())).not.toContain(token)
  })

  it('is recorded when it is made and when it is used', async () => {
    const { world, token } = await start()
    await reset(world, token)
    expect(await trail()).toMatchObject([
      { actor: administrator.id, action: 'password.reset_link', target: user.id, details: '{}' },
      { actor: user.id, action: 'password.reset', target: user.id, details: '{}' },
    ])
  })

  it('works once', async () => {
    const { world, token } = await start()
    await reset(world, token)
    await expectOver(world, token)
  })

  it('works once for two who come at the same time', async () => {
    const { world, token } = await start()
    const answers = await Promise.all([reset(world, token, NEXT), reset(world, token, `${NEXT}!`)])
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 400])
    expect((await trail()).filter(({ action }) => action === 'password.reset')).toHaveLength(1)
  })

  it('is over after an hour, and the cron forgets it', async () => {
    const { world, token } = await start()
    await env.DB.prepare('UPDATE password_resets SET expires_at = unixepoch()').run()
    await expectOver(world, token)
    await world.runCron()
    expect(await env.DB.prepare('SELECT count(*) AS count FROM password_resets').first('count')).toBe(0)
  })

  it('outlives the cron within its hour', async () => {
    const { world, token } = await start()
    await world.runCron()
    expect((await reset(world, token)).status).toBe(200)
  })

  it('is over when another is made', async () => {
    const { world, ask, token } = await start()
    const other = await makeToken(ask)
    await expectOver(world, token)
    expect((await reset(world, other)).status).toBe(200)
  })

  it.each([
    ['every session was ended', (ask: Ask) => ask('POST', `/users/${user.id}/end-sessions`)],
    ['the user was disabled', (ask: Ask) => ask('POST', `/users/${user.id}/disable`)],
    ['the e-mail has changed', (ask: Ask) => ask('PATCH', `/users/${user.id}`, { email: 'new@example.com' })],
    ['the e-mail is gone', (ask: Ask) => ask('PATCH', `/users/${user.id}`, { email: null })],
  ])('is over when %s', async (_, change) => {
    const { world, ask, token } = await start()
    await change(ask)
    await expectOver(world, token)
  })

  it('is over when the user was disabled and enabled again', async () => {
    const { world, ask, token } = await start()
    await ask('POST', `/users/${user.id}/disable`)
    await ask('POST', `/users/${user.id}/enable`)
    await expectOver(world, token)
  })

  it('that never was gets the same answer as one that is over', async () => {
    const { world } = await start()
    await expectOver(world, 'A'.repeat(43))
    await expectOver(world, '')
  })

  it('survives a password that is refused', async () => {
    const { world, token } = await start()
    expect(await (await reset(world, token, 'password123')).json()).toMatchObject({ code: 'invalid_request' })
    expect((await reset(world, token)).status).toBe(200)
  })

  it.each([
    ['no token', { password: NEXT }],
    ['no password', { token: 'x' }],
    ['an unknown member', { token: 'x', password: NEXT, email: user.email }],
  ])('is refused with %s', async (_, body) => {
    const { world } = await start()
    expect((await world.post('/auth/reset', body)).status).toBe(400)
  })

  it('is not taken from another site', async () => {
    const { world, token } = await start()
    expect((await reset(world, token, NEXT, { Origin: 'https://evil.test' })).status).toBe(403)
    expect((await reset(world, token, NEXT, { 'Sec-Fetch-Site': 'same-origin' })).status).toBe(200)
  })

  it.each([
    ['has no e-mail', `UPDATE users SET email = NULL`],
    ['is disabled', `UPDATE users SET disabled_at = unixepoch()`],
  ])('is not made for a user who %s', async (_, sql) => {
    const { ask } = await start()
    await env.DB.prepare(`${sql} WHERE id = ?1`).bind(user.id).run()
    const before = await everything()
    const { status, body } = await ask('POST', `/users/${user.id}/reset-link`)
    expect([status, body['code']]).toEqual([409, 'conflict'])
    expect(await everything()).toEqual(before)
  })

  it('gives a first password to a user who has none', async () => {
    const { world, ask } = await start()
    await env.DB.prepare('UPDATE users SET password_hash = NULL WHERE id = ?1').bind(user.id).run()
    expect((await reset(world, await makeToken(ask))).status).toBe(200)
    expect(await canSignIn(world, NEXT)).toBe(true)
  })

  it('is neither made nor taken where passwords are off', async () => {
    const world = await createWorld({ routes, vars: { PASSWORDS: { sign_in: false } } })
    await insertUser(administrator)
    const { access } = await signInAsAdministrator(world)
    const made = await world.bearer(access, `/auth/admin/users/${user.id}/reset-link`, { method: 'POST' })
    expect([made.status, (await reset(world, 'x')).status]).toEqual([404, 404])
  })

  it('cannot be guessed at without limit', async () => {
    const world = await createWorld({
      routes,
      bindings: { SIGN_IN_LIMIT: { limit: async () => ({ success: false }) } },
    })
    expect((await reset(world, 'x')).status).toBe(429)
  })
})
