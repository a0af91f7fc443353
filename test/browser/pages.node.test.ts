// The gateway's own pages in Chromium, as people meet them: forms, tabs, the back button, time that passes.

import { randomUUID } from 'node:crypto'

import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { beforeEach, describe, expect, it } from 'vitest'

import { findBarriers } from '../support/accessibility.ts'
import { LOOKS, startBrowsers, takePicture } from '../support/browsers.ts'
import { freePort } from '../support/example.ts'
import { startGateway } from '../support/gateway.ts'
import { startWebApp } from '../support/web-app.ts'

const app = await startWebApp()
const gateway = await startGateway({
  port: await freePort(),
  rateLimits: ['SIGN_IN_LIMIT'],
  vars: {
    PASSWORDS: { sign_in: true, sign_up: true },
    ROUTES: [
      { path: '/app/*', upstream: app.origin, unauthenticated: 'sign-in', revocation: 'session' },
      { path: '/staff/*', upstream: app.origin, roles: ['staff'] },
      { path: '/open/*', upstream: app.origin, access: 'public' },
      { path: '/broken', upstream: 'http://127.0.0.1:1', access: 'public' },
    ],
  },
})
const browsers = await startBrowsers()

const PASSWORD = 'a lantern by the gate'
/** Of the web app, with something to lose on the way. */
const WANTED = `${gateway.issuer}/app/orders?page=2&sort=a%20b`

function heading(page: Page): Promise<string | null> {
  return page.getByRole('heading', { level: 1 }).textContent()
}

async function fill(page: Page, fields: Readonly<Record<string, string>>, button: string): Promise<void> {
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value)
  await page.getByRole('button', { name: button, exact: true }).click()
}

function signIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  return fill(page, { 'E-mail address': email, Password: password }, 'Sign in')
}

interface Person {
  readonly email: string
  readonly page: Page
}

/** Somebody new, who signed up by the page and is on the account page. */
async function createPerson(context?: BrowserContext, email = `${randomUUID()}@example.com`): Promise<Person> {
  const page = await (context ?? (await browsers.open())).newPage()
  await page.goto(`${gateway.issuer}/auth/sign-up`)
  await fill(page, { 'E-mail address': email, 'New password': PASSWORD }, 'Create the account')
  expect(await heading(page)).toBe('Your account')
  return { email, page }
}

/** Another browser of the same person, on the account page. */
async function openElsewhere({ email }: Person, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await (await browsers.open('light', options)).newPage()
  await page.goto(`${gateway.issuer}/auth/sign-in`)
  await signIn(page, email)
  expect(await heading(page)).toBe('Your account')
  return page
}

function statusOfFetch(page: Page, path: string): Promise<unknown> {
  return page.evaluate(`fetch('${path}').then(({ status }) => status)`)
}

describe('signing in by the page', () => {
  it('stands between a visitor and the page asked for, and leads there', async () => {
    const { email } = await createPerson()
    const page = await (await browsers.open()).newPage()
    await page.goto(WANTED)
    expect([new URL(page.url()).pathname, await heading(page)]).toEqual(['/auth/sign-in', 'Sign in'])
    await signIn(page, email)
    expect([page.url(), await heading(page)]).toEqual([WANTED, 'A web app'])
  })

  it('tells of a wrong password beside the field, keeps the e-mail, and not the password', async () => {
    const { email } = await createPerson()
    const page = await (await browsers.open()).newPage()
    await page.goto(WANTED)
    await signIn(page, email, 'wrong')
    expect(await page.getByRole('alert').textContent()).toBe('The e-mail address or the password is wrong.')
    const [name, password] = [page.getByLabel('E-mail address'), page.getByLabel('Password')]
    expect([await name.inputValue(), await password.inputValue()]).toEqual([email, ''])
    expect(await password.getAttribute('aria-describedby')).toBe(await page.getByRole('alert').getAttribute('id'))
    await fill(page, { Password: PASSWORD }, 'Sign in')
    expect(page.url()).toBe(WANTED)
  })

  it('needs no pointer', async () => {
    const { email } = await createPerson()
    const page = await (await browsers.open()).newPage()
    await page.goto(WANTED)
    await page.keyboard.press('Tab')
    await page.keyboard.type(email)
    await page.keyboard.press('Tab')
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press('Enter')
    await page.waitForURL(WANTED)
  })

  it('needs no JavaScript, nor does all that follows', async () => {
    const person = await createPerson(await browsers.open('light', { javaScriptEnabled: false }))
    const other = await openElsewhere(person, { javaScriptEnabled: false })
    await person.page.reload()
    await person.page.getByRole('button', { name: /^Sign out of .*signed in/ }).click()
    expect(await person.page.getByRole('status').textContent()).toBe('That device has been signed out.')
    await other.reload()
    expect(await heading(other)).toBe('Sign in')
    await person.page.getByRole('button', { name: 'Sign out of this device' }).click()
    expect(await heading(person.page)).toBe('Sign in')
    await person.page.goto(WANTED)
    expect(await heading(person.page)).toBe('Sign in')
  })

  it('works in two tabs that both wait for it', async () => {
    const { email } = await createPerson()
    const context = await browsers.open()
    const [one, two] = [await context.newPage(), await context.newPage()]
    await one.goto(WANTED)
    await two.goto(`${gateway.issuer}/app/other`)
    await signIn(one, email)
    expect(one.url()).toBe(WANTED)
    await signIn(two, email)
    expect(two.url()).toBe(`${gateway.issuer}/app/other`)
    await one.reload()
    expect(one.url()).toBe(WANTED)
  })

  it('leads a script to no page: it gets 401', async () => {
    const page = await (await browsers.open()).newPage()
    await page.goto(`${gateway.issuer}/open/page`)
    expect(await statusOfFetch(page, '/app/orders')).toBe(401)
  })
})

/** Until a page is asked for again. The driver's own way fails where the browser has just given the page to another process. */
async function goBack(page: Page, path: string): Promise<void> {
  const asked = page.waitForRequest((request) => request.url().includes(path))
  await page.evaluate('void setTimeout(() => history.back())')
  await asked
}

describe('the back button', () => {
  it('shows nothing of the account to whoever comes after a sign-out', async () => {
    const { page } = await createPerson()
    await page.getByRole('button', { name: 'Sign out of this device' }).click()
    expect(await heading(page)).toBe('Sign in')
    await goBack(page, '/auth/account')
    await page.waitForURL(/return_to=/)
    expect(await heading(page)).toBe('Sign in')
  })

  it('leads whoever has just signed in back to where he was going, and round in no circle', async () => {
    const { email } = await createPerson()
    const page = await (await browsers.open()).newPage()
    await page.goto(WANTED)
    await signIn(page, email)
    await goBack(page, '/auth/sign-in')
    await page.waitForURL(WANTED)
    expect(await heading(page)).toBe('A web app')
  })
})

describe('time that passes', () => {
  it('is not noticed by whoever comes back after the access token has gone', async () => {
    const { page } = await createPerson()
    await page.goto(WANTED)
    await page.context().clearCookies({ name: 'gatehouse_access' })
    await page.reload()
    expect([page.url(), await heading(page)]).toEqual([WANTED, 'A web app'])
  })

  it('signs out whoever was idle for too long, and leads back after signing in', async () => {
    const { email, page } = await createPerson()
    await page.goto(WANTED)
    const sql = `UPDATE sessions SET last_seen_at = last_seen_at - 15 * 86400
      WHERE user_id = (SELECT id FROM users WHERE email = ?1)`
    await gateway.db.prepare(sql).bind(email).run()
    await page.reload()
    expect(await heading(page)).toBe('Sign in')
    await signIn(page, email)
    expect([page.url(), await heading(page)]).toEqual([WANTED, 'A web app'])
  })
})

describe('ending', () => {
  it('a session in one tab ends it in the other', async () => {
    const { page } = await createPerson()
    const other = await page.context().newPage()
    await other.goto(WANTED)
    expect(await statusOfFetch(other, '/app/orders')).toBe(200)
    await page.getByRole('button', { name: 'Sign out of this device' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await statusOfFetch(other, '/app/orders')).toBe(401)
    await other.reload()
    expect(await heading(other)).toBe('Sign in')
  })

  it('all other devices leaves this one', async () => {
    const person = await createPerson()
    const others = [await openElsewhere(person), await openElsewhere(person)]
    await person.page.reload()
    await person.page.getByRole('button', { name: 'Sign out all other devices' }).click()
    expect(await person.page.getByRole('status').textContent()).toBe('All other devices have been signed out.')
    for (const other of others) {
      await other.reload()
      expect(await heading(other)).toBe('Sign in')
    }
    await person.page.reload()
    expect(await heading(person.page)).toBe('Your account')
  })

  it('comes with a new password: this device stays, others go, the old password too', async () => {
    const person = await createPerson()
    const other = await openElsewhere(person)
    await person.page.getByRole('link', { name: 'Change your password' }).click()
    const fresh = 'another lantern by the gate'
    await fill(person.page, { 'Current password': PASSWORD, 'New password': fresh }, 'Change the password')
    expect(await person.page.getByRole('status').textContent()).toContain('Your password has been changed')
    await other.reload()
    await signIn(other, person.email)
    expect(await other.getByRole('alert').textContent()).toContain('wrong')
    await fill(other, { Password: fresh }, 'Sign in')
    expect(await heading(other)).toBe('Your account')
  })
})

/** Every page, by the name of its picture, and how one comes to it. */
const PAGES: readonly (readonly [name: string, open: (person: Person) => Promise<Page>])[] = [
  ['sign-in', async ({ page }) => visitSignedOut(page, '/auth/sign-in')],
  [
    'sign-in-wrong',
    async ({ page, email }) => {
      await visitSignedOut(page, '/auth/sign-in')
      await signIn(page, email, 'wrong')
      return page
    },
  ],
  ['sign-up', async ({ page }) => visitSignedOut(page, '/auth/sign-up')],
  [
    'sign-up-wrong',
    async ({ page }) => {
      await visitSignedOut(page, '/auth/sign-up')
      await fill(page, { 'E-mail address': 'new@example.com', 'New password': 'short' }, 'Create the account')
      return page
    },
  ],
  [
    'account',
    async (person) => {
      const userAgent =
        'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'
      await openElsewhere(person, { userAgent })
      return visit(person.page, '/auth/account')
    },
  ],
  ['password', async ({ page }) => visit(page, '/auth/password')],
  [
    'password-wrong',
    async ({ page }) => {
      await visit(page, '/auth/password')
      await fill(page, { 'Current password': 'wrong', 'New password': PASSWORD }, 'Change the password')
      return page
    },
  ],
  ['error-404', async ({ page }) => visit(page, '/nowhere')],
  ['error-403', async ({ page }) => visit(page, '/staff/report')],
  ['error-401', async ({ page }) => visitSignedOut(page, '/staff/report')],
  ['error-502', async ({ page }) => visit(page, '/broken')],
]

async function visit(page: Page, path: string): Promise<Page> {
  await page.goto(`${gateway.issuer}${path}`)
  return page
}

async function visitSignedOut(page: Page, path: string): Promise<Page> {
  await page.context().clearCookies()
  return visit(page, path)
}

describe.each(LOOKS)('every page, %s,', (look) => {
  beforeEach(() => gateway.db.prepare(`DELETE FROM users WHERE email = 'ada@example.com'`).run())

  it.each(PAGES)('has no barriers, loads nothing, and its picture is taken: %s', async (name, open) => {
    const context = await browsers.open(look)
    const complaints: string[] = []
    context.on('console', (message) => {
      // Chromium reports every answer of 4xx there.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        complaints.push(message.text())
      }
    })
    const person = await createPerson(context, 'ada@example.com')
    const loaded: string[] = []
    context.on('request', (request) => void (request.isNavigationRequest() || loaded.push(request.url())))
    const page = await open(person)
    expect(await heading(page)).not.toBe('')
    expect(await findBarriers(page)).toEqual([])
    expect(await isWiderThanTheScreen(page)).toBe(false)
    await takePicture(page, name, look)
    expect([loaded.filter((url) => !url.endsWith('/favicon.ico')), complaints]).toEqual([[], []])
  })
})

function isWiderThanTheScreen(page: Page): Promise<unknown> {
  return page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
}
