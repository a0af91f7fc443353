import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { pageProblems } from '../support/html.ts'
import { read, submit, visit } from '../support/visitor.ts'
import type { World } from '../support/world.ts'
import { createWorld, user } from '../support/world.ts'

const APP = 'https://app.example.com'
const vars = { PASSWORDS: { sign_in: true, sign_up: true }, WEB_ORIGINS: [APP] }
const wrong = { email: user.email, password: 'wrong wrong wrong' }

/** Every page that has a form or a link, and the origins that its forms may lead to. */
const PAGES: readonly (readonly [string, string, (world: World, Cookie: string) => Promise<Response>])[] = [
  ['sign-in', `'self' ${APP}`, (world) => visit(world, '/auth/sign-in')],
  ['sign-in once more', `'self' ${APP}`, (world) => visit(world, '/auth/sign-in?prompt=login&return_to=/x')],
  ['sign-in that failed', `'self' ${APP}`, (world) => submit(world, '/auth/sign-in', wrong)],
  ['sign-up', `'self' ${APP}`, (world) => visit(world, '/auth/sign-up')],
  ['sign-up that failed', `'self' ${APP}`, (world) => submit(world, '/auth/sign-up', wrong)],
  ['account', "'self'", (world, Cookie) => visit(world, '/auth/account?done=one', { Cookie })],
  ['password', "'self'", (world, Cookie) => visit(world, '/auth/password', { Cookie })],
  ['password that failed', "'self'", (world, Cookie) => submit(world, '/auth/password', {}, { Cookie })],
  ['an error', "'none'", (world) => visit(world, '/auth/nothing')],
]

describe.each(PAGES)('the page %s', (_, formAction, open) => {
  it('has every header of a page, and a policy that lets nothing in but its own style', async () => {
    const world = await createWorld({ vars })
    const response = await open(world, await world.signInForCookies())
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'text/html; charset=utf-8',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
    const { find } = await read(response)
    const nonce = find('style')?.attributes['nonce'] ?? ''
    expect(nonce).toMatch(/^[\w-]{22}$/)
    expect(response.headers.get('Content-Security-Policy')).toBe(
      `default-src 'none'; style-src 'nonce-${nonce}'; form-action ${formAction}; base-uri 'none'; frame-ancestors 'none'`,
    )
  })

  it('is well-formed: one h1, a title, labels, no code, no link that leads astray', async () => {
    const world = await createWorld({ vars })
    const { html } = await read(await open(world, await world.signInForCookies()))
    expect(pageProblems(html)).toEqual([])
  })

  it('has a nonce that nobody has seen before, and no secret', async () => {
    const world = await createWorld({ vars })
    const Cookie = await world.signInForCookies()
    const first = await read(await open(world, Cookie))
    const second = await read(await open(world, Cookie))
    expect(first.find('style')?.attributes['nonce']).not.toBe(second.find('style')?.attributes['nonce'])
    expect(first.html).not.toMatch(/gth_|eyJ|\$scrypt/)
  })
})

describe('pages', () => {
  it('have a title each of their own', async () => {
    const world = await createWorld({ vars })
    const Cookie = await world.signInForCookies()
    const titles = await Promise.all(
      PAGES.map(async ([, , open]) => (await read(await open(world, Cookie))).find('title')?.text),
    )
    expect(new Set(titles).size).toBe(PAGES.length)
  })

  it('answer HEAD like GET', async () => {
    const world = await createWorld({ vars })
    const response = await world.send('/auth/sign-in', { method: 'HEAD' })
    expect([response.status, response.headers.get('Content-Type')]).toEqual([200, 'text/html; charset=utf-8'])
  })

  it('carry the cookies of a renewal that finding out took', async () => {
    const world = await createWorld({ vars })
    const [session = ''] = (await world.signInForCookies()).split('; ')
    for (const path of ['/auth/account', '/auth/password']) {
      const response = await visit(world, path, { Cookie: session })
      expect(response.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-gatehouse_access=\S+;/)])
    }
  })

  it('refuse a doubled cookie before anything ends', async () => {
    const world = await createWorld({ vars })
    const Cookie = await world.signInForCookies()
    const doubled = { Cookie: `${Cookie}; ${Cookie}` }
    const answers = [
      await visit(world, '/auth/sign-in', doubled),
      await visit(world, '/auth/account', doubled),
      await submit(world, '/auth/account', { end: 'others' }, doubled),
      await submit(world, '/auth/sign-out', {}, doubled),
    ]
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400])
    expect(await env.DB.prepare('SELECT count(*) AS n FROM sessions WHERE ended_at IS NULL').first('n')).toBe(1)
  })
})
