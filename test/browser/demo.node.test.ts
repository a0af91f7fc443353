// The demo page as newcomers see it: the shipped routes, the demo API in a process of its own, Chromium.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { BrowserContext, Page } from 'playwright-core'
import { parse } from 'smol-toml'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'

import { localConfiguration } from '../../bin/start/configuration.ts'
import { DEMO_USER, seedSql } from '../../bin/start/seed.ts'
import { findBarriers } from '../support/accessibility.ts'
import { LOOKS, startBrowsers, takePicture } from '../support/browsers.ts'
import { freePort, runExample } from '../support/example.ts'
import { startGateway } from '../support/gateway.ts'

const port = await freePort()
const origin = `http://localhost:${port}`
const demo = await runExample('demo-api.mjs', origin)
afterAll(demo.stop)
const shipped = readFileSync(join(import.meta.dirname, '..', '..', 'wrangler.toml'), 'utf8')
const local = localConfiguration(shipped, { origin, demoOrigin: demo.origin, upstream: null })
const { vars }: { vars: { ROUTES: never; PASSWORDS: never } } = JSON.parse(JSON.stringify(parse(local.text ?? '')))
const gateway = await startGateway({
  port,
  rateLimits: ['SIGN_IN_LIMIT'],
  vars: { ROUTES: vars.ROUTES, PASSWORDS: vars.PASSWORDS },
})
await gateway.db.prepare(await seedSql()).run()
const browsers = await startBrowsers()

/** The demo user begins each test signed in nowhere. */
beforeEach(() => gateway.db.prepare('DELETE FROM sessions').run())

/** What pages said that they should not have to: errors, and what their own policy refused. */
const complaints: string[] = []

async function openDemo(context: BrowserContext): Promise<Page> {
  const page = await context.newPage()
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    // Chromium reports every answer of 4xx there.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text())
  })
  await page.goto(origin)
  return page
}

/** By the gateway's page, which stands in the way. */
async function signIn(page: Page): Promise<void> {
  await page.getByLabel('E-mail address').fill(DEMO_USER.email)
  await page.getByLabel('Password').fill(DEMO_USER.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('heading', { name: 'Who am I' }).waitFor()
}

async function openSignedIn(): Promise<Page> {
  const page = await openDemo(await browsers.open())
  await signIn(page)
  return page
}

async function openSecond(page: Page): Promise<void> {
  const form = page.locator('#open-second')
  await form.getByLabel('E-mail').fill(DEMO_USER.email)
  await form.getByLabel('Password').fill(DEMO_USER.password)
  await form.getByRole('button').click()
  await page.locator('#beats .good').first().waitFor()
}

function accessCookie(page: Page): Promise<unknown> {
  return page
    .context()
    .cookies()
    .then((cookies) => cookies.find(({ name }) => name === 'gatehouse_access')?.value)
}

describe('the demo page', () => {
  it('signs the demo user in, and says who that is', async () => {
    const page = await openSignedIn()
    const who = page.locator('#who')
    await expect
      .poll(() => who.textContent())
      .toMatch(/usr_demo.*member.*orders:read.*acme.*ses_.*good for another 1[45]:/)
    expect([page.url(), complaints]).toEqual([`${origin}/`, []])
  })

  it.each([
    ['/me', /^200[^]*"gatehouse-subject": "usr_demo"/],
    ['/orders', /^200[^]*Lantern/],
    ['/prices', /^200[^]*Gate latch/],
    ['/admin/report', /^403[^]*insufficient_role/],
  ])('calls %s and shows the answer', async (path, answer) => {
    const page = await openSignedIn()
    await page.getByRole('button', { name: `GET ${path}` }).click()
    await expect.poll(() => page.locator('#answer').textContent()).toMatch(answer)
  })

  it('renews the access token when asked to', async () => {
    const page = await openSignedIn()
    const before = await accessCookie(page)
    await page.getByRole('button', { name: 'Renew now' }).click()
    await expect.poll(() => accessCookie(page)).not.toBe(before)
    expect(await accessCookie(page)).toMatch(/^eyJ/)
  })

  it('renews in-line: a request after the access token has gone passes, and brings a new one', async () => {
    const page = await openSignedIn()
    await page.context().clearCookies({ name: 'gatehouse_access' })
    await page.getByRole('button', { name: 'GET /orders' }).click()
    await expect.poll(() => page.locator('#answer').textContent()).toMatch(/^200/)
    expect(await accessCookie(page)).toMatch(/^eyJ/)
  })

  it('signs out in one tab, and the other tab shows it', async () => {
    const page = await openSignedIn()
    const other = await openDemo(page.context())
    await other.getByRole('heading', { name: 'Who am I' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    for (const tab of [page, other]) {
      await tab.getByRole('heading', { name: 'You are signed out' }).waitFor()
      expect(await tab.getByRole('status').textContent()).toContain('is over')
    }
  })

  it('ends a second device, which a route that asks D1 feels at once, and one that asks nobody does not', async () => {
    const page = await openSignedIn()
    await openSecond(page)
    const others = page.locator('#devices li').filter({ hasNotText: 'This browser' })
    await others.getByRole('button').click()
    const beats = page.locator('#beats li')
    for (const path of ['/me', '/orders']) {
      await expect.poll(() => beats.filter({ hasText: path }).textContent()).toMatch(/401 $/)
    }
    expect(await beats.filter({ hasText: '/prices' }).textContent()).toMatch(/: (200 )+$/)
    expect(await others.count()).toBe(0)
  })

  it('is ended from the second device, and finds out', async () => {
    const page = await openSignedIn()
    await openSecond(page)
    await page.getByRole('button', { name: 'End this browser' }).last().click()
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    expect(await page.getByRole('status').textContent()).toContain('is over')
  })

  it('runs nothing that is written into the page', async () => {
    const page = await openSignedIn()
    const response = await page.context().request.get(origin)
    expect(response.headers()['content-security-policy']).toContain("default-src 'none'; script-src 'self';")
    expect(await response.text()).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=|\sstyle=/)
  })

  it.each(LOOKS)('has no barriers, and its picture is taken: %s', async (look) => {
    const page = await openDemo(await browsers.open(look))
    await signIn(page)
    await page.getByRole('button', { name: 'GET /me' }).click()
    await openSecond(page)
    expect(await findBarriers(page)).toEqual([])
    await takePicture(page, 'demo', look)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('link', { name: 'Sign in again' }).waitFor()
    expect(await findBarriers(page)).toEqual([])
    await takePicture(page, 'demo-signed-out', look)
    expect(complaints).toEqual([])
  })
})
