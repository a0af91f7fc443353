// The page that a reset link leads to: the link is in a cookie, and in no URL after the first.
import { describe, expect, it } from 'vitest'

import { keepResetLink } from '../../src/auth/reset-cookie.ts'
import type { JsonObject } from '../../src/json.ts'
import { loadRuntime } from '../../src/runtime.ts'
import { administer, everything } from '../support/admin.ts'
import { pageProblems } from '../support/html.ts'
import type { Shown } from '../support/visitor.ts'
import { NAVIGATION, OWN_FORM, read, visit } from '../support/visitor.ts'
import { createWorld, ISSUER, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const NEXT = 'an even longer password'
const COOKIE = '__Host-gatehouse_reset'
const EXPIRED = 'This link has expired, or has been used.'
/** Of the right form, and of no link. */
const WRONG = `/auth/reset?token=${'A'.repeat(43)}`

interface Scene {
  readonly world: World
  readonly link: string
  readonly browser: Browser
}

async function start(): Promise<Scene> {
  const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM }] })
  return { world, link: await makeLink(world), browser: createBrowser(world) }
}

/** Path and query of a link for the user; the one before it is dead. */
async function makeLink(world: World): Promise<string> {
  const ask = await administer(world)
  const { body } = await ask('POST', `/users/${user.id}/reset-link`)
  const { pathname, search } = new URL(String(body['url']))
  return pathname + search
}

function tokenOf(link: string): string {
  return new URL(link, ISSUER).searchParams.get('token') ?? ''
}

interface Browser {
  readonly cookies: Map<string, string>
  /** Follows a link of a web mail. */
  readonly open: (path: string, headers?: Readonly<Record<string, string>>) => Promise<Response>
  /** Opens a link and shows the page that it redirects to. */
  readonly follow: (link: string) => Promise<Shown>
  readonly send: (path: string, fields: Readonly<Record<string, string>>) => Promise<Response>
}

interface Sent {
  readonly method?: string
  readonly body?: URLSearchParams
}

function createBrowser(world: World): Browser {
  const cookies = new Map<string, string>()
  const request = async (path: string, init: Sent, headers: Record<string, string>): Promise<Response> => {
    const Cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const response = await world.send(path, { ...init, headers: { ...headers, ...(Cookie !== '' && { Cookie }) } })
    for (const line of response.headers.getSetCookie()) keep(cookies, line)
    return response
  }
  const open: Browser['open'] = (path, headers) =>
    request(path, {}, { ...NAVIGATION, 'Sec-Fetch-Site': 'cross-site', ...headers })
  return {
    cookies,
    open,
    follow: async (link) => {
      const opened = await open(link)
      return read(opened.status === 303 ? await open(opened.headers.get('Location') ?? '') : opened)
    },
    send: (path, fields) => request(path, { method: 'POST', body: new URLSearchParams(fields) }, OWN_FORM),
  }
}

function keep(cookies: Map<string, string>, line: string): void {
  const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
  if (line.includes('; Max-Age=0')) cookies.delete(name)
  else cookies.set(name, value)
}

/** The cookie that a gateway with these secrets made so many seconds ago. */
async function makeCookie(env: JsonObject, token: string, secondsAgo: number): Promise<string> {
  const loaded = await loadRuntime(env)
  if (loaded.outcome !== 'ready') throw new Error('misconfigured')
  const runtime = { ...loaded.runtime, now: () => loaded.runtime.now() - secondsAgo }
  return keepResetLink({ runtime }, token).split(/[=;]/)[1] ?? ''
}

async function canSignIn(world: World, password: string): Promise<boolean> {
  return (await world.post('/auth/sign-in', { email: user.email, password, transport: 'token' })).status === 200
}

describe('a reset link that is opened', () => {
  it('goes into a cookie, and the browser on to a URL without it', async () => {
    const { link, browser } = await start()
    const response = await browser.open(link)
    expect([response.status, response.headers.get('Location')]).toEqual([303, '/auth/reset'])
    expect(response.headers.get('Referrer-Policy')).toBe('no-referrer')
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-gatehouse_reset=[\w.-]+; HttpOnly; Secure; SameSite=Lax; Path=\/; Max-Age=600$/),
    ])
  })

  it('uses nothing up and asks nothing, however often and however a scanner asks', async () => {
    const { world, link } = await start()
    const before = await everything()
    world.count()
    for (const method of ['GET', 'HEAD', 'GET']) {
      await createBrowser(world).follow(link)
      expect((await world.send(link, { method })).status).toBe(303)
    }
    expect(world.count().roundTrips).toBe(0)
    expect(await everything()).toEqual(before)
  })

  it('gets the same page whether it is good or not', async () => {
    const { world, link, browser } = await start()
    const good = await browser.follow(link)
    const bad = await createBrowser(world).follow(WRONG)
    expect(bad.text).toBe(good.text)
    expect(good.html).not.toContain(tokenOf(link))
  })

  it('takes the place of the one opened before, whose form then sets nothing', async () => {
    const { world, link, browser } = await start()
    const first = await browser.follow(WRONG)
    await browser.follow(link)
    const response = await browser.send('/auth/reset', { ...first.carried, password: NEXT })
    expect(response.status).toBe(400)
    expect(await canSignIn(world, PASSWORD)).toBe(true)
    const { carried } = await read(await browser.open('/auth/reset'))
    expect((await browser.send('/auth/reset', { ...carried, password: NEXT })).status).toBe(303)
  })

  it.each([
    ['image', { 'Sec-Fetch-Dest': 'image', 'Sec-Fetch-Mode': 'no-cors' }],
    ['iframe', { 'Sec-Fetch-Dest': 'iframe', 'Sec-Fetch-Mode': 'navigate' }],
    ['fetch', { 'Sec-Fetch-Dest': 'empty', 'Sec-Fetch-Mode': 'cors' }],
  ])('is refused as an %s of another site', async (_, headers) => {
    const { browser, link } = await start()
    const response = await browser.open(link, headers)
    expect([response.status, browser.cookies.size]).toEqual([403, 0])
  })

  it.each(['x', 'A'.repeat(44), '"><script>alert(1)</script>', '', `${'A'.repeat(42)};`])(
    'has expired where its token is %j, and nothing of it comes back',
    async (token) => {
      const { browser } = await start()
      const response = await browser.open(`/auth/reset?token=${encodeURIComponent(token)}`)
      expect([response.status, browser.cookies.size]).toEqual([400, 0])
      const { html, text } = await read(response)
      expect(pageProblems(html)).toEqual([])
      expect(text).toContain(EXPIRED)
      expect(html).not.toContain('<script>')
    },
  )

  it('is an error page for two tokens', async () => {
    const { browser } = await start()
    expect((await browser.open('/auth/reset?token=a&token=b')).status).toBe(400)
  })

  it('reaches no upstream, and no upstream sets it', async () => {
    const answer = () => new Response('', { headers: { 'Set-Cookie': `${COOKIE}=x; Path=/` } })
    const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM }], upstream: answer })
    const browser = createBrowser(world)
    await browser.open(WRONG)
    expect(browser.cookies.has(COOKIE)).toBe(true)
    const { access } = await world.signInForTokens()
    const response = await browser.open('/orders', { Authorization: `Bearer ${access}` })
    expect(response.status).toBe(200)
    expect(world.seen.at(-1)?.headers.has('Cookie')).toBe(false)
    expect(response.headers.getSetCookie()).toEqual([])
  })

  it.each(['/auth/sign-in', '/auth/sign-out'])('is forgotten at %s', async (path) => {
    const { world, link, browser } = await start()
    await browser.open(link)
    expect(browser.cookies.has(COOKIE)).toBe(true)
    await browser.send(path, path === '/auth/sign-in' ? { email: user.email, password: PASSWORD } : {})
    expect(browser.cookies.has(COOKIE)).toBe(false)
    expect(await canSignIn(world, PASSWORD)).toBe(true)
  })
})

describe('the page of a reset link', () => {
  it('has what password managers look for, and not the link', async () => {
    const { link, browser } = await start()
    const { html, elements } = await browser.follow(link)
    expect(pageProblems(html)).toEqual([])
    const inputs = elements.filter(({ name }) => name === 'input').map(({ attributes }) => attributes)
    expect(inputs).toMatchObject([
      { type: 'hidden', name: 'link' },
      { type: 'password', name: 'password', autocomplete: 'new-password' },
    ])
    expect(html).not.toContain(tokenOf(link))
    const response = await browser.open('/auth/reset')
    expect(response.headers.get('Cache-Control')).toBe('no-store')
  })

  it('sets the password, forgets the link, and goes on to say so', async () => {
    const { world, link, browser } = await start()
    const { carried } = await browser.follow(link)
    const response = await browser.send('/auth/reset', { ...carried, password: NEXT })
    expect([response.status, response.headers.get('Location')]).toEqual([303, '/auth/reset?done=yes'])
    expect(browser.cookies.has(COOKIE)).toBe(false)
    expect([await canSignIn(world, PASSWORD), await canSignIn(world, NEXT)]).toEqual([false, true])
    const { html, text } = await read(await visit(world, '/auth/reset?done=yes'))
    expect(pageProblems(html)).toEqual([])
    expect(text).toContain('Your password has been set')
  })

  it('gives one answer for a link that was used, one that never was, and none', async () => {
    const { world, link, browser } = await start()
    const [used, never, none] = [browser, createBrowser(world), createBrowser(world)]
    const { carried } = await used.follow(link)
    await world.post('/auth/reset', { token: tokenOf(link), password: NEXT })
    const never1 = await never.follow(WRONG)
    expect((await read(await none.open('/auth/reset'))).find('a', 'href', '/auth/reset')).toBeDefined()
    const answers = [
      await used.send('/auth/reset', { ...carried, password: NEXT }),
      await never.send('/auth/reset', { ...never1.carried, password: NEXT }),
      await none.send('/auth/reset', { ...carried, password: NEXT }),
      await none.open('/auth/reset'),
    ]
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400])
    const pages = await Promise.all(answers.map(read))
    expect(new Set(pages.map(({ text }) => text)).size).toBe(1)
    expect(pages[0]?.text).toContain(EXPIRED)
    expect(pageProblems(pages[0]?.html ?? '')).toEqual([])
    expect([used, never].some(({ cookies }) => cookies.has(COOKIE))).toBe(false)
  })

  it('asks again for a password that is refused, and the link still works', async () => {
    const { link, browser } = await start()
    const { carried } = await browser.follow(link)
    const refused = await browser.send('/auth/reset', { ...carried, password: 'password123' })
    const { html, text, carried: again } = await read(refused)
    expect([refused.status, pageProblems(html)]).toEqual([400, []])
    expect(text).toContain('The new password is one of the most common passwords.')
    expect((await browser.send('/auth/reset', { ...again, password: NEXT })).status).toBe(303)
  })

  it('takes no cookie that is forged, altered or older than ten minutes', async () => {
    const { world, link, browser } = await start()
    const { carried } = await browser.follow(link)
    const good = browser.cookies.get(COOKIE) ?? ''
    const [token = '', expiry = '', mac = ''] = good.split('.')
    const old = await makeCookie(world.env, token, 601)
    const other = await makeCookie({ ...world.env, SESSION_KEYS: 'A'.repeat(43) }, token, 0)
    const altered = [`${token}.${Number(expiry) + 600}.${mac}`, `${'B'.repeat(43)}.${expiry}.${mac}`, `${good}.x`]
    const bad = [old, other, token, `${token}.${expiry}.${'A'.repeat(43)}`, ...altered]
    for (const value of bad) {
      browser.cookies.set(COOKIE, value)
      expect((await browser.send('/auth/reset', { ...carried, password: NEXT })).status).toBe(400)
    }
    browser.cookies.set(COOKIE, good)
    expect((await browser.send('/auth/reset', { ...carried, password: NEXT })).status).toBe(303)
  })

  it('takes a cookie that was made before the session keys were rotated', async () => {
    const { world, link, browser } = await start()
    const { carried } = await browser.follow(link)
    const rotated = { ...world.env, SESSION_KEYS: `${'A'.repeat(43)},${String(world.env['SESSION_KEYS'])}` }
    const Cookie = `${COOKIE}=${browser.cookies.get(COOKIE) ?? ''}`
    const body = new URLSearchParams({ ...carried, password: NEXT })
    const response = await world.sendIn(rotated, '/auth/reset', {
      method: 'POST',
      body,
      headers: { ...OWN_FORM, Cookie },
    })
    expect(response.status).toBe(303)
  })

  it('takes no form from another site', async () => {
    const { world, link, browser } = await start()
    const { carried } = await browser.follow(link)
    const body = new URLSearchParams({ ...carried, password: NEXT })
    const Cookie = `${COOKIE}=${browser.cookies.get(COOKIE) ?? ''}`
    const headers = { ...NAVIGATION, Cookie, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.test' }
    const before = await everything()
    const response = await world.send('/auth/reset', { method: 'POST', body, headers })
    expect(response.status).toBe(403)
    expect(await everything()).toEqual(before)
  })

  it('is not there where passwords are off', async () => {
    const world = await createWorld({ vars: { PASSWORDS: { sign_in: false } } })
    expect((await visit(world, WRONG)).status).toBe(404)
  })
})
