import { describe, expect, it } from 'vitest'

import { pageProblems } from '../support/html.ts'
import { ada, bob, createProviderScene, rowsOf, signInBy } from '../support/provider-scene.ts'
import type { ProviderScene } from '../support/provider-scene.ts'
import type { Shown } from '../support/visitor.ts'
import { read, submit, visit } from '../support/visitor.ts'
import { cookieHeader } from '../support/world.ts'

const both = { vars: { PASSWORDS: { sign_in: true } } }
const cookiesOf = ({ browser }: ProviderScene) => [...browser.cookies].map((pair) => pair.join('=')).join('; ')

/** Where a page goes on to by itself. */
function onwardOf({ elements }: Shown): string {
  const refresh = elements.find(({ attributes }) => attributes['http-equiv'] === 'refresh')
  return refresh?.attributes['content']?.replace(/^0; url=/, '') ?? ''
}

describe('the sign-in page of a gateway with providers', () => {
  it('leads to a provider, on the way to where one was', async () => {
    const scene = await createProviderScene()
    const { elements } = await read(await visit(scene.world, '/auth/sign-in?return_to=/orders'))
    const links = elements.filter(({ name }) => name === 'a').map(({ attributes }) => attributes['href'] ?? '')
    expect(links).toEqual([
      '/auth/providers/corp/start?return_to=%2Forders',
      '/auth/providers/second/start?return_to=%2Forders',
    ])
    const back = await signInBy(scene, ada, '?return_to=%2Forders')
    expect(back.headers.get('Location')).toBe('/orders')
  })

  it('has the provider ask again and say when, where a recent sign-in is needed', async () => {
    const { world } = await createProviderScene()
    const { find } = await read(await visit(world, '/auth/sign-in?return_to=/orders&prompt=login'))
    const start = await visit(world, find('a')?.attributes['href'] ?? '')
    const asked = new URL(start.headers.get('Location') ?? '').searchParams
    expect([asked.get('prompt'), asked.get('max_age')]).toEqual(['login', '0'])
  })
})

describe('a sign-in by a provider that fails', () => {
  it('is told on a page, which begins anew and never comes back to what failed', async () => {
    const scene = await createProviderScene()
    const start = await scene.browser.open('/auth/providers/corp/start')
    const { searchParams } = new URL(start.headers.get('Location') ?? '')
    const callback = `/auth/providers/corp/callback?error=access_denied&iss=${encodeURIComponent(scene.provider.issuer)}&state=${searchParams.get('state')}`
    const response = await visit(scene.world, callback, { Cookie: cookiesOf(scene) })
    expect(response.status).toBe(401)
    const { html, find } = await read(response)
    expect(pageProblems(html)).toEqual([])
    expect(find('a')?.attributes['href']).toBe('https://api.example.com/auth/sign-in')
    expect(html).not.toContain('access_denied')
  })
})

describe('linking a provider on the account page', () => {
  it('goes over a page between, which no form policy stops, and is shown from then on', async () => {
    const scene = await createProviderScene(both)
    const Cookie = await scene.world.signInForCookies()
    const account = await read(await visit(scene.world, '/auth/account', { Cookie }))
    const action = '/auth/providers/corp/start'
    expect(account.find('form', 'action', action)).toBeDefined()
    const response = await submit(scene.world, action, account.carried, { Cookie })
    expect(response.status).toBe(200)
    expect(response.headers.get('Content-Security-Policy')).toContain("form-action 'none'")
    const between = await read(response)
    expect(pageProblems(between.html, [new URL(scene.provider.issuer).origin])).toEqual([])
    const callback = scene.provider.signIn(onwardOf(between), bob)
    const back = await visit(scene.world, callback, { Cookie: `${Cookie}; ${cookieHeader(response)}` })
    expect([back.status, back.headers.get('Location')]).toEqual([303, '/auth/account'])
    const after = await read(await visit(scene.world, '/auth/account', { Cookie: cookieHeader(back) }))
    expect(after.find('form', 'action', action)).toBeUndefined()
    expect(after.find('form', 'action', '/auth/providers/second/start')).toBeDefined()
    expect(after.text).toContain('corpLinked')
  })

  it.each<[string, Record<string, string>, number]>([
    ['another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.test' }, 403],
    ['nobody', { Cookie: '' }, 401],
  ])('is not for %s', async (_, headers, status) => {
    const scene = await createProviderScene(both)
    const Cookie = await scene.world.signInForCookies()
    const response = await submit(scene.world, '/auth/providers/corp/start', {}, { Cookie, ...headers })
    expect(response.status).toBe(status)
    expect(await rowsOf('SELECT provider FROM identities')).toEqual([])
  })

  it('does not show what is linked to somebody else', async () => {
    const scene = await createProviderScene(both)
    await signInBy(scene, ada)
    const Cookie = await scene.world.signInForCookies()
    const { text } = await read(await visit(scene.world, '/auth/account', { Cookie }))
    expect(text).not.toContain('corpLinked')
    const own = await read(await visit(scene.world, '/auth/account', { Cookie: cookiesOf(scene) }))
    expect(own.text).toContain('corpLinked')
    expect(own.find('a', 'href', '/auth/password')).toBeUndefined()
  })
})

describe('signing out by a form of a session that a provider began', () => {
  it('ends it here and goes on to the provider', async () => {
    const scene = await createProviderScene()
    await signInBy(scene, ada)
    const response = await submit(scene.world, '/auth/sign-out', {}, { Cookie: cookiesOf(scene) })
    expect(response.status).toBe(200)
    expect(response.headers.getSetCookie().map((line) => line.split('=')[0])).toEqual([
      '__Host-gatehouse_session',
      '__Host-gatehouse_access',
    ])
    const onward = new URL(onwardOf(await read(response)))
    expect(onward.href.startsWith(scene.provider.issuer)).toBe(true)
    expect(onward.searchParams.get('post_logout_redirect_uri')).toBe('https://api.example.com/auth/sign-in')
    expect(await rowsOf('SELECT id FROM sessions WHERE ended_at IS NULL')).toEqual([])
  })
})
