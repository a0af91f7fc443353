// A reset link in Chromium, as it comes: a link on a page of another site, such as a web mail.

import { createHash, randomBytes, randomUUID } from 'node:crypto'

import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'

import { startBrowsers } from '../support/browsers.ts'
import { freePort } from '../support/example.ts'
import { startGateway } from '../support/gateway.ts'
import { startWebApp } from '../support/web-app.ts'

const app = await startWebApp()
const gateway = await startGateway({
  port: await freePort(),
  rateLimits: ['SIGN_IN_LIMIT'],
  vars: {
    PASSWORDS: { sign_in: true, sign_up: true },
    ROUTES: [{ path: '/open/*', upstream: app.origin, access: 'public' }],
  },
})
const browsers = await startBrowsers()

const [BEFORE, AFTER] = ['a lantern by the gate', 'a candle in the window']

async function fill(page: Page, fields: Readonly<Record<string, string>>, button: string): Promise<void> {
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(value)
  await page.getByRole('button', { name: button, exact: true }).click()
}

async function createUser(): Promise<string> {
  const email = `${randomUUID()}@example.com`
  const page = await (await browsers.open()).newPage()
  await page.goto(`${gateway.issuer}/auth/sign-up`)
  await fill(page, { 'E-mail address': email, 'New password': BEFORE }, 'Create the account')
  await page.getByRole('heading', { name: 'Your account' }).waitFor()
  return email
}

/** As the admin API makes one. */
async function makeLink(email: string): Promise<string> {
  const token = randomBytes(32).toString('base64url')
  await gateway.db
    .prepare(
      `INSERT INTO password_resets (user_id, token_hash, email, session_epoch, expires_at)
       SELECT id, ?2, email, session_epoch, unixepoch() + 3600 FROM users WHERE email = ?1`,
    )
    .bind(email, createHash('sha256').update(token).digest('base64url'))
    .run()
  return `${gateway.issuer}/auth/reset?token=${token}`
}

it('a link of another site sets the password, and is in no address and no history', async () => {
  const email = await createUser()
  const link = await makeLink(email)
  const page = await (await browsers.open()).newPage()
  await page.goto(`${app.origin}/mail`)
  await page.setContent(`<a href="${link}">Choose a new password</a>`)
  await page.getByRole('link').click()
  await page.getByRole('heading', { name: 'Choose a new password' }).waitFor()
  expect(page.url()).toBe(`${gateway.issuer}/auth/reset`)
  expect(await page.content()).not.toContain(link.split('=')[1])
  await page.reload()
  await fill(page, { 'New password': AFTER }, 'Set the password')
  await page.getByRole('heading', { name: 'Your password has been set' }).waitFor()
  await page.goto(`${gateway.issuer}/auth/sign-in`)
  await fill(page, { 'E-mail address': email, Password: AFTER }, 'Sign in')
  await page.getByRole('heading', { name: 'Your account' }).waitFor()
})
