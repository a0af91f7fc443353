// Signing in by an OpenID provider, in Chromium: the gateway on one site, a real provider on another.

import type { BrowserContext, Page } from 'playwright-core'
import { beforeEach, describe, expect, it } from 'vitest'

import { findBarriers } from '../support/accessibility.ts'
import { LOOKS, startBrowsers, takePicture } from '../support/browsers.ts'
import { freePort } from '../support/example.ts'
import { startGateway } from '../support/gateway.ts'
import { CLIENT_ID, startProviderWithPages } from '../support/provider-pages.ts'
import { startWebApp } from '../support/web-app.ts'

const port = await freePort()
const app = await startWebApp()
const provider = await startProviderWithPages(`http://localhost:${port}`, 'corp')
const gateway = await startGateway({
  port,
  rateLimits: ['SIGN_IN_LIMIT'],
  vars: {
    PASSWORDS: { sign_in: true, sign_up: true },
    PROVIDERS: [{ id: 'corp', issuer: provider.issuer, client_id: CLIENT_ID, scopes: ['openid', 'email'] }],
    PROVIDER_CORP_SECRET: provider.secret,
    ROUTES: [{ path: '/app/*', upstream: app.origin, unauthenticated: 'sign-in', revocation: 'session' }],
  },
})
const browsers = await startBrowsers()

const WANTED = `${gateway.issuer}/app/orders?page=2&sort=a%20b`

beforeEach(() =>
  gateway.db.batch(['sessions', 'identities', 'users'].map((name) => gateway.db.prepare(`DELETE FROM ${name}`))),
)

/** On the provider's page, on the way to `wanted`. */
async function openProvider(context: BrowserContext, wanted = WANTED): Promise<Page> {
  const page = await context.newPage()
  await page.goto(wanted)
  await page.getByRole('link', { name: 'Continue with corp' }).click()
  await page.getByRole('heading', { name: 'The provider' }).waitFor()
  return page
}

function sayYes(page: Page): Promise<void> {
  return page.getByRole('button', { name: 'I am ada' }).click()
}

async function openSignedIn(): Promise<Page> {
  const page = await openProvider(await browsers.open())
  await sayYes(page)
  await page.waitForURL(WANTED)
  return page
}

function count(table: 'users' | 'sessions'): Promise<unknown> {
  return gateway.db.prepare(`SELECT count(*) AS n FROM ${table}`).first('n')
}

describe('signing in by a provider', () => {
  it.each(LOOKS)('begins on a page without barriers, whose picture is taken: %s', async (look) => {
    const page = await (await browsers.open(look)).newPage()
    await page.goto(WANTED)
    expect(await findBarriers(page)).toEqual([])
    await takePicture(page, 'sign-in-provider', look)
  })

  it('leads over the provider to the page asked for, and is known there', async () => {
    const page = await openSignedIn()
    expect(await page.getByRole('heading').textContent()).toBe('A web app')
    const names = (await page.context().cookies(gateway.issuer)).map(({ name }) => name)
    expect(names.toSorted()).toEqual(['gatehouse_access', 'gatehouse_session'])
  })

  it('finds the same user the next time, in another browser', async () => {
    await openSignedIn()
    await openSignedIn()
    expect([await count('users'), await count('sessions')]).toEqual([1, 2])
  })

  it('works in two tabs at once, each to its own page', async () => {
    const context = await browsers.open()
    const one = await openProvider(context)
    const two = await openProvider(context, `${gateway.issuer}/app/other`)
    await sayYes(two)
    await two.waitForURL(`${gateway.issuer}/app/other`)
    await sayYes(one)
    await one.waitForURL(WANTED)
    expect(await count('users')).toBe(1)
  })

  it('says so where the provider says no, and works when it is tried again', async () => {
    const page = await openProvider(await browsers.open())
    await page.getByRole('button', { name: 'No' }).click()
    await page.getByText('invalid_sign_in').waitFor()
    expect(await count('sessions')).toBe(0)
    await page.goto(WANTED)
    await page.getByRole('link', { name: 'Continue with corp' }).click()
    await sayYes(page)
    await page.waitForURL(WANTED)
  })

  it('is not repeated by the back button, nor by the address of the callback', async () => {
    const context = await browsers.open()
    const page = await openProvider(context)
    const callback = page.waitForRequest(/\/callback\?/)
    await sayYes(page)
    await page.waitForURL(WANTED)
    await page.goto((await callback).url())
    await page.getByText('invalid_request').waitFor()
    await page.goto(WANTED)
    expect(await page.getByRole('heading').textContent()).toBe('A web app')
    expect(await count('sessions')).toBe(1)
  })
})

describe('linking', () => {
  it.each(LOOKS)('joins the provider to the account that is signed in, without barriers: %s', async (look) => {
    const page = await (await browsers.open(look)).newPage()
    await page.goto(`${gateway.issuer}/auth/sign-up`)
    await page.getByLabel('E-mail address').fill('grace@example.com')
    await page.getByLabel('New password').fill('a lantern by the gate')
    await page.getByRole('button', { name: 'Create the account' }).click()
    await page.getByRole('button', { name: 'Link corp' }).click()
    await sayYes(page)
    await page.getByText('Linked', { exact: true }).waitFor()
    expect(await findBarriers(page)).toEqual([])
    await takePicture(page, 'account-provider', look)
    await openSignedIn()
    expect(await count('users')).toBe(1)
  })
})

describe('signing out', () => {
  it('here signs out of the provider too', async () => {
    const page = await openSignedIn()
    await page.goto(`${gateway.issuer}/auth/account`)
    await page.getByRole('button', { name: 'Sign out of this device' }).click()
    await page.waitForURL(`${provider.issuer}/**`)
    await page.getByRole('button', { name: 'Sign out of the provider' }).click()
    await page.waitForURL(/\/auth\/sign-in/)
    await page.goto(WANTED)
    await page.getByRole('link', { name: 'Continue with corp' }).click()
    await page.getByRole('heading', { name: 'The provider' }).waitFor()
  })

  it('of the provider ends the session here, by the back channel', async () => {
    const page = await openSignedIn()
    const other = await page.context().newPage()
    await other.goto(`${provider.issuer}/session/end`)
    await other.getByRole('button', { name: 'Sign out of the provider' }).click()
    await other.getByRole('heading', { name: 'Signed out' }).waitFor()
    await expect.poll(() => gateway.db.prepare('SELECT ended_at FROM sessions').first('ended_at')).not.toBe(null)
    await page.reload()
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Sign in')
  })
})
