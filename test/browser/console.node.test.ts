// The console in Chromium, as an operator meets it.

import type { Page } from 'playwright-core'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { findBarriers } from '../support/accessibility.ts'
import { LOOKS, startBrowsers, takePicture } from '../support/browsers.ts'
import { freePort } from '../support/example.ts'
import { startGateway } from '../support/gateway.ts'

const port = await freePort()
const ORIGIN = `http://admin.localhost:${port}`
const gateway = await startGateway({
  port,
  rateLimits: ['SIGN_IN_LIMIT'],
  vars: {
    ADMIN_ORIGIN: ORIGIN,
    PASSWORDS: { sign_in: true, sign_up: true },
    ROUTES: [{ path: '/app/*', upstream: 'http://127.0.0.1:1' }],
  },
})
const browsers = await startBrowsers()

const PASSWORD = 'a lantern by the gate'
const EMAIL = 'root@example.com'

function heading(page: Page): Promise<string | null> {
  return page.getByRole('heading', { level: 1 }).textContent()
}

async function fill(page: Page, fields: Readonly<Record<string, string>>, button: string): Promise<void> {
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value)
  await page.getByRole('button', { name: button, exact: true }).click()
}

async function signUp(email: string): Promise<void> {
  const page = await (await browsers.open()).newPage()
  await page.goto(`${gateway.issuer}/auth/sign-up`)
  await fill(page, { 'E-mail address': email, 'New password': PASSWORD }, 'Create the account')
  expect(await heading(page)).toBe('Your account')
}

async function signIn(page: Page, email = EMAIL): Promise<Page> {
  await page.goto(ORIGIN)
  await fill(page, { 'E-mail address': email, Password: PASSWORD }, 'Sign in')
  return page
}

beforeAll(async () => {
  for (const email of [EMAIL, 'ada@example.com', 'bob@example.com']) await signUp(email)
  const { db } = gateway
  await db.prepare(`UPDATE users SET scopes = '["gatehouse:admin"]' WHERE email = ?1`).bind(EMAIL).run()
  const hours = `WITH RECURSIVE hours (ago) AS (SELECT 1 UNION ALL SELECT ago + 1 FROM hours WHERE ago < 200)`
  const at = '(unixepoch() / 3600 - ago) * 3600'
  for (const [figure, count] of [
    ['sign_ins', '40 + 30 * sin(ago / 4.0)'],
    ['sessions', '900 + 400 * sin(ago / 4.0)'],
    ['denial:invalid_token', '12 + 9 * cos(ago)'],
    ['denial:rate_limited', '(ago % 7 = 3) * 90'],
    ['denial:session_ended', '5 + 4 * sin(ago)'],
  ] as const) {
    await db
      .prepare(`INSERT INTO figures ${hours} SELECT ${at}, ?1, CAST(${count} AS INTEGER) FROM hours`)
      .bind(figure)
      .run()
  }
})

describe('the console', () => {
  it('lets an administrator in from any of its pages, and nobody else', async () => {
    const page = await (await browsers.open()).newPage()
    await page.goto(`${ORIGIN}/audit`)
    expect([new URL(page.url()).pathname, await heading(page)]).toEqual(['/sign-in', 'Sign in to the console'])
    await signIn(page, 'bob@example.com')
    expect(await heading(page)).toBe('Sign in to the console')
    expect(await page.context().cookies()).toEqual([])
    await fill(page, { 'E-mail address': EMAIL, Password: PASSWORD }, 'Sign in')
    expect(await heading(page)).toBe('Overview')
  })

  it('shares no sign-in with the site, in neither direction', async () => {
    const context = await browsers.open()
    const console_ = await signIn(await context.newPage())
    const site = await context.newPage()
    await site.goto(`${gateway.issuer}/auth/account`)
    expect(await heading(site)).toBe('Sign in')
    await fill(site, { 'E-mail address': EMAIL, Password: PASSWORD }, 'Sign in')
    expect(await heading(site)).toBe('Your account')
    await console_.getByRole('button', { name: 'Sign out' }).click()
    expect(await heading(console_)).toBe('Sign in to the console')
    await console_.goto(ORIGIN)
    expect(await heading(console_)).toBe('Sign in to the console')
    await site.reload()
    expect(await heading(site)).toBe('Your account')
  })

  it('asks for the password again before it writes, and then whether to', async () => {
    const page = await signIn(await (await browsers.open()).newPage())
    expect(await heading(page)).toBe('Overview')
    await page.goto(`${ORIGIN}/users?q=bob`)
    await page.getByRole('link', { name: /^usr_/ }).click()
    await gateway.db.prepare(`UPDATE sessions SET auth_time = auth_time - 905`).run()
    await page.getByRole('button', { name: 'End every session' }).click()
    expect(await heading(page)).toBe('Sign in to the console again')
    await fill(page, { 'E-mail address': EMAIL, Password: PASSWORD }, 'Sign in')
    expect(await heading(page)).toBe('bob@example.com')
    expect(await page.getByText('nothing has been done yet').count()).toBe(1)
    await page.getByRole('button', { name: 'End every session' }).first().click()
    expect(await page.getByRole('status').textContent()).toContain('Every session has ended.')
  })

  it('ends a session of somebody who finds himself signed out, without JavaScript', async () => {
    const ada = await (await browsers.open()).newPage()
    await ada.goto(`${gateway.issuer}/auth/sign-in`)
    await fill(ada, { 'E-mail address': 'ada@example.com', Password: PASSWORD }, 'Sign in')
    const page = await signIn(await (await browsers.open('light', { javaScriptEnabled: false })).newPage())
    await page.getByRole('link', { name: 'Users' }).click()
    await fill(page, { 'Id, or how the e-mail address begins': 'ada' }, 'Find')
    await page.getByRole('link', { name: /^usr_/ }).click()
    expect(await heading(page)).toBe('ada@example.com')
    await page.getByRole('button', { name: 'End every session' }).click()
    expect(await page.getByRole('status').textContent()).toBe('Every session has ended.')
    await ada.reload()
    expect(await heading(ada)).toBe('Sign in')
    await page.getByRole('link', { name: 'What was done to this user' }).click()
    expect(await page.getByRole('region', { name: 'Events' }).textContent()).toContain('session.end')
  })
})

const PAGES: readonly (readonly [name: string, open: (page: Page) => Promise<unknown>])[] = [
  ['console-sign-in', (page) => page.goto(`${ORIGIN}/sign-in`)],
  ['console-overview', (page) => page.goto(`${ORIGIN}/?range=week`)],
  [
    'console-overview-table',
    async (page) => {
      await page.goto(ORIGIN)
      for (const summary of await page.locator('summary').all()) await summary.click()
    },
  ],
  ['console-users', (page) => page.goto(`${ORIGIN}/users`)],
  [
    'console-user',
    async (page) => {
      await page.goto(`${ORIGIN}/users?q=root`)
      await page.getByRole('link', { name: /^usr_/ }).click()
      await page.getByRole('heading', { name: EMAIL }).waitFor()
    },
  ],
  ['console-audit', (page) => page.goto(`${ORIGIN}/audit`)],
  ['console-404', (page) => page.goto(`${ORIGIN}/nowhere`)],
]

describe.each(LOOKS)('every page of the console, %s,', (look) => {
  beforeEach(() => gateway.db.prepare('DELETE FROM sessions').run())

  it.each(PAGES)('has no barriers, loads nothing, and its picture is taken: %s', async (name, open) => {
    const context = await browsers.open(look)
    const complaints: string[] = []
    context.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        complaints.push(message.text())
      }
    })
    const page = await signIn(await context.newPage())
    expect(await heading(page)).toBe('Overview')
    const loaded: string[] = []
    context.on('request', (request) => void (request.isNavigationRequest() || loaded.push(request.url())))
    await open(page)
    expect(await findBarriers(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')).toBe(
      false,
    )
    await takePicture(page, name, look)
    expect([loaded.filter((url) => !url.endsWith('/favicon.ico')), complaints]).toEqual([[], []])
  })
})
