import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { hashPassword } from '../../src/accounts/passwords.ts'
import { createWorld, ISSUER, lengthenBlocks, PASSWORD, UPSTREAM, user } from '../support/world.ts'

const SAME_SITE = { 'Sec-Fetch-Site': 'same-origin' }
const right = { email: user.email, password: PASSWORD }

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

describe('signing in with tokens', () => {
  it('answers as RFC 6749 §5.1 asks', async () => {
    const world = await createWorld()
    const response = await world.post('/auth/sign-in', { ...right, transport: 'token' })
    expect(response.status).toBe(200)
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect(response.headers.getSetCookie()).toEqual([])
    expect(await response.json()).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 900,
      refresh_token: expect.stringMatching(/^gth_r_ses_[\w-]{22}\.1\.[\w-]{43}$/),
      scope: 'orders:read',
    })
  })

  it('gives a token that the upstream sees as the user', async () => {
    const world = await createWorld()
    const { access } = await world.signInForTokens()
    expect((await world.bearer(access, '/orders')).status).toBe(200)
    const headers = world.seen[0]?.headers
    expect(headers?.get('Gatehouse-Subject')).toBe(user.id)
    expect(headers?.get('Gatehouse-Scope')).toBe('orders:read')
    expect(headers?.get('Authorization')).toBeNull()
  })
})

describe('signing in with cookies', () => {
  it('sets both cookies, and no token is in the body', async () => {
    const world = await createWorld()
    const response = await world.post('/auth/sign-in', right, SAME_SITE)
    expect(response.status).toBe(200)
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^__Host-gatehouse_session=gth_c_\S+; HttpOnly; Secure; SameSite=Lax; Path=\/; Max-Age=(?:1209600|120959\d)$/,
      ),
      expect.stringMatching(
        /^__Host-gatehouse_access=\S+; HttpOnly; Secure; SameSite=Lax; Path=\/; Max-Age=(?:900|89\d)$/,
      ),
    ])
    expect(await response.json()).toEqual({
      subject: user.id,
      session: expect.stringMatching(/^ses_/),
      scope: 'orders:read',
      roles: ['staff'],
      claims: { tenant: 'acme' },
      expires_at: expect.any(Number),
      session_expires_at: expect.any(Number),
    })
  })

  it('loses `__Host-` and `Secure` on http://localhost, and only there', async () => {
    const world = await createWorld({ vars: { ISSUER: 'http://localhost:8787' } })
    const response = await world.send('http://localhost:8787/auth/sign-in', {
      method: 'POST',
      body: JSON.stringify(right),
      headers: { 'Content-Type': 'application/json', ...SAME_SITE },
    })
    expect(response.headers.getSetCookie()[0]).toMatch(
      /^gatehouse_session=\S+; HttpOnly; SameSite=Lax; Path=\/; Max-Age=/,
    )
  })

  it('takes a form post', async () => {
    const world = await createWorld()
    const body = new URLSearchParams(right)
    const response = await world.send('/auth/sign-in', { method: 'POST', body, headers: SAME_SITE })
    expect(response.status).toBe(200)
  })

  it('ends the session that this browser had', async () => {
    const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM, revocation: 'session' }] })
    const before = await world.signInForCookies()
    const response = await world.post('/auth/sign-in', right, { ...SAME_SITE, Cookie: before })
    expect(response.status).toBe(200)
    expect((await world.send('/orders', { headers: { Cookie: before } })).status).toBe(401)
    const ended = await env.DB.prepare('SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL').all()
    expect(ended.results).toEqual([{ end_reason: 'replaced' }])
  })

  it('does not end a session that the cookie only claims to name', async () => {
    const world = await createWorld()
    const cookie = await world.signInForCookies()
    const forged = cookie.replace(/\.1\.[\w-]{43}/, `.1.${'A'.repeat(43)}`)
    await world.post('/auth/sign-in', right, { ...SAME_SITE, Cookie: forged })
    const alive = await env.DB.prepare('SELECT count(*) AS n FROM sessions WHERE ended_at IS NULL').first()
    expect(alive).toEqual({ n: 2 })
  })
})

describe('a sign-in that is refused', () => {
  const cases: readonly [string, Record<string, unknown>, number, string][] = [
    ['a wrong password', { ...right, password: 'wrong wrong wrong', transport: 'token' }, 401, 'invalid_sign_in'],
    [
      'an unknown user',
      { email: 'nobody@example.com', password: PASSWORD, transport: 'token' },
      401,
      'invalid_sign_in',
    ],
    ['a missing password', { email: user.email, transport: 'token' }, 400, 'invalid_request'],
    ['an e-mail that is none', { email: 'ada', password: PASSWORD, transport: 'token' }, 400, 'invalid_request'],
    ['an unknown member', { ...right, transport: 'token', admin: true }, 400, 'invalid_request'],
    ['an unknown transport', { ...right, transport: 'carrier pigeon' }, 400, 'invalid_request'],
    ['a password that is no text', { email: user.email, password: 7, transport: 'token' }, 400, 'invalid_request'],
  ]
  it.each(cases)('%s', async (_, body, status, code) => {
    const world = await createWorld()
    const response = await world.post('/auth/sign-in', body)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ code })
    expect(response.headers.getSetCookie()).toEqual([])
  })

  it('answers an unknown user and a wrong password alike, but for the request id', async () => {
    const world = await createWorld()
    const ask = async (email: string) => {
      const response = await world.post('/auth/sign-in', { email, password: 'not the password', transport: 'token' })
      const headers = [...response.headers]
      return [response.status, headers, (await response.text()).replace(/"request_id":"[^"]+"/, '')]
    }
    expect(await ask('nobody@example.com')).toEqual(await ask(user.email))
  })

  it('a disabled user, like a wrong password', async () => {
    const world = await createWorld()
    await env.DB.prepare('UPDATE users SET disabled_at = unixepoch()').run()
    const response = await world.post('/auth/sign-in', { ...right, transport: 'token' })
    expect(await response.json()).toMatchObject({ code: 'invalid_sign_in' })
  })

  it('where passwords are off there is nothing', async () => {
    const world = await createWorld({ vars: { PASSWORDS: { sign_in: false } } })
    expect((await world.post('/auth/sign-in', { ...right, transport: 'token' })).status).toBe(404)
  })

  it('too many from one address', async () => {
    const world = await createWorld({ bindings: { SIGN_IN_LIMIT: { limit: async () => ({ success: false }) } } })
    const response = await world.post('/auth/sign-in', { ...right, transport: 'token' })
    expect(response.status).toBe(429)
    expect(response.headers.get('Retry-After')).toMatch(/^\d+$/)
    expect(world.count().roundTrips).toBe(0)
  })

  it('after five wrong guesses from one address, also with the right password, for seconds', async () => {
    const world = await createWorld()
    const wrong = { email: user.email, password: 'wrong wrong wrong', transport: 'token' }
    for (const _ of [1, 2, 3, 4, 5]) await world.post('/auth/sign-in', wrong)
    await lengthenBlocks()
    const response = await world.post('/auth/sign-in', { ...right, transport: 'token' })
    expect(response.status).toBe(429)
    expect(Number(response.headers.get('Retry-After'))).toBeLessThanOrEqual(90)
  })

  it('when the password changed while it was checked', async () => {
    const world = await createWorld({
      bindings: {
        DB: {
          prepare: (sql: string) => env.DB.prepare(sql),
          batch: async (statements: D1PreparedStatement[]) => {
            const results = await env.DB.batch(statements)
            await env.DB.prepare("UPDATE users SET password_hash = 'another', session_epoch = session_epoch + 1").run()
            return results
          },
        },
      },
    })
    const response = await world.post('/auth/sign-in', { ...right, transport: 'token' })
    expect(await response.json()).toMatchObject({ code: 'unavailable' })
    expect(await env.DB.prepare('SELECT count(*) AS n FROM sessions').first()).toEqual({ n: 0 })
  })
})

describe('a password hash of older parameters', () => {
  it('is replaced when its owner signs in', async () => {
    const world = await createWorld()
    const old = '$scrypt$ln=14,r=8,p=1$'
    const { scryptSync } = await import('node:crypto')
    const salt = Buffer.alloc(16, 7)
    const key = scryptSync(PASSWORD, salt, 32, { N: 2 ** 14, r: 8, p: 1 })
    await env.DB.prepare('UPDATE users SET password_hash = ?1')
      .bind(`${old}${unpadded(salt)}$${unpadded(key)}`)
      .run()
    expect((await world.post('/auth/sign-in', { ...right, transport: 'token' })).status).toBe(200)
    const row = await env.DB.prepare('SELECT password_hash AS hash FROM users').first<{ hash: string }>()
    expect(row?.hash.split('$')[2]).toBe((await hashPassword('x')).split('$')[2])
    expect((await world.post('/auth/sign-in', { ...right, transport: 'token' })).status).toBe(200)
  })
})

describe('signing up', () => {
  const open = { vars: { PASSWORDS: { sign_in: true, sign_up: true } } }
  const fresh = { email: 'New@Example.com', password: 'a long new password', transport: 'token' }

  it('is off by default', async () => {
    const world = await createWorld()
    expect((await world.post('/auth/sign-up', fresh)).status).toBe(404)
  })

  it('makes a user and answers like signing in', async () => {
    const world = await createWorld(open)
    expect((await world.post('/auth/sign-up', fresh)).status).toBe(201)
    const row = await env.DB.prepare('SELECT id, roles, scopes FROM users WHERE email = ?1')
      .bind('new@example.com')
      .first()
    expect(row).toEqual({ id: expect.stringMatching(/^usr_/), roles: '[]', scopes: '[]' })
    expect((await world.post('/auth/sign-in', fresh)).status).toBe(200)
  })

  it('answers a taken e-mail like a wrong password, and leaves its owner alone', async () => {
    const world = await createWorld(open)
    const response = await world.post('/auth/sign-up', { ...fresh, email: user.email })
    expect(await response.json()).toMatchObject({ code: 'invalid_sign_in' })
    expect((await world.post('/auth/sign-in', { ...right, transport: 'token' })).status).toBe(200)
  })

  it.each(['short', 'password1', 'x'.repeat(257)])('refuses the password %j', async (password) => {
    const world = await createWorld(open)
    const response = await world.post('/auth/sign-up', { ...fresh, password })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'invalid_request', detail: expect.any(String) })
  })
})

describe('who may have cookies set', () => {
  const cases: readonly [string, Record<string, string>, string, number][] = [
    ['same-origin by Fetch Metadata', { 'Sec-Fetch-Site': 'same-origin' }, 'cookie', 200],
    ['the origin of ISSUER', { Origin: ISSUER }, 'cookie', 200],
    ['a configured web origin', { Origin: 'https://app.example.com', 'Sec-Fetch-Site': 'same-site' }, 'cookie', 200],
    [
      'a sibling that is not configured',
      { Origin: 'https://evil.example.com', 'Sec-Fetch-Site': 'same-site' },
      'cookie',
      403,
    ],
    ['another site', { Origin: 'https://evil.test', 'Sec-Fetch-Site': 'cross-site' }, 'cookie', 403],
    [
      'another site that asks for tokens',
      { Origin: 'https://evil.test', 'Sec-Fetch-Site': 'cross-site' },
      'token',
      403,
    ],
    ['the null origin', { Origin: 'null' }, 'cookie', 403],
    ['an address bar', { 'Sec-Fetch-Site': 'none' }, 'cookie', 403],
    ['no browser that asks for cookies', {}, 'cookie', 403],
    ['no browser that asks for tokens', {}, 'token', 200],
    ['a header that came twice', { 'Sec-Fetch-Site': 'same-origin, cross-site' }, 'cookie', 403],
  ]
  it.each(cases)('%s', async (_, headers, transport, status) => {
    const world = await createWorld({ vars: { WEB_ORIGINS: ['https://app.example.com'] } })
    expect((await world.post('/auth/sign-in', { ...right, transport }, headers)).status).toBe(status)
  })
})
