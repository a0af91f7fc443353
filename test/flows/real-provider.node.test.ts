import { beforeAll, describe, expect, it } from 'vitest'

import type { JsonObject } from '../../src/json.ts'
import { isObject } from '../../src/json.ts'
import type { Gateway } from '../support/gateway.ts'
import { ISSUER, startGateway, valuesOf } from '../support/gateway.ts'
import type { LoginProvider } from '../support/login-provider.ts'
import { PERSON, SECRET, startLoginProvider } from '../support/login-provider.ts'
import { startUpstream } from '../support/upstream.ts'

const upstream = await startUpstream()

/** One that signs by RSA, and one by an elliptic curve; to the gateway `rsa` and `curve`. */
const IDS = { rsa: 'RS256', curve: 'ES256' } as const
type Id = keyof typeof IDS

const started: { gateway?: Gateway } = {}
const providers = { rsa: await startFor('rsa'), curve: await startFor('curve') }

function startFor(id: Id): Promise<LoginProvider> {
  const base = `${ISSUER}/auth/providers/${id}`
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const registered = {
    callback: `${base}/callback`,
    backchannelLogout: `${base}/backchannel-logout`,
    postLogout: `${ISSUER}/auth/sign-in`,
    deliver: async (body: string) => {
      const target = `/auth/providers/${id}/backchannel-logout`
      return (await gateway().send(target, { method: 'POST', headers, body })).status
    },
  }
  return startLoginProvider(registered, IDS[id])
}

function gateway(): Gateway {
  if (started.gateway === undefined) throw new Error('the gateway has not started')
  return started.gateway
}

beforeAll(async () => {
  const entries = [
    { id: 'rsa', issuer: providers.rsa.issuer, client_id: 'gatehouse' },
    { id: 'curve', issuer: providers.curve.issuer, client_id: 'gatehouse', scopes: ['openid'] },
  ]
  started.gateway = await startGateway({
    vars: {
      PROVIDERS: entries,
      PROVIDER_RSA_SECRET: SECRET,
      PROVIDER_CURVE_SECRET: SECRET,
      ROUTES: [{ path: '/*', upstream: upstream.origin }],
    },
    rateLimits: ['SIGN_IN_LIMIT'],
  })
})

interface Page {
  readonly url: URL
  readonly status: number
  readonly text: string
}

/** A browser with a jar for each site, that follows every redirect but those to the gateway's own pages. */
function createVisitor() {
  const jars = new Map<string, Map<string, string>>()

  async function request(url: URL, form?: URLSearchParams): Promise<Page & { readonly next: string | null }> {
    const jar = jars.get(url.origin) ?? new Map<string, string>()
    jars.set(url.origin, jar)
    const headers = {
      Cookie: [...jar].map((pair) => pair.join('=')).join('; '),
      ...(form === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }),
      'Sec-Fetch-Site': form === undefined && url.pathname.endsWith('/callback') ? 'cross-site' : 'same-origin',
    }
    const answer = await (url.origin === ISSUER ? askGateway : askProvider)(url, headers, form?.toString())
    for (const line of answer.cookies) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0|expires=Thu, 01 Jan 1970/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    return { url, ...answer }
  }

  async function visit(start: string, form?: URLSearchParams): Promise<Page> {
    let page = await request(new URL(start), form)
    while (page.next !== null && !page.next.startsWith('/auth/account')) {
      page = await request(new URL(page.next, page.url))
    }
    return page
  }

  return {
    visit,
    /** One step: where a page sends the browser to. */
    step: async (url: string, form?: URLSearchParams) => (await request(new URL(url), form)).next ?? '',
    session: async (): Promise<JsonObject> => {
      const body: unknown = JSON.parse((await request(new URL(`${ISSUER}/auth/session`))).text)
      return isObject(body) ? body : {}
    },
  }
}

async function askGateway(url: URL, headers: Record<string, string>, body?: string) {
  const method = body === undefined ? 'GET' : 'POST'
  const answer = await gateway().send(`${url.pathname}${url.search}`, {
    method,
    headers,
    ...(body !== undefined && { body }),
  })
  return {
    status: answer.status,
    text: answer.body.toString(),
    next: valuesOf(answer, 'Location')[0] ?? null,
    cookies: valuesOf(answer, 'Set-Cookie'),
  }
}

async function askProvider(url: URL, headers: Record<string, string>, body?: string) {
  const method = body === undefined ? 'GET' : 'POST'
  const answer = await fetch(url, { method, headers, redirect: 'manual', ...(body !== undefined && { body }) })
  return {
    status: answer.status,
    text: await answer.text(),
    next: answer.headers.get('Location'),
    cookies: answer.headers.getSetCookie(),
  }
}

const startUrl = (id: Id, returnTo = '') => `${ISSUER}/auth/providers/${id}/start${returnTo}`

describe.each<[Id]>([['rsa'], ['curve']])('a real provider, %s', (id) => {
  it('signs a person in, the same user each time', async () => {
    const [first, second] = [createVisitor(), createVisitor()]
    const page = await first.visit(startUrl(id))
    expect([page.url.pathname, page.status]).toEqual([`/auth/providers/${id}/callback`, 303])
    await second.visit(startUrl(id))
    const { subject } = await first.session()
    expect(subject).toMatch(/^usr_/)
    expect((await second.session())['subject']).toBe(subject)
    const row = await gateway()
      .db.prepare('SELECT subject FROM identities WHERE provider = ?1 AND user_id = ?2')
      .bind(id, subject)
      .first('subject')
    expect(row).toBe(PERSON)
  })

  it('signs in two tabs at once', async () => {
    const visitor = createVisitor()
    const tabs = [await visitor.step(startUrl(id)), await visitor.step(startUrl(id))]
    for (const location of tabs) expect((await visitor.visit(location)).status).toBe(303)
  })

  it('is signed out of by signing out here, and sends the browser back', async () => {
    const visitor = createVisitor()
    await visitor.visit(startUrl(id))
    const out: unknown = JSON.parse((await visitor.visit(`${ISSUER}/auth/sign-out`, new URLSearchParams())).text)
    const page = await visitor.visit(isObject(out) ? String(out['provider_logout']) : '')
    const xsrf = /name="xsrf" value="(\w+)"/.exec(page.text)?.[1] ?? ''
    const action = /action="([^"]+)"/.exec(page.text)?.[1] ?? ''
    const back = await visitor.step(action, new URLSearchParams({ xsrf, logout: 'yes' }))
    expect(back).toBe(`${ISSUER}/auth/sign-in`)
  })

  it('ends the session that it began when the person signs out there, and no other', async () => {
    const [here, elsewhere] = [createVisitor(), createVisitor()]
    await here.visit(startUrl(id))
    await elsewhere.visit(startUrl(id))
    const page = await here.visit(`${providers[id].issuer}/session/end`)
    const xsrf = /name="xsrf" value="(\w+)"/.exec(page.text)?.[1] ?? ''
    const before = providers[id].delivered.length
    await here.visit(`${providers[id].issuer}/session/end/confirm`, new URLSearchParams({ xsrf, logout: 'yes' }))
    await expect.poll(() => providers[id].delivered.slice(before).map(({ status }) => status)).toEqual([200])
    expect(await here.session()).not.toHaveProperty('subject')
    expect(await elsewhere.session()).toHaveProperty('subject')
  })

  it('may send its logout token again, which is refused', async () => {
    const [last] = providers[id].delivered.slice(-1)
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const target = `/auth/providers/${id}/backchannel-logout`
    expect((await gateway().send(target, { method: 'POST', headers, body: last?.body ?? '' })).status).toBe(400)
  })
})

describe('two real providers', () => {
  it('are linked to one user, who signs in by either', async () => {
    const [first, second] = [createVisitor(), createVisitor()]
    await gateway().db.prepare("DELETE FROM identities WHERE provider = 'curve'").run()
    // Asked for by `max_age`, the provider says when the person signed in: recently enough to link another.
    await first.visit(startUrl('rsa', '?prompt=login'))
    const { subject, session } = await first.session()
    expect((await first.visit(startUrl('curve'), new URLSearchParams())).status).toBe(303)
    expect((await first.session())['session']).toBe(session)
    await second.visit(startUrl('curve'))
    expect((await second.session())['subject']).toBe(subject)
  })
})
