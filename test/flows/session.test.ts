import { env } from 'cloudflare:workers'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { createWorld, ISSUER, UPSTREAM, user } from '../support/world.ts'

describe('who am I', () => {
  it('tells a bearer, with the end of token and session', async () => {
    const world = await createWorld()
    const { access } = await world.signInForTokens()
    const now = Date.now() / 1000
    expect(await (await world.bearer(access, '/auth/session')).json()).toEqual({
      subject: user.id,
      session: expect.stringMatching(/^ses_/),
      scope: 'orders:read',
      roles: ['staff'],
      claims: { tenant: 'acme' },
      expires_at: expect.closeTo(now + 900, -1),
      session_expires_at: expect.closeTo(now + 14 * 86_400, -1),
    })
  })

  it('tells a browser, and never a token', async () => {
    const world = await createWorld()
    const cookie = await world.signInForCookies()
    const response = await world.send('/auth/session', { headers: { Cookie: cookie } })
    const text = await response.text()
    expect(text).toContain(user.id)
    expect(text).not.toContain('gth_')
    expect(text).not.toContain('eyJ')
  })

  it.each([
    ['nobody', {}, 401, 'credential_required'],
    [
      'a forged cookie',
      { Cookie: `__Host-gatehouse_session=gth_c_ses_${'A'.repeat(22)}.1.${'A'.repeat(43)}` },
      401,
      'credential_required',
    ],
    ['a garbled token', { Authorization: 'Bearer x.y.z' }, 401, 'invalid_token'],
    [
      'two cookies of a name',
      { Cookie: '__Host-gatehouse_session=a; __Host-gatehouse_session=b' },
      400,
      'ambiguous_credential',
    ],
  ])('does not know %s', async (_, headers, status, code) => {
    const world = await createWorld()
    const response = await world.send('/auth/session', { headers })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ code })
  })
})

describe('a browser that signs out', () => {
  it('loses both cookies, by the very attributes that they were set with', async () => {
    const world = await createWorld()
    const cookie = await world.signInForCookies()
    const headers = { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin' }
    const response = await world.send('/auth/sign-out', { method: 'POST', headers })
    expect(response.headers.getSetCookie()).toEqual([
      '__Host-gatehouse_session=; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=0',
      '__Host-gatehouse_access=; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=0',
    ])
    expect((await world.send('/orders', { headers: { Cookie: cookie } })).status).toBe(401)
  })

  it('cannot be made to by another site', async () => {
    const world = await createWorld()
    const cookie = await world.signInForCookies()
    const headers = { Cookie: cookie, Origin: 'https://evil.test' }
    expect((await world.send('/auth/sign-out', { method: 'POST', headers })).status).toBe(403)
    expect((await world.send('/orders', { headers: { Cookie: cookie } })).status).toBe(200)
  })
})

describe('in-line renewal', () => {
  it('mints, forwards the same request with its body, and sets the access cookie', async () => {
    const world = await createWorld()
    const session = (await world.signInForCookies()).split('; ')[0] ?? ''
    const response = await world.send('/orders', {
      method: 'POST',
      body: 'one order',
      headers: { Cookie: session, Origin: ISSUER },
    })
    expect(response.status).toBe(200)
    expect(world.seen[0]?.body).toBe('one order')
    expect(world.seen[0]?.headers.get('Gatehouse-Subject')).toBe(user.id)
    expect(response.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-gatehouse_access=.+Max-Age=900$/)])
  })

  it('keeps the cookies that the upstream sets', async () => {
    const world = await createWorld({
      upstream: () =>
        new Response('ok', {
          headers: [
            ['Set-Cookie', 'a=1'],
            ['Set-Cookie', 'b=2'],
          ],
        }),
    })
    const session = (await world.signInForCookies()).split('; ')[0] ?? ''
    const response = await world.send('/orders', { headers: { Cookie: session } })
    expect(response.headers.getSetCookie().slice(0, 2)).toEqual(['a=1', 'b=2'])
    expect(response.headers.getSetCookie()).toHaveLength(3)
  })

  it('does not happen for an access cookie of another session, which counts as absent', async () => {
    const world = await createWorld()
    const [mine = ''] = (await world.signInForCookies()).split('; ')
    const [, foreign = ''] = (await world.signInForCookies()).split('; ')
    const response = await world.send('/orders', { headers: { Cookie: `${mine}; ${foreign}` } })
    expect(response.status).toBe(200)
    expect(response.headers.getSetCookie()).toHaveLength(1)
  })

  it('never happens without a session cookie', async () => {
    const world = await createWorld()
    const [, access = ''] = (await world.signInForCookies()).split('; ')
    expect((await world.send('/orders', { headers: { Cookie: access } })).status).toBe(401)
  })

  it('of a dead session clears both cookies', async () => {
    const world = await createWorld()
    const session = (await world.signInForCookies()).split('; ')[0] ?? ''
    await env.DB.prepare("UPDATE sessions SET ended_at = unixepoch(), end_reason = 'test'").run()
    const response = await world.send('/orders', { headers: { Cookie: session } })
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'session_ended' })
    expect(response.headers.getSetCookie().map((line) => line.split(';')[0])).toEqual([
      '__Host-gatehouse_session=',
      '__Host-gatehouse_access=',
    ])
  })

  it.each([
    ['idle too long', 'UPDATE sessions SET last_seen_at = unixepoch() - 14 * 86400 - 1'],
    ['past its absolute end', 'UPDATE sessions SET expires_at = unixepoch() - 1'],
    ['of an older epoch', 'UPDATE users SET session_epoch = session_epoch + 1'],
    ['of a disabled user', 'UPDATE users SET disabled_at = unixepoch()'],
  ])('refuses a session %s', async (_, sql) => {
    const world = await createWorld()
    const session = (await world.signInForCookies()).split('; ')[0] ?? ''
    await env.DB.prepare(sql).run()
    expect((await world.send('/orders', { headers: { Cookie: session } })).status).toBe(401)
    expect(world.seen).toEqual([])
  })

  it('on an optional route too, where a forged cookie is anonymous', async () => {
    const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM, access: 'optional' }] })
    const session = (await world.signInForCookies()).split('; ')[0] ?? ''
    await world.send('/x', { headers: { Cookie: session } })
    await world.send('/x', { headers: { Cookie: `${session}x` } })
    expect(world.seen.map(({ headers }) => headers.get('Gatehouse-Subject'))).toEqual([user.id, null])
  })
})

/** A browser, and a clock that the test moves. */
async function lateWorld(bindings: Record<string, unknown> = {}) {
  const world = await createWorld({ bindings, upstream: async () => new Response('ok') })
  const cookie = await world.signInForCookies()
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  return { world, cookie }
}

describe('renewal in the last fifth of a token’s life', () => {
  it('lets the request go on at once, and its cookies join the answer if they are there', async () => {
    const { world, cookie } = await lateWorld()
    vi.setSystemTime(Date.now() + 740_000)
    world.count()
    const response = await world.send('/x', { headers: { Cookie: cookie } })
    expect(response.status).toBe(200)
    expect(world.count().roundTrips).toBe(1)
  })

  it('does not begin before', async () => {
    const { world, cookie } = await lateWorld()
    vi.setSystemTime(Date.now() + 700_000)
    world.count()
    await world.send('/x', { headers: { Cookie: cookie } })
    expect(world.count().roundTrips).toBe(0)
  })

  it('is begun once for the many requests of a page', async () => {
    const { world, cookie } = await lateWorld()
    vi.setSystemTime(Date.now() + 800_000)
    world.count()
    await Promise.all(Array.from({ length: 10 }, () => world.send('/x', { headers: { Cookie: cookie } })))
    expect(world.count().roundTrips).toBe(1)
  })

  it('that fails, hangs or finds D1 down leaves the request alone', async () => {
    const { world, cookie } = await lateWorld()
    vi.setSystemTime(Date.now() + 800_000)
    const isolate = {
      ...world.env,
      DB: Object.assign({}, world.env['DB'], { batch: () => Promise.reject(new Error('down')) }),
    }
    const response = await world.sendIn(isolate, '/x', { headers: { Cookie: cookie } })
    expect(response.status).toBe(200)
    expect(response.headers.getSetCookie()).toEqual([])
  })

  it('gives its cookies to an upstream’s answer that comes later', async () => {
    const { world, cookie } = await lateWorld()
    vi.setSystemTime(Date.now() + 800_000)
    const slow = createSlowUpstream()
    vi.mocked(globalThis.fetch).mockImplementation(slow)
    const response = await world.send('/x', { headers: { Cookie: cookie } })
    expect(response.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-gatehouse_access=/)])
  })
})

/** Answers when D1 has long done so. */
function createSlowUpstream(): typeof fetch {
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, 300))
    return new Response('late')
  }
}
