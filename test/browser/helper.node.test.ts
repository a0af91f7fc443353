// client/gatehouse.js in Chromium: the real Worker in front, tabs of one browser, other browsers of the same person.

import { randomUUID } from 'node:crypto'

import type { BrowserContext, Page, Route } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import { startBrowsers } from '../support/browsers.ts'
import { freePort } from '../support/example.ts'
import { startGateway } from '../support/gateway.ts'
import { startWebApp } from '../support/web-app.ts'

const app = await startWebApp()
/** The same app, on a host of the same site that is not the gateway's. */
const sibling = app.origin.replace('127.0.0.1', 'localhost')
const gateway = await startGateway({
  port: await freePort(),
  rateLimits: ['SIGN_IN_LIMIT'],
  vars: {
    PASSWORDS: { sign_in: true, sign_up: true },
    WEB_ORIGINS: [sibling],
    ROUTES: [
      { path: '/app/*', upstream: app.origin, access: 'public' },
      {
        path: '/api/*',
        upstream: app.origin,
        revocation: 'session',
        cors: { origins: [sibling], credentials: true },
      },
    ],
  },
})
const browsers = await startBrowsers()

const PASSWORD = 'a lantern by the gate'
const DAY_MS = 86_400_000
const PROBLEM = 'application/problem+json'
const REFUSAL = JSON.stringify({ code: 'session_ended' })

interface Person {
  readonly email: string
  readonly context: BrowserContext
  readonly tab: Page
  readonly session: string
}

/** Somebody new who has signed up, and has the page open in one tab. */
async function createPerson(): Promise<Person> {
  const context = await browsers.open()
  const email = `${randomUUID()}@example.com`
  const tab = await openTab(context)
  await post(tab, '/auth/sign-up', { email, password: PASSWORD })
  return { email, context, tab, session: String(await run(tab, 'return (await gatehouse.session()).session')) }
}

/** A tab in which `gatehouse` is the helper and `told` is what it has told of ended sessions. */
async function openTab(context: BrowserContext): Promise<Page> {
  const tab = await context.newPage()
  await tab.goto(`${gateway.issuer}/app/`)
  await run(
    tab,
    `const { createGatehouse } = await import('/app/gatehouse.js')
     globalThis.gatehouse = createGatehouse()
     globalThis.told = []
     gatehouse.onEnded((session) => told.push(session))`,
  )
  return tab
}

/** A tab whose page knows who is signed in. */
async function openKnowingTab({ context }: Person): Promise<Page> {
  const tab = await openTab(context)
  await run(tab, 'await gatehouse.session()')
  return tab
}

/** Runs the body of an async function in the page. */
function run(tab: Page, body: string): Promise<unknown> {
  return tab.evaluate(`(async () => { ${body} })()`)
}

function post(tab: Page, path: string, body: Readonly<Record<string, string>>): Promise<unknown> {
  const init = { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
  return run(tab, `return (await fetch('${path}', ${JSON.stringify(init)})).status`)
}

function told(tab: Page): Promise<unknown> {
  return run(tab, 'return told')
}

async function untilTold(tab: Page): Promise<unknown> {
  await tab.waitForFunction('told.length > 0')
  return told(tab)
}

/** From another browser of the same person. */
async function endElsewhere({ email, session }: Person): Promise<void> {
  const tab = await openTab(await browsers.open())
  await post(tab, '/auth/sign-in', { email, password: PASSWORD })
  expect(await run(tab, `return (await fetch('/auth/sessions/${session}', { method: 'DELETE' })).status`)).toBe(200)
}

/** As if nothing had come from the browser for two weeks. */
function forget(session: string): Promise<unknown> {
  const sql = 'UPDATE sessions SET last_seen_at = last_seen_at - 15 * 86400 WHERE id = ?1'
  return gateway.db.prepare(sql).bind(session).run()
}

/** The access cookie is gone, as it is once its time is up, and the session cookie is due for rotation. */
async function expire({ context, session }: Person): Promise<void> {
  await context.clearCookies({ name: 'gatehouse_access' })
  const sql = 'UPDATE sessions SET rotated_at = rotated_at - 7200, created_at = created_at - 7200 WHERE id = ?1'
  await gateway.db.prepare(sql).bind(session).run()
}

async function generation({ session }: Person): Promise<unknown> {
  return gateway.db.prepare('SELECT generation FROM sessions WHERE id = ?1').bind(session).first('generation')
}

/** Everything that the tab asks for from now on whose URL holds `part`. */
function watch(tab: Page, part: string): readonly string[] {
  const asked: string[] = []
  tab.on('request', (request) => {
    if (request.url().includes(part)) asked.push(`${request.method()} ${new URL(request.url()).pathname}`)
  })
  return asked
}

function refuse(route: Route): Promise<void> {
  return route.fulfill({ status: 401, contentType: PROBLEM, body: REFUSAL })
}

/** The gateway refuses each URL that holds `part` the first time that it is asked for. */
async function refuseOnce(tab: Page, part: string): Promise<void> {
  const refused = new Set<string>()
  await tab.route(new RegExp(part), (route) => {
    const url = route.request().url()
    if (refused.has(url)) return route.continue()
    refused.add(url)
    return refuse(route)
  })
}

/** What a call of the helper that fails says. */
function failure(tab: Page, call: string): Promise<unknown> {
  return run(tab, `return ${call}.then(() => 'no failure', ({ name, status }) => [name, status])`)
}

describe('session()', () => {
  it('is nobody before anybody has signed in, then who has, and nobody afterwards', async () => {
    const tab = await openTab(await browsers.open())
    expect(await run(tab, 'return await gatehouse.session()')).toBe(null)
    const email = `${randomUUID()}@example.com`
    await post(tab, '/auth/sign-up', { email, password: PASSWORD })
    expect(await run(tab, 'return await gatehouse.session()')).toMatchObject({
      subject: expect.stringMatching(/^usr_/),
      session: expect.stringMatching(/^ses_/),
      roles: [],
    })
    expect(await run(tab, 'return await gatehouse.signOut()')).toBe(null)
    expect(await run(tab, 'return await gatehouse.session()')).toBe(null)
  })

  it('asks once for all who ask at the same time', async () => {
    const { tab } = await createPerson()
    const asked = watch(tab, '/auth/session')
    await run(tab, 'await Promise.all(Array.from({ length: 10 }, () => gatehouse.session()))')
    expect(asked).toEqual(['GET /auth/session'])
  })

  it('shows no token to scripts', async () => {
    const { tab } = await createPerson()
    const seen = JSON.stringify(
      await run(tab, 'return [await gatehouse.session(), document.cookie, { ...localStorage }]'),
    )
    expect(seen).not.toMatch(/eyJ|gth_/)
    expect(seen).toContain('"",{}]')
  })
})

describe('a browser that is offline', () => {
  it('is not signed out', async () => {
    const { context, tab, session } = await createPerson()
    await context.setOffline(true)
    expect(await failure(tab, 'gatehouse.session()')).toEqual(['GatehouseError', 0])
    expect(await failure(tab, 'gatehouse.signOut()')).toEqual(['GatehouseError', 0])
    expect(await told(tab)).toEqual([])
    await context.setOffline(false)
    expect(await run(tab, 'return await gatehouse.session()')).toMatchObject({ session })
    expect(await told(tab)).toEqual([])
  })

  it('is told, once it is back, what has ended meanwhile', async () => {
    const person = await createPerson()
    await person.context.setOffline(true)
    await endElsewhere(person)
    await person.context.setOffline(false)
    expect(await untilTold(person.tab)).toEqual([person.session])
  })
})

describe('a gateway that cannot tell', () => {
  it.each([
    ['answers 503', { status: 503, contentType: PROBLEM, body: '{"code":"unavailable"}' }, 503],
    ['answers 200 in HTML, as the hotel does', { status: 200, contentType: 'text/html', body: '<p>Welcome' }, 200],
    ['answers 200 of something else', { status: 200, contentType: 'application/json', body: '{}' }, 200],
    ['answers 404', { status: 404, contentType: PROBLEM, body: '{"code":"no_route"}' }, 404],
    ['sends elsewhere', { status: 302, headers: { Location: '/app/' } }, 0],
  ])('and %s signs nobody out', async (_, answer, status) => {
    const { tab } = await createPerson()
    await tab.route('**/auth/*', (route) => route.fulfill(answer))
    expect(await failure(tab, 'gatehouse.session()')).toEqual(['GatehouseError', status])
    if (status !== 200) expect(await failure(tab, 'gatehouse.signOut()')).toEqual(['GatehouseError', status])
    await tab.unroute('**/auth/*')
    expect(await run(tab, 'return await gatehouse.session()')).not.toBe(null)
    expect(await told(tab)).toEqual([])
  })
})

describe('a gateway that never answers', () => {
  it('is waited for ten seconds, and no refusal is read for longer', async () => {
    const { tab } = await createPerson()
    await tab.route('**/auth/session', () => undefined)
    const [failed, status] = await Promise.all([
      failure(tab, 'gatehouse.session()'),
      run(tab, `return (await gatehouse.fetch('/api/endless-401')).status`),
    ])
    expect([failed, status]).toEqual([['GatehouseError', 0], 401])
    expect(await told(tab)).toEqual([])
  })
})

describe('a web app on a sibling host', () => {
  it('signs in, asks, is renewed, calls the API and signs out', async () => {
    const context = await browsers.open()
    const page = await context.newPage()
    await page.goto(`${sibling}/app/`)
    const email = `${randomUUID()}@example.com`
    const body = JSON.stringify({ email, password: PASSWORD })
    await run(
      page,
      `const { createGatehouse } = await import('/app/gatehouse.js')
       globalThis.gatehouse = createGatehouse({ origin: '${gateway.issuer}' })
       const headers = { 'Content-Type': 'application/json' }
       await gatehouse.fetch('${gateway.issuer}/auth/sign-up', { method: 'POST', headers, body: '${body}' })`,
    )
    const session = await run(page, 'return await gatehouse.session()')
    expect(session).toMatchObject({ session: expect.stringMatching(/^ses_/) })
    await context.clearCookies({ name: 'gatehouse_access' })
    expect(
      await run(page, `return (await gatehouse.fetch('${gateway.issuer}/api/x', { method: 'POST' })).status`),
    ).toBe(200)
    await run(page, 'await gatehouse.signOut()')
    expect(await run(page, 'return await gatehouse.session()')).toBe(null)
  })
})

describe('a session that ends', () => {
  it('by signing out in one tab is over in the other, which asks nobody', async () => {
    const person = await createPerson()
    const other = await openKnowingTab(person)
    const asked = watch(other, '/')
    await run(person.tab, 'await gatehouse.signOut()')
    expect([await untilTold(other), await untilTold(person.tab)]).toEqual([[person.session], [person.session]])
    expect(asked).toEqual([])
    expect(await run(other, `return (await gatehouse.fetch('/api/orders')).status`)).toBe(401)
  })

  it('by signing out in a tab that never asked is over in the others', async () => {
    const person = await createPerson()
    await run(await openTab(person.context), 'await gatehouse.signOut()')
    expect(await untilTold(person.tab)).toEqual([person.session])
  })

  it('elsewhere is noticed by the next request, told once, and told to the other tabs', async () => {
    const person = await createPerson()
    const other = await openKnowingTab(person)
    await endElsewhere(person)
    const statuses = await run(
      person.tab,
      `const all = Array.from({ length: 5 }, (_, n) => gatehouse.fetch('/api/' + n))
       return (await Promise.all(all)).map(({ status }) => status)`,
    )
    expect(statuses).toEqual([401, 401, 401, 401, 401])
    expect([await untilTold(person.tab), await untilTold(other)]).toEqual([[person.session], [person.session]])
    await run(person.tab, 'await gatehouse.session()')
    expect(await told(person.tab)).toEqual([person.session])
  })

  it.each(['focus', 'pageshow', 'online'])('while a tab slept is noticed at its %s', async (event) => {
    const person = await createPerson()
    await endElsewhere(person)
    expect(await told(person.tab)).toEqual([])
    await run(person.tab, `window.dispatchEvent(new Event('${event}'))`)
    expect(await untilTold(person.tab)).toEqual([person.session])
  })

  it('while a tab was hidden is noticed when it is shown', async () => {
    const person = await createPerson()
    await endElsewhere(person)
    await run(person.tab, `document.dispatchEvent(new Event('visibilitychange'))`)
    expect(await untilTold(person.tab)).toEqual([person.session])
  })

  it('is not looked for by a page that knows of none, nor by a tab that nobody sees', async () => {
    const { context, tab } = await createPerson()
    const stranger = await openTab(context)
    await run(tab, `Object.defineProperty(document, 'visibilityState', { value: 'hidden' })`)
    const asked = [watch(tab, '/auth/session'), watch(stranger, '/auth/session')]
    for (const each of [tab, stranger])
      await run(each, `window.dispatchEvent(new Event('focus')); await fetch('/app/')`)
    await run(stranger, 'await gatehouse.session()')
    expect(asked).toEqual([[], ['GET /auth/session']])
  })

  it('because somebody else signs in here is over, and not for the tab of whoever has signed in', async () => {
    const person = await createPerson()
    const other = await openTab(person.context)
    await post(other, '/auth/sign-up', { email: `${randomUUID()}@example.com`, password: PASSWORD })
    const session = await run(other, 'return (await gatehouse.session()).session')
    const heard = run(
      other,
      `const tabs = new BroadcastChannel('gatehouse ' + location.origin + '/auth')
       await new Promise((resolve) => tabs.addEventListener('message', resolve))
       return told`,
    )
    expect(await run(person.tab, 'return (await gatehouse.session()).session')).toBe(session)
    expect(await untilTold(person.tab)).toEqual([person.session])
    expect(await heard).toEqual([])
  })

  it('stays over where an answer from before arrives late', async () => {
    const person = await createPerson()
    const other = await openTab(person.context)
    const held = Promise.withResolvers<void>()
    const answered = Promise.withResolvers<void>()
    let isFirst = true
    await person.tab.route('**/auth/session', async (route) => {
      if (!isFirst) return route.continue()
      isFirst = false
      const response = await route.fetch()
      answered.resolve()
      await held.promise
      return route.fulfill({ response })
    })
    const session = run(person.tab, 'return await gatehouse.session()')
    await answered.promise
    await run(other, 'await gatehouse.signOut()')
    await untilTold(person.tab)
    held.resolve()
    expect(await session).toBe(null)
    expect(await told(person.tab)).toEqual([person.session])
  })

  it('that a provider began names where to sign out of the provider too', async () => {
    const person = await createPerson()
    const url = 'https://login.example/end'
    await person.tab.route('**/auth/sign-out', (route) => route.fulfill({ json: { provider_logout: url } }))
    expect(await run(person.tab, 'return await gatehouse.signOut()')).toBe(url)
    expect(await told(person.tab)).toEqual([person.session])
  })

  it('is over although the answer that says so breaks off', async () => {
    const person = await createPerson()
    await person.tab.route('**/auth/sign-out', (route) => route.fulfill({ body: '{"ended":' }))
    expect(await run(person.tab, 'return await gatehouse.signOut()')).toBe(null)
    expect(await told(person.tab)).toEqual([person.session])
  })

  it('is not told to whoever no longer listens, and a listener that throws keeps it from nobody', async () => {
    const person = await createPerson()
    await run(
      person.tab,
      `globalThis.late = []
       const stop = gatehouse.onEnded(() => late.push('stopped'))
       gatehouse.onEnded(() => { throw new Error('of the page') })
       gatehouse.onEnded(() => late.push('after'))
       stop()
       await gatehouse.signOut()`,
    )
    expect(await run(person.tab, 'return late')).toEqual(['after'])
  })
})

describe('a page that is left alone', () => {
  it('is told when the session has been idle for too long, with nobody touching it', async () => {
    const context = await browsers.open()
    await context.clock.install()
    const tab = await openTab(context)
    await post(tab, '/auth/sign-up', { email: `${randomUUID()}@example.com`, password: PASSWORD })
    const session = String(await run(tab, 'return (await gatehouse.session()).session'))
    await forget(session)
    await context.clock.fastForward(14 * DAY_MS - 60_000)
    expect(await told(tab)).toEqual([])
    await context.clock.fastForward(120_000)
    expect(await untilTold(tab)).toEqual([session])
  })

  it('asks no sooner where the session lives longer than a browser can wait', async () => {
    const context = await browsers.open()
    await context.clock.install()
    const tab = await openTab(context)
    const session = { session: 'ses_1', session_expires_at: Math.floor(Date.now() / 1000) + 60 * 86_400 }
    await tab.route('**/auth/session', (route) => route.fulfill({ json: session }))
    await run(tab, 'await gatehouse.session()')
    const asked = watch(tab, '/auth/session')
    await context.clock.runFor(10_000)
    await context.clock.fastForward(20 * DAY_MS)
    expect(asked).toHaveLength(0)
  })

  it('asks once a minute at most where the clock of the machine is wrong', async () => {
    const context = await browsers.open()
    await context.clock.install({ time: '2040-01-01' })
    const tab = await openTab(context)
    await post(tab, '/auth/sign-up', { email: `${randomUUID()}@example.com`, password: PASSWORD })
    await run(tab, 'await gatehouse.session()')
    const asked = watch(tab, '/auth/session')
    await context.clock.runFor(55_000)
    expect(asked).toHaveLength(0)
    await context.clock.runFor(10_000)
    await expect.poll(() => asked.length).toBe(1)
  })
})

describe('forty parallel requests at expiry', () => {
  it.each(['gatehouse.fetch', 'fetch'])(
    'of %s all pass, rotate once, and leave the browser signed in',
    async (call) => {
      const person = await createPerson()
      const before = Number(await generation(person))
      await expire(person)
      app.forget()
      const statuses = await run(
        person.tab,
        `const all = Array.from({ length: 40 }, (_, n) => ${call}('/api/' + n, { method: n % 2 ? 'GET' : 'POST', body: n % 2 ? null : 'x' }))
       return (await Promise.all(all)).map(({ status }) => status)`,
      )
      expect(statuses).toEqual(Array.from({ length: 40 }, () => 200))
      expect(new Set(app.seen).size).toBe(40)
      expect(app.seen).toHaveLength(40)
      expect(await generation(person)).toBe(before + 1)
      expect(await run(person.tab, `return (await fetch('/api/after')).status`)).toBe(200)
      expect(await told(person.tab)).toEqual([])
    },
  )
})

describe('fetch()', () => {
  it('asks again, once, what the gateway refused although the session lives, and looks once for all', async () => {
    const { tab } = await createPerson()
    await refuseOnce(tab, '/api/')
    const [sent, looks] = [watch(tab, '/api/'), watch(tab, '/auth/session')]
    app.forget()
    const statuses = await run(
      tab,
      `const all = Array.from({ length: 10 }, (_, n) => gatehouse.fetch('/api/' + n))
       return (await Promise.all(all)).map(({ status }) => status)`,
    )
    expect(statuses).toEqual(Array.from({ length: 10 }, () => 200))
    expect([sent.length, app.seen.length]).toEqual([20, 10])
    expect(looks.length).toBeLessThan(10)
  })

  it('asks again for a page that has never asked who is signed in', async () => {
    const tab = await openTab((await createPerson()).context)
    await refuseOnce(tab, '/api/')
    expect(await run(tab, `return (await gatehouse.fetch('/api/x')).status`)).toBe(200)
  })

  it('sends a text, a form and a Request without a body again as they were', async () => {
    const { tab } = await createPerson()
    await refuseOnce(tab, '/api/')
    const bodies: (string | null)[] = []
    tab.on('request', (request) => void (request.url().includes('/api/') && bodies.push(request.postData())))
    const statuses = await run(
      tab,
      `const calls = [
         ['/api/text', { method: 'POST', body: 'text' }],
         [new URL('/api/form', location.href), { method: 'PUT', body: new URLSearchParams({ a: '1' }) }],
         [new Request('/api/request', { method: 'DELETE' })],
       ]
       const statuses = []
       for (const call of calls) statuses.push((await gatehouse.fetch(...call)).status)
       return statuses`,
    )
    expect(statuses).toEqual([200, 200, 200])
    expect(bodies).toEqual(['text', 'text', 'a=1', 'a=1', null, null])
  })

  it.each([
    ['a stream', `'/api/x', { method: 'POST', duplex: 'half', body: new Blob(['x']).stream() }`],
    ['the body of a Request', `new Request('/api/x', { method: 'POST', body: 'x' })`],
  ])('never sends %s again, and gives the refusal', async (_, args) => {
    const { tab } = await createPerson()
    await tab.route('**/api/x', refuse)
    const sent = watch(tab, '/api/')
    const answer = await run(
      tab,
      `const response = await gatehouse.fetch(${args})
       return [response.status, (await response.json()).code]`,
    )
    expect(answer).toEqual([401, 'session_ended'])
    expect(sent).toEqual(['POST /api/x'])
  })

  it('never asks a third time', async () => {
    const { tab } = await createPerson()
    await tab.route('**/api/x', refuse)
    const sent = watch(tab, '/api/')
    expect(await run(tab, `return (await gatehouse.fetch('/api/x')).status`)).toBe(401)
    expect(sent).toHaveLength(2)
  })

  it('never asks again for whoever is signed out, and says so', async () => {
    const person = await createPerson()
    await endElsewhere(person)
    const sent = watch(person.tab, '/api/')
    expect(await run(person.tab, `return (await gatehouse.fetch('/api/x')).status`)).toBe(401)
    expect(sent).toHaveLength(1)
    expect(await untilTold(person.tab)).toEqual([person.session])
  })

  it('never asks again as somebody else', async () => {
    const person = await createPerson()
    const other = await openTab(person.context)
    await post(other, '/auth/sign-up', { email: `${randomUUID()}@example.com`, password: PASSWORD })
    await person.tab.route('**/api/x', refuse)
    const sent = watch(person.tab, '/api/')
    expect(await run(person.tab, `return (await gatehouse.fetch('/api/x')).status`)).toBe(401)
    expect(sent).toHaveLength(1)
    expect(await untilTold(person.tab)).toEqual([person.session])
  })

  it('gives the refusal where nobody can tell whether the session lives', async () => {
    const { tab } = await createPerson()
    await tab.route('**/api/x', refuse)
    await tab.route('**/auth/session', (route) => route.fulfill({ status: 503 }))
    const sent = watch(tab, '/api/')
    expect(await run(tab, `return (await gatehouse.fetch('/api/x')).status`)).toBe(401)
    expect(sent).toHaveLength(1)
    expect(await told(tab)).toEqual([])
  })

  it.each([
    ['the API itself', '/api/own-401', '{}'],
    ['the current password', '/auth/password', '{"current":"wrong","new":"another lantern by the gate"}'],
  ])('takes a 401 of %s for an answer', async (_, path, body) => {
    const { tab } = await createPerson()
    const [sent, looks] = [watch(tab, path), watch(tab, '/auth/session')]
    const init = `{ method: 'POST', body: '${body}', headers: { 'Content-Type': 'application/json' } }`
    expect(await run(tab, `return (await gatehouse.fetch('${path}', ${init})).status`)).toBe(401)
    expect([sent.length, looks.length]).toEqual([1, 0])
  })

  it('leaves other origins alone: no cookies, no look, no second request', async () => {
    const { tab } = await createPerson()
    const [sent, looks] = [watch(tab, '/elsewhere'), watch(tab, '/auth/session')]
    const headers = { 'Access-Control-Allow-Origin': '*' }
    await tab.route('**/elsewhere', (route) =>
      route.fulfill({ status: 401, headers, contentType: PROBLEM, body: REFUSAL }),
    )
    // A wildcard is refused by the browser where cookies were sent along.
    expect(await run(tab, `return (await gatehouse.fetch('${app.origin}/elsewhere')).status`)).toBe(401)
    expect([sent.length, looks.length]).toEqual([1, 0])
  })
})
