// Who sees the console, on which host, and what its sign-in is good for.
import { scryptSync } from 'node:crypto'

import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { decodeBase64url } from '../../src/crypto.ts'
import { formatSessionToken } from '../../src/sessions/session-token.ts'
import { administrator, everything } from '../support/admin.ts'
import { CONSOLE, createConsoleWorld, operate, sendForm, signInToConsole } from '../support/console.ts'
import { pageProblems } from '../support/html.ts'
import { NAVIGATION, read } from '../support/visitor.ts'
import type { World } from '../support/world.ts'
import { cookieHeader, createWorld, insertUser, ISSUER, PASSWORD, UPSTREAM, user } from '../support/world.ts'

const PATHS = ['/', '/users', `/users/${user.id}`, '/audit', '/nothing']

const SALT = Buffer.alloc(16, 7)
const encode = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')

function visit(world: World, url: string, headers: Record<string, string> = {}): Promise<Response> {
  return world.send(url, { headers: { ...NAVIGATION, ...headers } })
}

/** A cookie that only somebody with the gateway's keys can make. */
function forge(world: World, kind: 'c' | 'a', sessionId: string): string {
  const key = decodeBase64url(String(world.env['SESSION_KEYS'])) ?? new Uint8Array()
  return `__Host-gatehouse_session=${formatSessionToken([key], kind, { sessionId, generation: 1 })}`
}

/** `hashPassword` of PASSWORD as an earlier release would have made it: N = 2^14. */
const OUTDATED = `$scrypt$ln=14,r=8,p=1$${encode(SALT)}$${encode(scryptSync(PASSWORD, SALT, 32, { N: 2 ** 14, r: 8, p: 1 }))}`

/** Everything about an attempt that its client, or a clock beside it, can see, and what was written. */
async function traceOf(world: World, kind: string, email: string, password: string): Promise<unknown> {
  world.count()
  const before = await writtenOf()
  const headers = { 'Content-Type': 'application/json', Origin: CONSOLE }
  const answer = await (kind === 'form'
    ? signInToConsole(world, email, password)
    : world.send(`${CONSOLE}/sign-in`, { method: 'POST', body: JSON.stringify({ email, password }), headers }))
  const { roundTrips } = world.count()
  const after = await writtenOf()
  return {
    status: answer.status,
    headers: [...answer.headers].map(([name, value]) => [name, withoutNonce(value)]),
    cookies: answer.headers.getSetCookie(),
    body: withoutNonce((await answer.text()).replaceAll(email, '[email]')),
    roundTrips,
    recorded: after.recorded - before.recorded,
    counted: after.counted - before.counted,
  }
}

function withoutNonce(text: string): string {
  return text.replaceAll(/nonce(?:-|=")[\w-]+/g, 'nonce')
}

async function writtenOf(): Promise<{ readonly recorded: number; readonly counted: number }> {
  const sql = `SELECT (SELECT count(*) FROM audit_events) AS recorded,
    (SELECT coalesce(sum(failures), 0) FROM sign_in_attempts WHERE address <> '') AS counted`
  return (await env.DB.prepare(sql).first<{ recorded: number; counted: number }>()) ?? { recorded: 0, counted: 0 }
}

async function sessionsOf(userId: string): Promise<readonly { id: string; client_id: string; lifetime: number }[]> {
  const sql = `SELECT id, client_id, expires_at - created_at AS lifetime FROM sessions WHERE user_id = ?1 AND ended_at IS NULL`
  return (await env.DB.prepare(sql).bind(userId).all<{ id: string; client_id: string; lifetime: number }>()).results
}

describe('the host of ADMIN_ORIGIN', () => {
  it.each(['/auth/sign-in', '/auth/account', '/.well-known/jwks.json', '/auth/health', '/auth/admin/users', '/orders'])(
    'has nothing of the gateway and of no upstream, to nobody and to an administrator: %s',
    async (path) => {
      const world = await createConsoleWorld()
      const { cookie } = await operate(world)
      expect((await visit(world, `${CONSOLE}${path}`)).headers.get('Location')).toBe('/sign-in')
      expect((await visit(world, `${CONSOLE}${path}`, { Cookie: cookie })).status).toBe(404)
      const { access } = await world.signInForTokens(administrator.id)
      const headers = { Authorization: `Bearer ${access}` }
      expect((await world.send(`${CONSOLE}${path}`, { headers })).status).toBe(401)
      expect(world.seen).toEqual([])
    },
  )

  it.each(['https://ADMIN.example.com', 'https://admin.example.com.', 'https://admin.example.com:8443'])(
    'is the console’s in every spelling: %s',
    async (origin) => {
      const world = await createConsoleWorld()
      expect((await visit(world, `${origin}/orders`)).headers.get('Location')).toBe('/sign-in')
      expect(world.seen).toEqual([])
    },
  )

  it('may not be claimed by a route', async () => {
    const routes = [{ path: '/*', host: 'Admin.example.com', upstream: UPSTREAM }]
    const world = await createConsoleWorld({ routes })
    expect((await world.send('/orders')).status).toBe(503)
    expect(JSON.stringify(world.logged)).toContain("ROUTES[0].host must not be ADMIN_ORIGIN's")
  })

  it('is a host like every other where there is no ADMIN_ORIGIN', async () => {
    const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM, access: 'public' }] })
    expect((await visit(world, `${CONSOLE}/users`)).status).toBe(200)
    expect(world.seen.map(({ url }) => url)).toEqual([`${UPSTREAM}/users`])
  })
})

describe('another host', () => {
  it.each(['/', '/users', '/audit', '/sign-in'])('has nothing of the console: %s', async (path) => {
    const world = await createConsoleWorld({ routes: [{ path: '/app/*', upstream: UPSTREAM }] })
    const { cookie } = await operate(world)
    expect((await visit(world, `${ISSUER}${path}`, { Cookie: cookie })).status).toBe(404)
    const form = await world.send(`${ISSUER}/sign-in`, {
      method: 'POST',
      body: new URLSearchParams({ email: administrator.email, password: PASSWORD }),
      headers: { ...NAVIGATION, Origin: CONSOLE },
    })
    expect(form.status).toBe(404)
  })
})

describe('signing in to the console', () => {
  it('is asked of everybody, whatever he looks for', async () => {
    const world = await createConsoleWorld()
    const answers = await Promise.all(PATHS.map((path) => visit(world, `${CONSOLE}${path}`)))
    expect(answers.map(({ status, headers }) => [status, headers.get('Location')])).toEqual(
      PATHS.map(() => [303, '/sign-in']),
    )
    const page = await visit(world, `${CONSOLE}/sign-in`)
    const { text, html } = await read(page)
    expect(text).toContain('Sign in to the console')
    expect(pageProblems(html, [])).toEqual([])
    expect(page.headers.get('Content-Security-Policy')).toContain("frame-ancestors 'none'")
    expect(page.headers.get('Cache-Control')).toBe('no-store')
  })

  it('opens a session of the console alone, for twelve hours, in one cookie of this host', async () => {
    const world = await createConsoleWorld()
    const answer = await signInToConsole(world)
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/'])
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^__Host-gatehouse_session=gth_a_[^;]+; HttpOnly; Secure; SameSite=Lax; Path=\/; Max-Age=43200$/,
      ),
    ])
    expect(await sessionsOf(administrator.id)).toEqual([
      { id: expect.any(String), client_id: 'gatehouse-console', lifetime: 43_200 },
    ])
  })

  it('ends the session that the browser had', async () => {
    const world = await createConsoleWorld()
    const first = await operate(world)
    await sendForm(world, '/sign-in', { email: administrator.email, password: PASSWORD }, { Cookie: first.cookie })
    expect(await sessionsOf(administrator.id)).toHaveLength(1)
    expect((await first.see('/users')).headers.get('Location')).toBe('/sign-in')
  })

  it.each(['form', 'json'])(
    'answers, counts and records a right password without the scope like a wrong one: by %s',
    async (kind) => {
      const world = await createConsoleWorld()
      await insertUser({ ...user, id: 'usr_disabled', email: 'disabled@example.com', scopes: ['gatehouse:admin'] })
      await insertUser({ ...user, id: 'usr_without', email: 'without@example.com' })
      await insertUser({ ...user, id: 'usr_outdated', email: 'outdated@example.com' })
      await env.DB.batch([
        env.DB.prepare(`UPDATE users SET disabled_at = 1 WHERE id = 'usr_disabled'`),
        env.DB.prepare(`UPDATE users SET password_hash = NULL WHERE id = 'usr_without'`),
        env.DB.prepare(`UPDATE users SET password_hash = ?1 WHERE id = 'usr_outdated'`).bind(OUTDATED),
      ])
      const attempts = [
        [administrator.email, 'wrong'],
        [user.email, 'wrong'],
        [user.email, PASSWORD],
        ['disabled@example.com', PASSWORD],
        ['without@example.com', PASSWORD],
        ['outdated@example.com', PASSWORD],
        ['nobody@example.com', PASSWORD],
      ] as const
      // What this isolate writes down of its own denials once a minute is no trace of an attempt.
      for (const email of ['first@example.com', 'next@example.com']) await signInToConsole(world, email)
      const traces: unknown[] = []
      for (const [email, password] of attempts) traces.push(await traceOf(world, kind, email, password))
      expect(traces[0]).toMatchObject({ status: 401, cookies: [], recorded: 1, counted: 1 })
      expect(traces).toEqual(traces.map(() => traces[0]))
      expect(await sessionsOf(user.id)).toEqual([])
      const stored = env.DB.prepare(`SELECT password_hash AS hash FROM users WHERE id = 'usr_outdated'`)
      expect(await stored.first('hash')).toBe(OUTDATED)
    },
  )

  it('tells a right password without the scope in the audit trail and the log only', async () => {
    const world = await createConsoleWorld()
    for (const password of ['wrong', PASSWORD]) await signInToConsole(world, user.email, password)
    const sql = `SELECT target, outcome, details FROM audit_events WHERE action = 'sign_in' ORDER BY id`
    const events = (await env.DB.prepare(sql).all<{ target: string; outcome: string; details: string }>()).results
    expect(events.map(({ target, outcome, details }) => [target, outcome, JSON.parse(details).missing])).toEqual([
      [user.id, 'failure', undefined],
      [user.id, 'failure', ['gatehouse:admin']],
    ])
    expect(world.logged.filter(({ code }) => code === 'invalid_sign_in').map(({ reason }) => reason)).toEqual([
      undefined,
      'a right password without the scope',
    ])
  })

  it('blocks right passwords without the scope like wrong ones', async () => {
    const world = await createConsoleWorld()
    const statuses = []
    for (let guess = 0; guess < 7; guess += 1) statuses.push((await signInToConsole(world, user.email)).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429])
    expect((await signInToConsole(world)).status).toBe(303)
  })

  it('is open where the site’s own way in is closed', async () => {
    const world = await createConsoleWorld({ vars: { PASSWORDS: { sign_in: false } } })
    const form = { email: administrator.email, password: PASSWORD }
    expect((await world.post('/auth/sign-in', form, { Origin: ISSUER })).status).toBe(404)
    const { see } = await operate(world)
    expect((await see('/users')).status).toBe(200)
  })

  it('ends by signing out', async () => {
    const world = await createConsoleWorld()
    const operator = await operate(world)
    const answer = await operator.send('/sign-out', {})
    expect(answer.headers.get('Location')).toBe('/sign-in')
    expect(answer.headers.getSetCookie()[0]).toContain('Max-Age=0')
    expect(await sessionsOf(administrator.id)).toEqual([])
    expect((await operator.see('/users')).headers.get('Location')).toBe('/sign-in')
  })
})

describe('a session', () => {
  it('of the site opens no console, be its cookie made over with our own key', async () => {
    const world = await createConsoleWorld()
    await env.DB.prepare(`UPDATE users SET scopes = '["gatehouse:admin"]'`).run()
    const cookie = await world.signInForCookies()
    expect((await visit(world, `${CONSOLE}/users`, { Cookie: cookie })).headers.get('Location')).toBe('/sign-in')
    const [session] = await sessionsOf(user.id)
    const made = forge(world, 'a', session?.id ?? '')
    expect((await visit(world, `${CONSOLE}/users`, { Cookie: made })).headers.get('Location')).toBe('/sign-in')
  })

  it('of the console opens nothing of the site, be its cookie made over with our own key', async () => {
    const world = await createConsoleWorld({ routes: [{ path: '/app/*', upstream: UPSTREAM }] })
    const { cookie, see } = await operate(world)
    const [session] = await sessionsOf(administrator.id)
    for (const Cookie of [cookie, forge(world, 'c', session?.id ?? '')]) {
      for (const path of ['/auth/session', '/auth/sessions', '/app/orders']) {
        expect((await world.send(path, { headers: { Cookie } })).status).toBe(401)
      }
      const own = { Cookie, 'Sec-Fetch-Site': 'same-origin' }
      expect((await world.send('/auth/refresh', { method: 'POST', headers: own })).status).toBe(401)
    }
    const token = cookie.replace(/^[^=]*=/, '')
    expect((await world.post('/auth/refresh', { refresh_token: token })).status).toBe(401)
    expect((await world.send('/app/orders', { headers: { Authorization: `Bearer ${token}` } })).status).toBe(401)
    expect(world.seen).toEqual([])
    expect((await see('/users')).status).toBe(200)
  })

  it.each([
    ['loses the scope', `UPDATE users SET scopes = '["orders:read"]' WHERE id = ?1`, 403],
    ['is disabled', `UPDATE users SET disabled_at = 1 WHERE id = ?1`, 303],
    ['is ended everywhere', `UPDATE users SET session_epoch = session_epoch + 1 WHERE id = ?1`, 303],
  ])('is refused by the very next page where its administrator %s', async (_, sql, status) => {
    const world = await createConsoleWorld()
    const { see, send } = await operate(world)
    expect((await see('/users')).status).toBe(200)
    await env.DB.prepare(sql).bind(administrator.id).run()
    expect((await see('/users')).status).toBe(status)
    expect((await send(`/users/${user.id}`, { do: 'disable' })).status).toBe(status)
    expect(await env.DB.prepare('SELECT disabled_at FROM users WHERE id = ?1').bind(user.id).first('disabled_at')).toBe(
      null,
    )
  })

  it('is rotated by a page once it is old enough, and ends where an older cookie comes after that', async () => {
    const world = await createConsoleWorld()
    const { see, cookie } = await operate(world)
    await env.DB.prepare('UPDATE sessions SET rotated_at = rotated_at - 3700').run()
    const rotated = cookieHeader(await see('/users'))
    expect(rotated).toMatch(/^__Host-gatehouse_session=gth_a_.*\.2\./)
    expect((await visit(world, `${CONSOLE}/users`, { Cookie: rotated })).status).toBe(200)
    await env.DB.prepare('UPDATE sessions SET rotated_at = rotated_at - 3700').run()
    expect((await visit(world, `${CONSOLE}/users`, { Cookie: cookie })).status).toBe(303)
    expect(await sessionsOf(administrator.id)).toEqual([])
  })
})

describe('a form of the console', () => {
  it.each([
    ['another site', { Origin: 'https://evil.example' }],
    ['ISSUER', { Origin: ISSUER }],
    ['a web app', { Origin: 'https://app.example.com' }],
    ['nowhere', { Origin: 'null' }],
    ['two places', { Origin: `${CONSOLE}, ${CONSOLE}` }],
    ['the same host on another port', { Origin: `${CONSOLE}:8443` }],
  ])('is refused from %s, whatever it would do', async (_, headers) => {
    const world = await createConsoleWorld({ vars: { WEB_ORIGINS: ['https://app.example.com'] } })
    const { send } = await operate(world)
    const before = await everything()
    const forms = [
      ['/sign-in', { email: administrator.email, password: PASSWORD }],
      ['/sign-out', {}],
      [`/users/${user.id}`, { do: 'disable' }],
    ] as const
    for (const [path, members] of forms) expect((await send(path, members, headers)).status).toBe(403)
    expect(await everything()).toEqual(before)
  })

  it('is refused where the browser does not say where it comes from', async () => {
    const world = await createConsoleWorld()
    const { cookie } = await operate(world)
    const init = {
      method: 'POST',
      body: new URLSearchParams({ do: 'disable' }),
      headers: { ...NAVIGATION, Cookie: cookie },
    }
    expect((await world.send(`${CONSOLE}/users/${user.id}`, init)).status).toBe(403)
  })
})
