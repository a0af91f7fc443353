import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import type { Ask } from '../support/admin.ts'
import { administer } from '../support/admin.ts'
import { createWorld, ISSUER, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const NEXT = 'an even longer password'
const JSON_BODY = { 'Content-Type': 'application/json' }

interface Tokens {
  readonly access: string
  readonly refresh: string
}

interface Scene {
  readonly world: World
  /** Of the session that is to end, and of another one of its user. */
  readonly it: Tokens
  readonly other: Tokens
  readonly ask: Ask
  readonly sessionId: string
}

type End = (scene: Scene) => Promise<unknown>

const post = (world: World, path: string, token: string, body = '') =>
  world.bearer(token, path, { method: 'POST', body, headers: body === '' ? {} : JSON_BODY })

const changePassword = ({ world, other }: Scene) =>
  post(world, '/auth/password', other.access, JSON.stringify({ current: PASSWORD, new: NEXT }))

async function reset({ world, ask }: Scene): Promise<unknown> {
  const { body } = await ask('POST', `/users/${user.id}/reset-link`)
  const token = new URL(String(body['url'])).searchParams.get('token')
  return world.post('/auth/reset', { token, password: NEXT })
}

async function reuse({ world, it: { refresh } }: Scene): Promise<unknown> {
  await env.DB.prepare('UPDATE sessions SET generation = 5, rotated_at = rotated_at - 1000').run()
  return world.post('/auth/refresh', { refresh_token: refresh })
}

/** The upstream of `/login` says what its answer does. */
const control = (member: string): End => {
  return ({ world, it: { access } }) => world.bearer(access, `/login?${encodeURIComponent(member)}`)
}

const ends: readonly (readonly [string, string, End])[] = [
  ['sign-out', 'sign_out', ({ world, it: { access } }) => post(world, '/auth/sign-out', access)],
  [
    'sign-out by its refresh token',
    'sign_out',
    ({ world, it: { refresh } }) => world.post('/auth/sign-out', { refresh_token: refresh }),
  ],
  ['sign-out everywhere', 'everywhere', ({ world, other }) => post(world, '/auth/sign-out-everywhere', other.access)],
  [
    'its owner on another device',
    'by_owner',
    ({ world, other, sessionId }) => world.bearer(other.access, `/auth/sessions/${sessionId}`, { method: 'DELETE' }),
  ],
  ['a password change', 'password', changePassword],
  ['a reset link', 'reset', reset],
  ['reuse', 'reuse', reuse],
  ['an administrator', 'admin', ({ ask, sessionId }) => ask('DELETE', `/users/${user.id}/sessions/${sessionId}`)],
  ['an administrator with all others', 'admin', ({ ask }) => ask('POST', `/users/${user.id}/end-sessions`)],
  ['disabling', 'disabled', ({ ask }) => ask('POST', `/users/${user.id}/disable`)],
  ['its upstream', 'sign_out', control('end')],
  ['its upstream with all others', 'upstream', control(`end-all;sub="${user.id}"`)],
  [
    'revocation of its refresh token',
    'revoked',
    async ({ world, it: { refresh } }) =>
      world.send('/auth/revoke', {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: `token=${refresh}`,
      }),
  ],
]

/** Answers with the member that the query holds. */
function upstream(request: Request): Response {
  const member = decodeURIComponent(new URL(request.url).search.slice(1))
  const value = `${member};control="${request.headers.get('Gatehouse-Control')}"`
  return new Response(null, { headers: { 'Gatehouse-Session': value } })
}

async function createScene(): Promise<Scene> {
  const routes = [
    { path: '/*', upstream: UPSTREAM },
    { path: '/login', upstream: UPSTREAM, access: 'optional', session_control: true },
  ]
  const world = await createWorld({ routes, upstream })
  const ask = await administer(world)
  const tokens = await world.signInForTokens()
  const other = await world.signInForTokens()
  const sessionId = /ses_[\w-]{22}/.exec(tokens.refresh)?.[0] ?? ''
  await env.DB.prepare("UPDATE sessions SET id_token_sealed = 'v1.sealed' WHERE user_id = ?1").bind(user.id).run()
  return { world, it: tokens, other, ask, sessionId }
}

const versionOf = () =>
  env.DB.prepare('SELECT token_version AS version FROM users WHERE id = ?1').bind(user.id).first<number>('version')

describe('whatever ends a session', () => {
  it.each(ends)('%s says so in its row, drops its ID token, and is published', async (_, reason, end) => {
    const scene = await createScene()
    const before = (await versionOf()) ?? 0
    await end(scene)
    const row = await env.DB.prepare('SELECT ended_at, end_reason, id_token_sealed FROM sessions WHERE id = ?1')
      .bind(scene.sessionId)
      .first()
    expect(row).toEqual({ ended_at: expect.any(Number), end_reason: reason, id_token_sealed: null })
    const version = await versionOf()
    expect(version).toBeGreaterThan(before)
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBe(String(version))
    const headers = { Authorization: `Bearer ${scene.it.access}` }
    expect((await scene.world.sendFresh('/x', { headers })).status).toBe(401)
  })

  it('by being one too many, or replaced in its browser, does the same', async () => {
    const world = await createWorld({ vars: { SESSIONS: { max_per_user: 2 } } })
    const right = { email: user.email, password: PASSWORD }
    const first = await world.post('/auth/sign-in', right, { Origin: ISSUER })
    const Cookie = first.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ')
    await env.DB.prepare("UPDATE sessions SET id_token_sealed = 'v1.sealed'").run()
    await world.post('/auth/sign-in', right, { Origin: ISSUER, Cookie })
    await env.DB.prepare("UPDATE sessions SET id_token_sealed = 'v1.sealed' WHERE ended_at IS NULL").run()
    await world.signInForTokens()
    await world.signInForTokens()
    const sql = 'SELECT end_reason, id_token_sealed FROM sessions WHERE ended_at IS NOT NULL ORDER BY end_reason'
    expect((await env.DB.prepare(sql).all()).results).toEqual([
      { end_reason: 'limit', id_token_sealed: null },
      { end_reason: 'replaced', id_token_sealed: null },
    ])
  })
})
