import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'

import { createBrowser } from '../support/browser.ts'
import { forge, hmacSigner, makeKey, unsigned } from '../support/forge.ts'
import type { ProviderScene as Scene } from '../support/provider-scene.ts'
import {
  ada,
  APP,
  bob,
  codeOf,
  createProviderScene as createScene,
  locationOf,
  newBrowser,
  rowsOf,
  signInBy,
  whoIs,
} from '../support/provider-scene.ts'
import type { Person, Script } from '../support/scripted-provider.ts'
import { CLIENT } from '../support/scripted-provider.ts'
import { NAVIGATION } from '../support/visitor.ts'
import { ISSUER, UPSTREAM } from '../support/world.ts'

const TRANSACTION = '__Host-gatehouse_sign_in_'
const SESSION = '__Host-gatehouse_session'

async function endAllSessions(): Promise<void> {
  await env.DB.prepare('UPDATE users SET session_epoch = session_epoch + 1').run()
}

async function linkBy({ provider, browser }: Pick<Scene, 'provider' | 'browser'>, person: Person) {
  const start = await browser.submit(`/auth/providers/${provider.id}/start`)
  return browser.open(provider.signIn(locationOf(start), person))
}

/** Nobody was signed in, made or linked. */
async function expectNothing({ browser }: Scene): Promise<void> {
  expect(browser.cookies.has(SESSION)).toBe(false)
  expect(await rowsOf('SELECT id FROM sessions')).toEqual([])
  expect(await rowsOf('SELECT subject FROM identities')).toEqual([])
  expect(await rowsOf('SELECT id FROM users')).toHaveLength(1)
}

afterEach(() => {
  vi.useRealTimers()
})

describe('the start of a sign-in', () => {
  it('sends the browser to the provider with code, PKCE, state and nonce', async () => {
    const { provider, browser } = await createScene()
    const response = await browser.open('/auth/providers/corp/start')
    const url = new URL(locationOf(response))
    expect(response.status).toBe(302)
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect(`${url.origin}${url.pathname}`).toBe(`${provider.issuer}authorize`)
    expect(Object.fromEntries(url.searchParams)).toEqual({
      tenant: '1',
      response_type: 'code',
      client_id: CLIENT,
      redirect_uri: `${ISSUER}/auth/providers/corp/callback`,
      scope: 'openid',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    })
  })

  it('gives the browser one cookie that tells neither state, nonce nor verifier', async () => {
    const { browser } = await createScene()
    const response = await browser.open('/auth/providers/corp/start')
    const query = new URL(locationOf(response)).searchParams
    const [line = '', ...others] = response.headers.getSetCookie()
    expect(others).toEqual([])
    expect(line).toMatch(
      /^__Host-gatehouse_sign_in_[\w-]{22}=[\w-]+\.[\w-]{43}; HttpOnly; Secure; SameSite=Lax; Path=\/; Max-Age=600$/,
    )
    expect(line).not.toContain(query.get('state'))
    expect(line).not.toContain(query.get('nonce'))
  })

  it.each([
    '//evil.example',
    '/\\evil.example',
    '/%09/evil.example\t',
    'https:evil.example',
    'https://evil.example',
    'https://app.example.com@evil.example',
    'https://app.example.com.evil.example',
    'https://evilapp.example.com',
    'http://app.example.com/',
    'javascript:alert(1)',
    '\\\\evil.example',
    ' /',
    '',
    'app.example.com',
    '/ä',
    `/${'a'.repeat(2048)}`,
  ])('refuses to return to %j', async (target) => {
    const { provider, browser } = await createScene()
    const response = await browser.open(`/auth/providers/corp/start?return_to=${encodeURIComponent(target)}`)
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
    expect([browser.cookies.size, provider.asked]).toEqual([0, []])
  })

  it('refuses two return_to', async () => {
    const { browser } = await createScene()
    expect((await browser.open('/auth/providers/corp/start?return_to=/a&return_to=/b')).status).toBe(400)
  })

  it('of a provider that nobody has configured is 404', async () => {
    const { browser } = await createScene()
    for (const id of ['nobody', 'CORP', '__proto__']) {
      expect((await browser.open(`/auth/providers/${id}/start`)).status).toBe(404)
    }
  })

  it('is limited by address, and so is the callback, before the provider is asked', async () => {
    const scene = await createScene({ bindings: { SIGN_IN_LIMIT: { limit: async () => ({ success: false }) } } })
    const { browser, provider } = scene
    expect((await browser.open('/auth/providers/corp/start')).status).toBe(429)
    expect((await browser.open(`/auth/providers/corp/callback?code=x&state=${'a'.repeat(43)}`)).status).toBe(429)
    expect(provider.asked).toEqual([])
  })

  it.each([
    ['an image', 'no-cors', 'image'],
    ['a frame', 'navigate', 'iframe'],
    ['a script', 'cors', 'empty'],
  ])('by %s is refused, spends nothing of the limit, and leaves no cookie', async (_, mode, destination) => {
    const limit = vi.fn<RateLimit['limit']>(async () => ({ success: true }))
    const { world } = await createScene({ bindings: { SIGN_IN_LIMIT: { limit } } })
    const headers = { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': mode, 'Sec-Fetch-Dest': destination }
    const start = await world.send('/auth/providers/corp/start', { headers })
    const callback = await world.send(`/auth/providers/corp/callback?code=x&state=${'a'.repeat(43)}`, { headers })
    expect([start.status, callback.status]).toEqual([403, 403])
    expect(start.headers.getSetCookie()).toEqual([])
    expect(limit).not.toHaveBeenCalled()
  })

  it('by a link of another site is left to the visitor, on the sign-in page', async () => {
    const { world, provider } = await createScene()
    const Cookie = await world.signInForCookies()
    const headers = { ...NAVIGATION, 'Sec-Fetch-Site': 'cross-site' }
    const start = await world.send('/auth/providers/corp/start?return_to=/orders&prompt=login', { headers })
    expect([start.status, locationOf(start)]).toEqual([303, '/auth/sign-in?return_to=%2Forders&prompt=login'])
    const away = await world.send('/auth/providers/corp/start?return_to=/orders', { headers: { ...headers, Cookie } })
    expect([away.status, locationOf(away)]).toEqual([303, '/auth/sign-in?return_to=%2Forders'])
    expect([start, away].flatMap((answer) => answer.headers.getSetCookie())).toEqual([])
    expect(provider.asked).toEqual([])
    expect(locationOf(await world.send(locationOf(away), { headers: { ...headers, Cookie } }))).toBe('/orders')
  })

  it('keeps five sign-ins of a browser under way, the newest', async () => {
    const { browser, provider } = await createScene()
    vi.useFakeTimers({ toFake: ['Date'] })
    const locations: string[] = []
    for (let at = 0; at < 7; at += 1) {
      vi.advanceTimersByTime(1000)
      locations.push(locationOf(await browser.open('/auth/providers/corp/start')))
    }
    expect([...browser.cookies.keys()].filter((name) => name.startsWith(TRANSACTION))).toHaveLength(5)
    expect((await browser.open(provider.signIn(locations[0] ?? '', ada))).status).toBe(400)
    expect((await browser.open(provider.signIn(locations[6] ?? '', ada))).status).toBe(303)
  })
})

describe('a sign-in by a provider', () => {
  it('makes a user without an e-mail, a session of the provider, and goes to the account page', async () => {
    const scene = await createScene()
    const response = await signInBy(scene)
    expect([response.status, locationOf(response)]).toEqual([303, '/auth/account'])
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect([...scene.browser.cookies.keys()]).toEqual([SESSION, '__Host-gatehouse_access'])
    const { subject } = await whoIs(scene, scene.browser)
    expect(subject).toMatch(/^usr_/)
    expect(await rowsOf('SELECT provider, subject, user_id FROM identities')).toEqual([
      { provider: 'corp', subject: ada.sub, user_id: subject },
    ])
    expect(await rowsOf(`SELECT email, password_hash, roles FROM users WHERE id = '${String(subject)}'`)).toEqual([
      { email: null, password_hash: null, roles: '[]' },
    ])
    expect(await rowsOf('SELECT provider, provider_subject, provider_session, amr FROM sessions')).toEqual([
      { provider: 'corp', provider_subject: ada.sub, provider_session: 'op-session-1', amr: '[]' },
    ])
  })

  it('costs one read and one batch, and for the first session one put with its confirmation', async () => {
    const scene = await createScene()
    await signInBy(scene)
    expect(scene.world.count()).toEqual({ roundTrips: 3, gets: 0, puts: 1 })
    await signInBy(scene)
    // The session of before is replaced in the same batch; that is published and confirmed.
    expect(scene.world.count()).toEqual({ roundTrips: 3, gets: 0, puts: 1 })
    await signInBy({ ...scene, browser: newBrowser(scene.world) })
    expect(scene.world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 0 })
  })

  it('asks the provider for its metadata and keys once', async () => {
    const scene = await createScene()
    await signInBy(scene)
    await signInBy(scene)
    const asked = scene.provider.asked.filter((path) => path !== '/token')
    expect(asked.filter((path) => path === '/jwks')).toHaveLength(1)
    // Once for what it says of itself, once on the way to its keys.
    expect(asked.filter((path) => path !== '/jwks')).toHaveLength(2)
    const calls = vi.mocked(globalThis.fetch).mock.calls.map(([, init]) => init)
    expect(calls.map((init) => [init?.redirect, init?.cache])).toEqual(calls.map(() => ['manual', 'no-store']))
  })

  it('finds the same user again, and ends the session that it replaces', async () => {
    const scene = await createScene()
    await signInBy(scene)
    const { subject, session } = await whoIs(scene, scene.browser)
    await signInBy(scene)
    const again = await whoIs(scene, scene.browser)
    expect(again['subject']).toBe(subject)
    expect(again['session']).not.toBe(session)
    expect(await rowsOf(`SELECT end_reason, id_token_hint FROM sessions WHERE id = '${String(session)}'`)).toEqual([
      { end_reason: 'replaced', id_token_hint: null },
    ])
  })

  it('never finds a user by e-mail, verified or not', async () => {
    const scene = await createScene()
    scene.provider.behave({ claims: { email: 'ada@example.com', email_verified: true } })
    await signInBy(scene)
    expect((await whoIs(scene, scene.browser))['subject']).not.toBe('usr_0000000000000000000001')
    expect(await rowsOf("SELECT id FROM users WHERE email = 'ada@example.com'")).toHaveLength(1)
  })

  it('keeps the subjects of two providers apart', async () => {
    const scene = await createScene()
    await signInBy(scene)
    const first = await whoIs(scene, scene.browser)
    await signInBy({ provider: scene.other, browser: scene.browser })
    expect((await whoIs(scene, scene.browser))['subject']).not.toBe(first['subject'])
  })

  it.each([
    ['/orders?a=1&b=//x', '/orders?a=1&b=//x'],
    [`${ISSUER}/orders`, '/orders'],
    [`${APP}/home#top`, `${APP}/home#top`],
  ])('returns to %s', async (target, expected) => {
    const scene = await createScene()
    const response = await signInBy(scene, ada, `?return_to=${encodeURIComponent(target)}`)
    expect(locationOf(response)).toBe(expected)
  })

  it('returns to the account page where the target is allowed no longer', async () => {
    const scene = await createScene()
    const start = await scene.browser.open(`/auth/providers/corp/start?return_to=${encodeURIComponent(`${APP}/x`)}`)
    const later = createBrowser((path, init) => scene.world.sendIn({ ...scene.world.env, WEB_ORIGINS: [] }, path, init))
    for (const [name, value] of scene.browser.cookies) later.cookies.set(name, value)
    const response = await later.open(scene.provider.signIn(locationOf(start), ada))
    expect([response.status, locationOf(response)]).toEqual([303, '/auth/account'])
  })

  it('says when and how the person signed in, where the provider says so', async () => {
    const scene = await createScene()
    const authTime = Math.floor(Date.now() / 1000) - 4000
    scene.provider.behave({ claims: { auth_time: authTime, amr: ['pwd', 'otp'] } })
    await signInBy(scene)
    expect(await rowsOf('SELECT auth_time, amr FROM sessions')).toEqual([{ auth_time: authTime, amr: '["pwd","otp"]' }])
  })

  it.each([
    ['does not say', undefined, 401],
    ['says in fractions', Math.floor(Date.now() / 1000) + 0.5, 401],
    ['says', Math.floor(Date.now() / 1000), 200],
  ])('of a provider that %s when it was passes for recent only if that is told', async (_, authTime, status) => {
    const routes = [{ path: '/*', upstream: UPSTREAM, max_auth_age: '10m' }]
    const scene = await createScene({ routes })
    scene.provider.behave({ claims: { auth_time: authTime } })
    expect((await signInBy(scene)).status).toBe(303)
    expect((await scene.browser.open('/orders')).status).toBe(status)
  })

  it.each([
    [{ auth_time: 9_999_999_999 }],
    [{ amr: ['x'.repeat(33)] }],
    [{ amr: Array.from({ length: 11 }, (_, at) => `m${at}`) }],
    [{ amr: 'pwd' }],
    [{ amr: ['pwd', 1] }],
  ])('makes nothing of %j', async (claims) => {
    const scene = await createScene()
    scene.provider.behave({ claims })
    expect((await signInBy(scene)).status).toBe(303)
    const [row] = await rowsOf('SELECT auth_time <= unixepoch() AS past, amr FROM sessions')
    expect(row).toEqual({ past: 1, amr: '[]' })
  })

  it('works in several tabs at once, in any order', async () => {
    const { browser, provider, other } = await createScene()
    const first = locationOf(await browser.open('/auth/providers/corp/start?return_to=/one'))
    const second = locationOf(await browser.open('/auth/providers/corp/start?return_to=/two'))
    const third = locationOf(await browser.open('/auth/providers/second/start?return_to=/three'))
    const answers = [
      await browser.open(other.signIn(third, ada)),
      await browser.open(provider.signIn(first, ada)),
      await browser.open(provider.signIn(second, ada)),
    ]
    expect(answers.map(locationOf)).toEqual(['/three', '/one', '/two'])
  })

  it('makes one user where one new person comes back twice at once', async () => {
    const scene = await createScene()
    const browsers = [scene.browser, createBrowser((path, init) => scene.world.sendFresh(path, init))]
    const callbacks = await Promise.all(
      browsers.map(async (browser) => {
        const start = await browser.open('/auth/providers/corp/start')
        return { browser, url: scene.provider.signIn(locationOf(start), ada) }
      }),
    )
    const answers = await Promise.all(callbacks.map(({ browser, url }) => browser.open(url)))
    expect(answers.map(({ status }) => status)).toEqual([303, 303])
    expect(await rowsOf('SELECT DISTINCT user_id FROM sessions')).toHaveLength(1)
    expect(await rowsOf('SELECT id FROM users')).toHaveLength(2)
  })

  it('survives a rotation of SESSION_KEYS on its way', async () => {
    const { world, provider, browser } = await createScene()
    const start = await browser.open('/auth/providers/corp/start')
    const keys = `${'A'.repeat(43)},${String(world.env['SESSION_KEYS'])}`
    const later = createBrowser((path, init) => world.sendIn({ ...world.env, SESSION_KEYS: keys }, path, init))
    for (const [name, value] of browser.cookies) later.cookies.set(name, value)
    expect((await later.open(provider.signIn(locationOf(start), ada))).status).toBe(303)
  })

  it('is refused to a user who is disabled', async () => {
    const scene = await createScene()
    await signInBy(scene)
    await env.DB.prepare('UPDATE users SET disabled_at = 1 WHERE email IS NULL').run()
    const browser = newBrowser(scene.world)
    const response = await signInBy({ ...scene, browser })
    expect([response.status, await codeOf(response)]).toEqual([401, 'invalid_sign_in'])
    expect(browser.cookies.size).toBe(0)
  })

  it('uses client_secret_post where the provider offers nothing else', async () => {
    const scene = await createScene()
    const forms: string[] = []
    scene.provider.behave({ metadata: { token_endpoint_auth_methods_supported: ['client_secret_post'] } })
    const answer = vi.mocked(globalThis.fetch).getMockImplementation()
    vi.mocked(globalThis.fetch).mockImplementation(async (input, init) => {
      if (init?.body instanceof URLSearchParams) forms.push(init.body.toString())
      if (answer === undefined) throw new Error('no network')
      return answer(input, init)
    })
    await signInBy(scene)
    expect(forms[0]).toContain('client_secret=')
  })

  it('tells nothing of tokens, codes or secrets in the log', async () => {
    const scene = await createScene()
    scene.provider.behave({
      token: () => Response.json({ error: 'invalid_grant', error_description: 'sesame' }, { status: 400 }),
    })
    const start = await scene.browser.open('/auth/providers/corp/start')
    const callback = scene.provider.signIn(locationOf(start), ada)
    await scene.browser.open(callback)
    const log = JSON.stringify(scene.world.logged)
    const query = new URL(callback).searchParams
    for (const secret of ['sesame', query.get('code') ?? '', query.get('state') ?? ''])
      expect(log).not.toContain(secret)
  })
})

describe('a callback', () => {
  it('works once: what was under way is over, whatever came of it', async () => {
    const scene = await createScene()
    const start = await scene.browser.open('/auth/providers/corp/start')
    const callback = scene.provider.signIn(locationOf(start), ada)
    expect((await scene.browser.open(callback)).status).toBe(303)
    const again = await scene.browser.open(callback)
    expect([again.status, await codeOf(again)]).toEqual([400, 'invalid_request'])
  })

  it('takes its cookie away where it is refused as well', async () => {
    const scene = await createScene()
    scene.provider.behave({ claims: { nonce: 'x' } })
    const response = await signInBy(scene)
    expect(response.status).toBe(401)
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^__Host-gatehouse_sign_in_[\w-]{22}=; HttpOnly; Secure; SameSite=Lax; Path=\/; Max-Age=0$/,
      ),
    ])
    expect(scene.browser.cookies.size).toBe(0)
  })

  it('with a code that was used is refused by the provider', async () => {
    const scene = await createScene()
    const start = await scene.browser.open('/auth/providers/corp/start')
    const callback = scene.provider.signIn(locationOf(start), ada)
    const copy = new Map(scene.browser.cookies)
    await scene.browser.open(callback)
    for (const [name, value] of copy) scene.browser.cookies.set(name, value)
    const again = await scene.browser.open(callback)
    expect([again.status, await codeOf(again)]).toEqual([401, 'invalid_sign_in'])
  })

  it('of another browser is refused before the provider is asked', async () => {
    const scene = await createScene()
    const start = await scene.browser.open('/auth/providers/corp/start')
    const callback = scene.provider.signIn(locationOf(start), ada)
    const victim = newBrowser(scene.world)
    await victim.open('/auth/providers/corp/start')
    const response = await victim.open(callback)
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
    expect(scene.provider.asked).not.toContain('/token')
    await expectNothing(scene)
  })

  it('with the state of another provider is refused (CVE-2026-73419)', async () => {
    const scene = await createScene()
    const start = await scene.browser.open('/auth/providers/second/start')
    const state = new URL(locationOf(start)).searchParams.get('state') ?? ''
    const own = await scene.browser.open('/auth/providers/corp/start')
    const callback = new URL(scene.provider.signIn(locationOf(own), ada))
    callback.searchParams.set('state', state)
    const response = await scene.browser.open(callback.href)
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
    expect(scene.provider.asked).not.toContain('/token')
  })

  it('later than ten minutes is refused', async () => {
    const scene = await createScene()
    const start = await scene.browser.open('/auth/providers/corp/start')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 602_000 })
    const response = await scene.browser.open(scene.provider.signIn(locationOf(start), ada))
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
  })

  it.each(['provider', 'time', 'target', 'mac'])('is refused with a cookie whose %s was changed', async (part) => {
    const { browser, provider } = await createScene()
    const start = await browser.open('/auth/providers/corp/start')
    const [[name, value] = ['', '']] = [...browser.cookies]
    const [text = '', mac = ''] = value.split('.')
    const members: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    const at = ['provider', 'time', 'target'].indexOf(part)
    const changed = Array.isArray(members) ? members.with(at, ['second', 9_999_999_999, '/x'][at] ?? '') : []
    const forged = `${Buffer.from(JSON.stringify(changed)).toString('base64url')}.${mac}`
    browser.cookies.set(name, part === 'mac' ? `${text}.${mac.split('').toReversed().join('')}` : forged)
    const response = await browser.open(provider.signIn(locationOf(start), ada))
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
    expect(provider.asked).not.toContain('/token')
  })

  it('is refused with the cookie of another sign-in under its name', async () => {
    const { browser, provider } = await createScene()
    const start = await browser.open('/auth/providers/corp/start?return_to=/one')
    const [name = ''] = [...browser.cookies.keys()]
    await browser.open('/auth/providers/corp/start?return_to=/two')
    browser.cookies.set(name, [...browser.cookies.values()][1] ?? '')
    const response = await browser.open(provider.signIn(locationOf(start), ada))
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
  })

  it.each([
    ['no state', (url: URL) => url.searchParams.delete('state')],
    ['a state that is none', (url: URL) => url.searchParams.set('state', 'x')],
    ['two states', (url: URL) => url.searchParams.append('state', url.searchParams.get('state') ?? '')],
    ['two codes', (url: URL) => url.searchParams.append('code', 'x')],
    ['two iss', (url: URL) => url.searchParams.append('iss', url.searchParams.get('iss') ?? '')],
    ['no code', (url: URL) => url.searchParams.delete('code')],
    ['an empty code', (url: URL) => url.searchParams.set('code', '')],
    ['code and error', (url: URL) => url.searchParams.set('error', 'access_denied')],
    ['an ID token', (url: URL) => url.searchParams.set('id_token', 'a.b.c')],
    ['a JARM response', (url: URL) => url.searchParams.set('response', 'a.b.c')],
  ])('with %s is refused', async (_, change) => {
    const scene = await createScene()
    const start = await scene.browser.open('/auth/providers/corp/start')
    const url = new URL(scene.provider.signIn(locationOf(start), ada))
    change(url)
    const response = await scene.browser.open(url.href)
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
    expect(scene.provider.asked).not.toContain('/token')
    await expectNothing(scene)
  })

  it.each([
    ['access_denied', 401, 'invalid_sign_in'],
    ['login_required', 401, 'invalid_sign_in'],
    ['<script>', 401, 'invalid_sign_in'],
    ['temporarily_unavailable', 503, 'issuer_unavailable'],
    ['server_error', 503, 'issuer_unavailable'],
    ['unauthorized_client', 503, 'misconfigured'],
  ])('that says %s is %i', async (error, status, code) => {
    const scene = await createScene()
    scene.provider.behave({ callback: { code: undefined, error } })
    const response = await signInBy(scene)
    expect([response.status, await codeOf(response)]).toEqual([status, code])
    expect(JSON.stringify(scene.world.logged)).not.toContain('<script>')
    await expectNothing(scene)
  })
})

const stranger = await makeKey('ES256', 'one')
const HTML = () => new Response('<title>Welcome</title>', { headers: { 'Content-Type': 'text/html' } })
const HUGE = () => Response.json({ x: 'x'.repeat(300 * 1024) })
const ENDLESS = () => new Response(new ReadableStream({ start: (to) => to.enqueue(new TextEncoder().encode('{')) }))
const REDIRECT = () => new Response(null, { status: 302, headers: { Location: 'https://elsewhere.example/' } })

describe('a provider whose word cannot be believed', () => {
  const now = Math.floor(Date.now() / 1000)
  const WORDS: readonly (readonly [string, Script])[] = [
    ['names another issuer', { claims: { iss: 'https://evil.example/' } }],
    ['has another nonce', { claims: { nonce: 'another' } }],
    ['has no nonce', { claims: { nonce: undefined } }],
    ['has expired', { claims: { exp: now - 120, iat: now - 300 } }],
    ['never expires', { claims: { exp: undefined } }],
    ['expires at half past', { claims: { exp: now + 300.5 } }],
    ['was made tomorrow', { claims: { iat: now + 86_400, exp: now + 90_000 } }],
    ['has no iat', { claims: { iat: undefined } }],
    ['is for somebody else', { claims: { aud: 'other' } }],
    ['is for several and does not say who asked', { claims: { aud: [CLIENT, 'other'] } }],
    ['was made for another party', { claims: { aud: [CLIENT, 'other'], azp: 'other' } }],
    ['was made for another party alone', { claims: { azp: 'other' } }],
    ['has no subject', { claims: { sub: undefined } }],
    ['has an empty subject', { claims: { sub: '' } }],
    ['has a subject with a line break', { claims: { sub: 'a\nb' } }],
    ['has a subject that is too long', { claims: { sub: 'a'.repeat(256) } }],
    ['has a subject beyond ASCII', { claims: { sub: 'adä' } }],
    ['has a session that is no text', { claims: { sid: 1 } }],
    ['names a key that it does not have', { header: { kid: 'two' } }],
    ['names no key', { header: { kid: undefined } }],
    ['says another algorithm', { header: { alg: 'ES384' } }],
    ['brings its key along', { header: { jwk: stranger.publicJwk } }],
    ['is signed by another key', { sign: (claims) => forge(stranger, claims) }],
    ['is unsigned', { sign: (claims) => unsigned(claims) }],
    [
      'is signed with the client secret',
      { sign: (claims) => forge(hmacSigner('a secret: of+the%client', 'one'), claims) },
    ],
    ['is missing', { token: () => Response.json({ access_token: 'x', token_type: 'Bearer' }) }],
    ['is no text', { token: () => Response.json({ access_token: 'x', token_type: 'Bearer', id_token: {} }) }],
    ['is refused', { token: () => Response.json({ error: 'invalid_grant' }, { status: 400 }) }],
  ]

  it.each(WORDS)('because its ID token %s is 401, and nothing changes', async (_, script) => {
    const scene = await createScene()
    scene.provider.behave(script)
    const response = await signInBy(scene)
    expect([response.status, await codeOf(response)]).toEqual([401, 'invalid_sign_in'])
    await expectNothing(scene)
  })

  it('because a key was taken from its set is 401 once the set is fetched anew', async () => {
    const scene = await createScene()
    expect((await signInBy(scene)).status).toBe(303)
    scene.provider.behave({ jwks: () => Response.json({ keys: [] }) })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 601_000 })
    const response = await signInBy(scene)
    expect([response.status, await codeOf(response)]).toEqual([401, 'invalid_sign_in'])
  })
})

describe('a provider that cannot be asked', () => {
  it.each<[string, () => Response | Promise<Response>]>([
    ['hangs up', () => Promise.reject(new TypeError('connection lost'))],
    ['answers 500', () => new Response('{}', { status: 500 })],
    ['answers 404', () => new Response(null, { status: 404 })],
    ['answers HTML', HTML],
    ['answers too much', HUGE],
    ['redirects', REDIRECT],
    ['answers nothing', () => new Response('')],
    ['answers another JSON', () => Response.json([])],
    ['says a thing twice', () => new Response('{"issuer":"a","issuer":"b"}')],
  ])('for its metadata because it %s is 503, and lets in again at once', async (_, discovery) => {
    const scene = await createScene()
    scene.provider.behave({ discovery })
    const response = await scene.browser.open('/auth/providers/corp/start')
    expect([response.status, await codeOf(response)]).toEqual([503, 'issuer_unavailable'])
    expect([response.headers.get('Retry-After'), scene.browser.cookies.size]).toEqual(['30', 0])
    scene.provider.behave({})
    expect((await signInBy(scene)).status).toBe(303)
  })

  it.each([
    [{ issuer: 'https://evil.example/' }],
    [{ authorization_endpoint: 'http://idp.example/authorize' }],
    [{ authorization_endpoint: 'javascript:alert(1)' }],
    [{ authorization_endpoint: undefined }],
    [{ token_endpoint: 'http://localhost/token' }],
    [{ token_endpoint: 'https://idp.example/token#x' }],
    [{ end_session_endpoint: 'http://idp.example/end' }],
    [{ token_endpoint_auth_methods_supported: ['private_key_jwt'] }],
  ])('because its metadata says %j is 503', async (metadata) => {
    const scene = await createScene()
    scene.provider.behave({ metadata })
    const response = await scene.browser.open('/auth/providers/corp/start')
    expect([response.status, await codeOf(response)]).toEqual([503, 'issuer_unavailable'])
  })

  it.each<[string, () => Response | Promise<Response>]>([
    ['hangs up', () => Promise.reject(new TypeError('connection lost'))],
    ['answers 500', () => Response.json({ error: 'invalid_grant' }, { status: 500 })],
    ['answers HTML', HTML],
    ['answers too much', HUGE],
    ['redirects', REDIRECT],
    [
      'answers half a JSON',
      () => new Response('{"access_token":', { headers: { 'Content-Type': 'application/json' } }),
    ],
  ])('for a token because it %s is 503, and nothing changes', async (_, token) => {
    const scene = await createScene()
    scene.provider.behave({ token })
    const response = await signInBy(scene)
    expect([response.status, await codeOf(response)]).toEqual([503, 'issuer_unavailable'])
    await expectNothing(scene)
    scene.provider.behave({})
    expect((await signInBy(scene)).status).toBe(303)
  })

  it('because its metadata, right as it is, is too large is 503', async () => {
    const scene = await createScene()
    scene.provider.behave({ metadata: { filler: 'x'.repeat(256 * 1024) } })
    expect((await scene.browser.open('/auth/providers/corp/start')).status).toBe(503)
    scene.provider.behave({ metadata: { filler: 'x'.repeat(200 * 1024) } })
    expect((await scene.browser.open('/auth/providers/corp/start')).status).toBe(302)
  })

  it('for its keys is 503', async () => {
    const scene = await createScene()
    scene.provider.behave({ jwks: HTML })
    const response = await signInBy(scene)
    expect([response.status, await codeOf(response)]).toEqual([503, 'issuer_unavailable'])
    await expectNothing(scene)
  })

  it('because it never answers is 503 after five seconds', async () => {
    const scene = await createScene()
    scene.provider.behave({ token: () => new Promise(() => undefined) })
    const began = Date.now()
    const response = await signInBy(scene)
    expect([response.status, await codeOf(response)]).toEqual([503, 'issuer_unavailable'])
    expect(Date.now() - began).toBeLessThan(9000)
  })

  it('because a body never ends is 503 after five seconds', async () => {
    const scene = await createScene()
    scene.provider.behave({ discovery: ENDLESS })
    expect((await scene.browser.open('/auth/providers/corp/start')).status).toBe(503)
  })

  it('because it does not know the client is 503 `misconfigured`', async () => {
    const scene = await createScene({ vars: { PROVIDER_CORP_SECRET: 'wrong' } })
    const response = await signInBy(scene)
    expect([response.status, await codeOf(response)]).toEqual([503, 'misconfigured'])
    await expectNothing(scene)
  })

  it('is let in for a day by what is known of it, and asked again beside', async () => {
    const scene = await createScene()
    await signInBy(scene)
    scene.provider.behave({ discovery: HTML })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
    expect((await scene.browser.open('/auth/providers/corp/start')).status).toBe(302)
    expect(scene.world.logged).toContainEqual({
      event: 'issuer',
      issuer: scene.provider.issuer,
      reason: 'provider:refresh',
    })
    vi.setSystemTime(Date.now() + 86_400_000)
    expect((await scene.browser.open('/auth/providers/corp/start')).status).toBe(503)
  })

  it('is known to another isolate of the same location', async () => {
    const scene = await createScene()
    await scene.browser.open('/auth/providers/corp/start')
    scene.provider.behave({ discovery: HTML })
    expect((await scene.world.sendFresh('/auth/providers/corp/start')).status).toBe(302)
  })
})

/** A browser that has signed in with a password. */
async function signedIn(): Promise<Scene> {
  const scene = await createScene()
  for (const pair of (await scene.world.signInForCookies()).split('; ')) {
    const [name = '', value = ''] = pair.split(/=(.*)/s)
    scene.browser.cookies.set(name, value)
  }
  return scene
}

describe('linking', () => {
  it('makes a provider another way in of the user who is signed in, whose session stays', async () => {
    const scene = await signedIn()
    const before = await whoIs(scene, scene.browser)
    const response = await linkBy(scene, ada)
    expect([response.status, locationOf(response)]).toEqual([303, '/auth/account'])
    expect((await whoIs(scene, scene.browser))['session']).toBe(before['session'])
    const elsewhere = newBrowser(scene.world)
    await signInBy({ ...scene, browser: elsewhere })
    expect((await whoIs(scene, elsewhere))['subject']).toBe(before['subject'])
  })

  it('may be done again', async () => {
    const scene = await signedIn()
    await linkBy(scene, ada)
    expect((await linkBy(scene, ada)).status).toBe(303)
  })

  it('asks for a recent sign-in: a session that was found gives no lasting way in (ASVS 7.5.1)', async () => {
    const scene = await signedIn()
    await env.DB.prepare('UPDATE sessions SET auth_time = unixepoch() - 700').run()
    const response = await scene.browser.submit('/auth/providers/corp/start')
    expect([response.status, await codeOf(response)]).toEqual([401, 'insufficient_user_authentication'])
    expect(scene.provider.asked).not.toContain('/token')
    expect([...scene.browser.cookies.keys()].filter((name) => name.startsWith(TRANSACTION))).toEqual([])
  })

  it('of an identity that is somebody else’s is refused, and nothing changes', async () => {
    const scene = await signedIn()
    await signInBy({ ...scene, browser: newBrowser(scene.world) }, bob)
    const before = await rowsOf('SELECT * FROM identities')
    const response = await linkBy(scene, bob)
    expect([response.status, await codeOf(response)]).toEqual([401, 'invalid_sign_in'])
    expect(await rowsOf('SELECT * FROM identities')).toEqual(before)
  })

  it('is refused from another site, and without a session', async () => {
    const scene = await signedIn()
    const Cookie = [...scene.browser.cookies].map((pair) => pair.join('=')).join('; ')
    const start = (headers: Record<string, string>) =>
      scene.world.send('/auth/providers/corp/start', { method: 'POST', headers })
    expect((await start({ Cookie, 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403)
    expect((await start({ Cookie })).status).toBe(403)
    expect((await start({ 'Sec-Fetch-Site': 'same-origin' })).status).toBe(401)
    expect((await start({ Cookie: `${SESSION}=x`, 'Sec-Fetch-Site': 'same-origin' })).status).toBe(401)
  })

  it('is for the session that asked, and no other', async () => {
    const scene = await signedIn()
    const start = await scene.browser.submit('/auth/providers/corp/start')
    await signInBy({ provider: scene.other, browser: scene.browser }, bob)
    const response = await scene.browser.open(scene.provider.signIn(locationOf(start), ada))
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
    expect(scene.provider.asked).not.toContain('/token')
    expect(await rowsOf("SELECT * FROM identities WHERE provider = 'corp'")).toEqual([])
  })

  it('signs nobody in who has signed out meanwhile', async () => {
    const scene = await signedIn()
    const start = await scene.browser.submit('/auth/providers/corp/start')
    await scene.browser.submit('/auth/sign-out')
    const response = await scene.browser.open(scene.provider.signIn(locationOf(start), ada))
    expect([response.status, await codeOf(response)]).toEqual([400, 'invalid_request'])
    expect(await rowsOf('SELECT * FROM identities')).toEqual([])
  })

  it('is not done where the session ends while the provider is asked', async () => {
    const scene = await signedIn()
    const start = await scene.browser.submit('/auth/providers/corp/start')
    const callback = scene.provider.signIn(locationOf(start), ada)
    const elsewhere = vi.mocked(globalThis.fetch).getMockImplementation()
    vi.mocked(globalThis.fetch).mockImplementation(async (input, init) => {
      if (elsewhere === undefined) throw new Error('no network')
      await endAllSessions()
      return elsewhere(input, init)
    })
    const response = await scene.browser.open(callback)
    expect([response.status, await codeOf(response)]).toEqual([401, 'session_ended'])
    expect(await rowsOf('SELECT * FROM identities')).toEqual([])
  })

  it('is not done where the session ends once it was looked at', async () => {
    const scene = await signedIn()
    const start = await scene.browser.submit('/auth/providers/corp/start')
    let batches = 0
    const DB = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: async (statements: D1PreparedStatement[]) => {
        batches += 1
        if (batches === 2) await endAllSessions()
        return env.DB.batch(statements)
      },
    }
    const later = createBrowser((path, init) => scene.world.sendIn({ ...scene.world.env, DB }, path, init))
    for (const [name, value] of scene.browser.cookies) later.cookies.set(name, value)
    const response = await later.open(scene.provider.signIn(locationOf(start), ada))
    expect([response.status, await codeOf(response), batches]).toEqual([401, 'invalid_sign_in', 2])
    expect(await rowsOf('SELECT * FROM identities')).toEqual([])
  })
})

describe('the cookies of sign-ins under way', () => {
  it('never reach an upstream', async () => {
    const { world, browser } = await createScene({
      routes: [{ path: '/*', upstream: 'https://origin.example.net', access: 'public' }],
    })
    await browser.open('/auth/providers/corp/start')
    browser.cookies.set('theirs', '1')
    await browser.open('/orders')
    expect(world.seen[0]?.headers.get('Cookie')).toBe('theirs=1')
  })

  it('are set by no upstream', async () => {
    const headers = { 'Set-Cookie': `${TRANSACTION}x=1; Path=/; Secure` }
    const { browser } = await createScene({
      routes: [{ path: '/*', upstream: 'https://origin.example.net', access: 'public' }],
      upstream: () => new Response('', { headers }),
    })
    expect((await browser.open('/orders')).headers.getSetCookie()).toEqual([])
  })
})
