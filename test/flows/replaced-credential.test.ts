import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { cookieHeader, createWorld, ISSUER, PASSWORD, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
]
const NEXT = 'an even longer password'
const JSON_BODY = { 'Content-Type': 'application/json' }

interface Tokens {
  readonly access: string
  readonly refresh: string
}

async function changeByToken(world: World, token: string): Promise<Tokens> {
  const body = JSON.stringify({ current: PASSWORD, new: NEXT })
  const response = await world.bearer(token, '/auth/password', { method: 'POST', body, headers: JSON_BODY })
  expect(response.status).toBe(200)
  const answer = await response.json<Record<string, string>>()
  return { access: String(answer['access_token']), refresh: String(answer['refresh_token']) }
}

async function changeByCookie(world: World, Cookie: string): Promise<string> {
  const headers = { Cookie, Origin: ISSUER }
  const response = await world.post('/auth/password', { current: PASSWORD, new: NEXT }, headers)
  expect(response.status).toBe(200)
  expect(await response.json()).not.toHaveProperty('access_token')
  return cookieHeader(response)
}

/** As if `seconds` had passed since: D1's clock cannot be moved. */
async function age(seconds: number): Promise<void> {
  await env.DB.prepare('UPDATE sessions SET rotated_at = rotated_at - ?1, replaced_at = replaced_at - ?1')
    .bind(seconds)
    .run()
}

const refresh = (world: World, token: string) => world.post('/auth/refresh', { refresh_token: token })

function session(): Promise<Record<string, unknown> | null> {
  return env.DB.prepare('SELECT generation, ended_at IS NULL AS alive, end_reason FROM sessions').first()
}

describe('a password change of a client with tokens', () => {
  it('answers with new tokens of the same session, which go on', async () => {
    const world = await createWorld({ routes })
    const copied = await world.signInForTokens()
    const owner = await changeByToken(world, copied.access)
    expect((await world.bearer(owner.access, '/strict/x')).status).toBe(200)
    expect((await refresh(world, owner.refresh)).status).toBe(200)
  })

  it('leaves no copy of a token good, wherever a session or a marker is asked', async () => {
    const world = await createWorld({ routes })
    const copied = await world.signInForTokens()
    await world.bearer(copied.access, '/x')
    await changeByToken(world, copied.access)
    const asked = ['/x', '/strict/x', '/auth/session', '/auth/sessions']
    const here = await Promise.all(asked.map((path) => world.bearer(copied.access, path)))
    expect(here.map(({ status }) => status)).toEqual([401, 401, 401, 401])
    const headers = { Authorization: `Bearer ${copied.access}` }
    const elsewhere = await Promise.all(asked.map((path) => world.sendFresh(path, { headers })))
    expect(elsewhere.map(({ status }) => status)).toEqual([401, 401, 401, 401])
  })

  it('refuses a copy of the refresh token at once, and ends nothing that was on its way', async () => {
    const world = await createWorld({ routes })
    const copied = await world.signInForTokens()
    const owner = await changeByToken(world, copied.access)
    const refused = await refresh(world, copied.refresh)
    expect([refused.status, await refused.json()]).toMatchObject([401, { code: 'session_ended' }])
    expect(await session()).toEqual({ generation: 2, alive: 1, end_reason: null })
    expect((await refresh(world, owner.refresh)).status).toBe(200)
  })

  it('calls a copy that comes later reuse: the session ends, and the trail says so', async () => {
    const world = await createWorld({ routes })
    const copied = await world.signInForTokens()
    const owner = await changeByToken(world, copied.access)
    await age(31)
    expect((await refresh(world, copied.refresh)).status).toBe(401)
    expect(await session()).toEqual({ generation: 2, alive: 0, end_reason: 'reuse' })
    expect((await refresh(world, owner.refresh)).status).toBe(401)
    const actions = await env.DB.prepare("SELECT action FROM audit_events WHERE action = 'session.reuse'").all()
    expect(actions.results).toHaveLength(1)
  })

  it('leaves no copy good at the token endpoint, and introspection calls it inactive', async () => {
    const world = await createWorld({ routes })
    const copied = await world.signInForTokens()
    await changeByToken(world, copied.access)
    const response = await world.send('/auth/token', {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `grant_type=refresh_token&refresh_token=${copied.refresh}`,
    })
    expect(response.status).toBe(400)
  })
})

describe('a password change of a browser', () => {
  it('answers with new cookies, and a request that was on its way keeps them', async () => {
    const world = await createWorld({ routes })
    const copied = await world.signInForCookies()
    const owner = await changeByCookie(world, copied)
    const late = await world.send('/x', { headers: { Cookie: copied } })
    expect([late.status, late.headers.getSetCookie()]).toEqual([401, []])
    expect((await world.send('/x', { headers: { Cookie: owner } })).status).toBe(200)
  })

  it('makes neither the old session cookie nor the old access cookie good beside a new one', async () => {
    const world = await createWorld({ routes })
    const copied = await world.signInForCookies()
    const owner = await changeByCookie(world, copied)
    const [oldSession = '', oldAccess = ''] = copied.split('; ')
    const [newSession = ''] = owner.split('; ')
    const status = async (Cookie: string) => (await world.sendFresh('/x', { headers: { Cookie } })).status
    expect(await status(oldSession)).toBe(401)
    expect(await status(oldAccess)).toBe(401)
    expect(await status(`${newSession}; ${oldAccess}`)).toBe(200)
    expect(await session()).toMatchObject({ alive: 1 })
  })

  it('calls a copy that comes later reuse', async () => {
    const world = await createWorld({ routes })
    const copied = await world.signInForCookies()
    await changeByCookie(world, copied)
    await age(31)
    expect((await world.sendFresh('/x', { headers: { Cookie: copied } })).status).toBe(401)
    expect(await session()).toMatchObject({ alive: 0, end_reason: 'reuse' })
  })
})
