import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { pageProblems } from '../support/html.ts'
import { NAVIGATION, OWN_FORM, read, submit, visit } from '../support/visitor.ts'
import { cookieHeader, createWorld, ISSUER, lengthenBlocks, PASSWORD, user } from '../support/world.ts'

const right = { email: user.email, password: PASSWORD }
const signUp = { vars: { PASSWORDS: { sign_in: true, sign_up: true } } }
const webApp = { vars: { WEB_ORIGINS: ['https://app.example.com'] } }

const providers = {
  vars: {
    PASSWORDS: { sign_in: false },
    PROVIDERS: [{ id: 'corp', issuer: 'https://login.example-idp.com/', client_id: 'x' }],
    PROVIDER_CORP_SECRET: 'a secret of the provider, long enough',
  },
}

const sessions = () => env.DB.prepare('SELECT count(*) AS n FROM sessions').first('n')

describe('the sign-in page', () => {
  it('has what password managers look for', async () => {
    const world = await createWorld()
    const { find } = await read(await visit(world, '/auth/sign-in'))
    expect(find('input', 'name', 'email')?.attributes).toMatchObject({ autocomplete: 'username', type: 'text' })
    expect(find('input', 'name', 'password')?.attributes).toMatchObject({
      autocomplete: 'current-password',
      type: 'password',
    })
    expect(find('form', 'action', '/auth/sign-in')?.attributes['method']).toBe('post')
  })

  it('lives below AUTH_PATH', async () => {
    const world = await createWorld({ vars: { AUTH_PATH: '/api/login' } })
    const { find } = await read(await visit(world, '/api/login/sign-in'))
    expect(find('form', 'action', '/api/login/sign-in')).toBeDefined()
    const response = await submit(world, '/api/login/sign-in', right)
    expect(response.headers.get('Location')).toBe('/api/login/account')
  })

  it('carries return_to on to sign-up and back', async () => {
    const world = await createWorld(signUp)
    const { find } = await read(await visit(world, '/auth/sign-in?return_to=/orders'))
    const href = find('a')?.attributes['href'] ?? ''
    expect(href).toBe('/auth/sign-up?return_to=%2Forders')
    expect((await read(await visit(world, href))).find('a')?.attributes['href']).toBe(
      '/auth/sign-in?return_to=%2Forders',
    )
  })

  it('offers the providers, and no password where passwords are off', async () => {
    const world = await createWorld(providers)
    const { html, find } = await read(await visit(world, '/auth/sign-in?return_to=/orders'))
    expect(find('a')?.attributes['href']).toBe('/auth/providers/corp/start?return_to=%2Forders')
    expect(find('input')).toBeUndefined()
    expect(pageProblems(html)).toEqual([])
    expect((await submit(world, '/auth/sign-in', right)).status).toBe(404)
  })

  it('is not there where nobody can sign in', async () => {
    const world = await createWorld({ vars: { PASSWORDS: { sign_in: false } } })
    expect((await visit(world, '/auth/sign-in')).status).toBe(404)
  })

  it('sends whoever is signed in on', async () => {
    const world = await createWorld()
    const Cookie = await world.signInForCookies()
    const there = await visit(world, '/auth/sign-in?return_to=/orders', { Cookie })
    expect([there.status, there.headers.get('Location')]).toEqual([303, '/orders'])
    expect((await visit(world, '/auth/sign-in', { Cookie })).headers.get('Location')).toBe('/auth/account')
    expect((await visit(world, '/auth/sign-in?prompt=login', { Cookie })).status).toBe(200)
  })

  it('waits for whoever’s session is dead, and clears its cookies', async () => {
    const world = await createWorld()
    const Cookie = await world.signInForCookies()
    await env.DB.prepare("UPDATE sessions SET ended_at = unixepoch(), end_reason = 'test'").run()
    const response = await visit(world, '/auth/sign-in', { Cookie })
    expect(response.status).toBe(200)
    expect(response.headers.getSetCookie()).toHaveLength(2)
  })

  it('is 503 for whoever may be signed in while D1 is down, and clears no cookie', async () => {
    const world = await createWorld()
    const Cookie = await world.signInForCookies()
    const DB = { prepare: (sql: string) => env.DB.prepare(sql), batch: () => Promise.reject(new Error('down')) }
    const headers = { ...NAVIGATION, Cookie }
    const response = await world.sendIn({ ...world.env, DB }, '/auth/sign-in', { headers })
    expect(response.status).toBe(503)
    expect(response.headers.getSetCookie()).toEqual([])
  })

  it('renews a browser whose access token is gone, on the way', async () => {
    const world = await createWorld()
    const [session = ''] = (await world.signInForCookies()).split('; ')
    const response = await visit(world, '/auth/sign-in', { Cookie: session })
    expect(response.status).toBe(303)
    expect(response.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-gatehouse_access=\S+;/)])
  })
})

describe('signing in by the page', () => {
  it('sets both cookies and goes on with a GET; no token is in the body', async () => {
    const world = await createWorld()
    const response = await submit(world, '/auth/sign-in', { ...right, return_to: '/orders?x=1' })
    expect(response.status).toBe(303)
    expect(response.headers.get('Location')).toBe('/orders?x=1')
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-gatehouse_session=gth_c_\S+; HttpOnly; Secure; SameSite=Lax; Path=\//),
      expect.stringMatching(/^__Host-gatehouse_access=\S+; HttpOnly; Secure; SameSite=Lax; Path=\//),
    ])
    expect(await response.text()).toBe('')
    const page = await world.send('/orders', { headers: { Cookie: cookieHeader(response) } })
    expect(page.status).toBe(200)
  })

  it('works without Fetch Metadata, by Origin', async () => {
    const world = await createWorld()
    const headers = { Accept: NAVIGATION.Accept, Origin: ISSUER }
    const body = new URLSearchParams(right)
    expect((await world.send('/auth/sign-in', { method: 'POST', body, headers })).status).toBe(303)
  })

  it('takes the form of a web app of ours, and goes back there', async () => {
    const world = await createWorld(webApp)
    const from = { 'Sec-Fetch-Site': 'same-site', Origin: 'https://app.example.com' }
    const response = await submit(world, '/auth/sign-in', { ...right, return_to: 'https://app.example.com/home' }, from)
    expect([response.status, response.headers.get('Location')]).toEqual([303, 'https://app.example.com/home'])
  })

  it('costs what signing in costs', async () => {
    const world = await createWorld()
    await submit(world, '/auth/sign-in', right)
    expect(world.count()).toEqual({ roundTrips: 3, gets: 0, puts: 1 })
  })

  it('shows the form again for a wrong password: the e-mail is kept, the password never', async () => {
    const world = await createWorld()
    const wrong = { email: user.email, password: 'a-wrong-password', return_to: '/orders' }
    const response = await submit(world, '/auth/sign-in', wrong)
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer')
    expect(response.headers.getSetCookie()).toEqual([])
    const { html, find, carried } = await read(response)
    expect(pageProblems(html)).toEqual([])
    expect(html).not.toContain('a-wrong-password')
    expect(find('input', 'name', 'email')?.attributes['value']).toBe(user.email)
    expect(carried).toEqual({ return_to: '/orders' })
    expect(find('p', 'id', 'problem')?.text).toBe('The e-mail address or the password is wrong.')
    expect(find('input', 'name', 'password')?.attributes).toMatchObject({
      'aria-describedby': 'problem',
      'aria-invalid': 'true',
      autofocus: '',
    })
    expect(find('title')?.text).toMatch(/^Error: /)
    expect(world.logged).toEqual([expect.objectContaining({ event: 'denial', code: 'invalid_sign_in', status: 401 })])
  })

  it('shows an unknown user the same, but for the nonce', async () => {
    const world = await createWorld()
    const show = async (email: string) => {
      const response = await submit(world, '/auth/sign-in', { email, password: 'a-wrong-password' })
      return (await response.text()).replaceAll(email, 'EMAIL').replace(/nonce="[\w-]+"/, '')
    }
    expect(await show('nobody@example.com')).toBe(await show(user.email))
  })

  it.each<[string, Record<string, string>, string]>([
    ['no e-mail', { password: PASSWORD }, 'email'],
    ['an e-mail that is none', { email: 'ada', password: PASSWORD }, 'email'],
    ['no password', { email: user.email }, 'password'],
  ])('says of %s which field it is about', async (_, members, field) => {
    const world = await createWorld()
    const response = await submit(world, '/auth/sign-in', members)
    expect(response.status).toBe(400)
    const { elements } = await read(response)
    const invalid = elements.filter(({ attributes }) => attributes['aria-invalid'] === 'true')
    expect(invalid.map(({ attributes }) => attributes['name'])).toEqual([field])
  })

  it('says when to try again after too many guesses', async () => {
    const world = await createWorld()
    for (const _ of [1, 2, 3, 4, 5]) await submit(world, '/auth/sign-in', { ...right, password: 'wrong wrong' })
    await lengthenBlocks()
    const response = await submit(world, '/auth/sign-in', right)
    expect(response.status).toBe(429)
    const seconds = response.headers.get('Retry-After')
    expect((await read(response)).find('p', 'id', 'problem')?.text).toContain(`in ${seconds} seconds`)
    expect(await sessions()).toBe(0)
  })

  it.each<[string, Record<string, string>]>([
    ['another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.test' }],
    ['a sibling that is not ours', { 'Sec-Fetch-Site': 'same-site', Origin: 'https://evil.example.com' }],
    ['a sandboxed frame', { 'Sec-Fetch-Site': 'cross-site', Origin: 'null' }],
  ])('is not for a form of %s', async (_, headers) => {
    const world = await createWorld(webApp)
    const response = await submit(world, '/auth/sign-in', right, headers)
    expect(response.status).toBe(403)
    expect(response.headers.getSetCookie()).toEqual([])
    expect((await read(response)).text).toContain('cross_site_request')
    expect(await sessions()).toBe(0)
  })

  it.each<[string, Record<string, string>]>([
    ['transport', { ...right, transport: 'token' }],
    ['anything else', { ...right, admin: 'true' }],
  ])('has no member for %s', async (_, members) => {
    const world = await createWorld()
    expect((await submit(world, '/auth/sign-in', members)).status).toBe(400)
    expect(await sessions()).toBe(0)
  })

  it('escapes what was typed', async () => {
    const world = await createWorld()
    const email = `"><script>alert('1')</script>&amp;@example.com`
    const { html, find } = await read(await submit(world, '/auth/sign-in', { email, password: 'wrong wrong' }))
    expect(find('input', 'name', 'email')?.attributes['value']).toBe(email)
    expect(pageProblems(html)).toEqual([])
  })
})

describe('return_to', () => {
  const hostile = [
    '//evil.example',
    '///evil.example',
    String.raw`/\evil.example`,
    String.raw`\\evil.example`,
    '/\t/evil.example',
    '/\n/evil.example',
    ' /orders',
    'https:evil.example',
    'https://evil.example',
    'https://app.example.com.evil.example/',
    'https://app.example.com@evil.example/',
    'https://evilapp.example.com/',
    'https://app.example.com//evil.example',
    String.raw`https://app.example.com\@evil.example`,
    'http://app.example.com/',
    'javascript:alert(1)',
    'data:text/html,x',
    '"><script>alert(1)</script>',
  ]

  it.each(hostile)('%j leads nowhere, in the address, in the form and in the answer', async (target) => {
    const world = await createWorld({ vars: { ...webApp.vars, PASSWORDS: { sign_in: true, sign_up: true } } })
    const query = `return_to=${encodeURIComponent(target)}`
    const form = await read(await visit(world, `/auth/sign-in?${query}`))
    expect(form.carried).toEqual({})
    expect(pageProblems(form.html)).toEqual([])
    const signedIn = await submit(world, '/auth/sign-in', { ...right, return_to: target })
    expect(signedIn.headers.get('Location')).toBe('/auth/account')
    const Cookie = cookieHeader(signedIn)
    expect((await visit(world, `/auth/sign-in?${query}`, { Cookie })).headers.get('Location')).toBe('/auth/account')
    const out = await submit(world, '/auth/sign-out', { return_to: target }, { Cookie })
    expect(out.headers.get('Location')).toBe('/auth/sign-in')
  })

  it.each(['/%09/evil.example', '/%5cevil.example'])('%s stays on this site', async (target) => {
    const world = await createWorld()
    const signedIn = await submit(world, '/auth/sign-in', { ...right, return_to: target })
    expect(signedIn.headers.get('Location')).toBe(target)
    expect((await visit(world, target, { Cookie: cookieHeader(signedIn) })).status).toBe(400)
  })

  it('that comes twice leads nowhere', async () => {
    const world = await createWorld()
    const { carried } = await read(await visit(world, '/auth/sign-in?return_to=/a&return_to=/b'))
    expect(carried).toEqual({})
  })
})

describe('what is no page', () => {
  it('gets from a form sent by fetch what it always got', async () => {
    const world = await createWorld()
    const headers = { ...OWN_FORM, 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' }
    const post = (members: Record<string, string>) =>
      world.send('/auth/sign-in', { method: 'POST', body: new URLSearchParams(members), headers })
    expect(await (await post(right)).json()).toMatchObject({ subject: user.id })
    expect(await (await post({ ...right, return_to: '/' })).json()).toMatchObject({ code: 'invalid_request' })
    expect(await (await post({ ...right, password: 'x' })).json()).toMatchObject({ code: 'invalid_sign_in' })
  })

  it('gets JSON for JSON, also from a navigation', async () => {
    const world = await createWorld()
    const response = await world.post('/auth/sign-in', { ...right, transport: 'token' })
    expect(await response.json()).toMatchObject({ token_type: 'Bearer' })
  })
})

describe('the sign-up page', () => {
  const fresh = { email: 'new@example.com', password: 'a long new password' }

  it('is off by default', async () => {
    const world = await createWorld()
    expect((await visit(world, '/auth/sign-up')).status).toBe(404)
    expect((await submit(world, '/auth/sign-up', fresh)).status).toBe(404)
  })

  it('makes an account, signs in and goes on', async () => {
    const world = await createWorld(signUp)
    const { find } = await read(await visit(world, '/auth/sign-up'))
    expect(find('input', 'name', 'password')?.attributes['autocomplete']).toBe('new-password')
    const response = await submit(world, '/auth/sign-up', { ...fresh, return_to: '/orders' })
    expect([response.status, response.headers.get('Location')]).toEqual([303, '/orders'])
    expect((await world.send('/orders', { headers: { Cookie: cookieHeader(response) } })).status).toBe(200)
  })

  it.each<[string, string, number, string, string]>([
    ['a short password', 'short', 400, 'password', 'at least 8 characters'],
    ['a common password', 'password123', 400, 'password', 'most common'],
  ])('says what is wrong with %s', async (_, password, status, field, words) => {
    const world = await createWorld(signUp)
    const response = await submit(world, '/auth/sign-up', { ...fresh, password })
    expect(response.status).toBe(status)
    const { html, find } = await read(response)
    expect(html).not.toContain(password)
    expect(find('p', 'id', 'problem')?.text).toContain(words)
    expect(find('input', 'name', field)?.attributes['aria-describedby']).toBe('problem password-hint')
  })

  it('answers a taken e-mail without saying so', async () => {
    const world = await createWorld(signUp)
    const response = await submit(world, '/auth/sign-up', { ...fresh, email: user.email })
    expect(response.status).toBe(401)
    expect((await read(response)).find('p', 'id', 'problem')?.text).toMatch(/^An account could not be made/)
    expect(await sessions()).toBe(0)
  })
})
