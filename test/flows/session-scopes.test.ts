// Which scopes the tokens of a session have: what its sign-in asked for, and the gateway's own only where it did.
import { env } from 'cloudflare:workers'
import { array, assert, constantFrom, option, property } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { isGatewayScope, scopesOfSession } from '../../src/gateway-scopes.ts'
import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { administrator, askAs } from '../support/admin.ts'
import { basic, makeClient, postForm } from '../support/oauth.ts'
import { ada, createProviderScene, signInBy, whoIs } from '../support/provider-scene.ts'
import { cookieHeader, createWorld, insertUser, ISSUER, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
  { path: '/login', upstream: UPSTREAM, access: 'public', session_control: { administrators: true } },
]

/** What the user of these tests holds; two of them are the gateway's. */
const HELD = ['orders:read', 'gatehouse:admin', 'orders:write', 'gatehousekeeping', 'Gatehouse:introspect']
const ORDINARY = 'orders:read orders:write gatehousekeeping'

async function hold(scopes: readonly string[], id = user.id): Promise<void> {
  const sql = 'UPDATE users SET scopes = ?2, token_version = token_version + 1 WHERE id = ?1'
  await env.DB.prepare(sql).bind(id, JSON.stringify(scopes)).run()
}

async function start(scopes: readonly string[] = HELD): Promise<World> {
  const world = await createWorld({ routes, upstream: sayOpen })
  await hold(scopes)
  return world
}

/** An upstream that signs the user in where it is asked to. */
function sayOpen(request: Request): Response {
  const control = request.headers.get('Gatehouse-Control')
  const headers = { 'Gatehouse-Session': `open;sub="${user.id}";control="${control ?? ''}"` }
  return request.url.endsWith('/login') ? new Response('in', { headers }) : Response.json({})
}

async function signIn(world: World, members: JsonObject): Promise<JsonObject> {
  const body = { email: user.email, password: PASSWORD, transport: 'token', ...members }
  const answer: unknown = await (await world.post('/auth/sign-in', body)).json()
  return isObject(answer) ? answer : {}
}

function scopeIn(token: unknown): unknown {
  const payload = Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()
  const claims: unknown = JSON.parse(payload)
  return isObject(claims) ? claims['scope'] : undefined
}

const accessCookieIn = (cookies: string) => /gatehouse_access=([^;]+)/.exec(cookies)?.[1]

/** Where the scopes of a session that has these tokens can be seen, each asked of D1. */
async function seenOf(world: World, access: string, refresh: string): Promise<readonly unknown[]> {
  const auditor = await makeClient({ scopes: ['gatehouse:introspect'] })
  const introspect = async (token: string) =>
    (await (await postForm(world, '/auth/introspect', { token }, basic(auditor))).json<JsonObject>())['scope']
  await world.bearer(access, '/strict/x')
  const upstream = world.seen.at(-1)?.headers.get('Gatehouse-Scope') ?? ''
  const session = await (await world.bearer(access, '/auth/session')).json<JsonObject>()
  const refreshed = await (await world.post('/auth/refresh', { refresh_token: refresh })).json<JsonObject>()
  const successor = refreshed['refresh_token']
  const again = { grant_type: 'refresh_token', refresh_token: typeof successor === 'string' ? successor : refresh }
  const byOAuth = await (await postForm(world, '/auth/token', again)).json<JsonObject>()
  return [
    upstream,
    session['scope'],
    await introspect(access),
    await introspect(refresh),
    refreshed['scope'],
    scopeIn(refreshed['access_token']),
    byOAuth['scope'],
    scopeIn(byOAuth['access_token']),
  ]
}

/** [what is asked for, what is granted]. */
const ASKED: readonly (readonly [string | null, string])[] = [
  [null, ORDINARY],
  ['gatehouse:admin', 'gatehouse:admin'],
  ['orders:read gatehouse:admin', 'orders:read gatehouse:admin'],
  ['gatehouse:admin orders:read gatehouse:admin', 'orders:read gatehouse:admin'],
  ['Gatehouse:introspect', 'Gatehouse:introspect'],
  ['GATEHOUSE:admin', ''],
  ['gatehouse:*', ''],
  ['nothing:held', ''],
  ['orders:read nothing:held', 'orders:read'],
]

describe('a sign-in', () => {
  it.each(ASKED)('that asks for %j has %j in every token and answer', async (scope, granted) => {
    const world = await start()
    const answer = await signIn(world, scope === null ? {} : { scope })
    expect(answer['scope']).toBe(granted)
    expect(scopeIn(answer['access_token'])).toBe(granted)
    const seen = await seenOf(world, String(answer['access_token']), String(answer['refresh_token']))
    expect(seen).toEqual(seen.map(() => granted))
  })

  it.each(ASKED)('by a form for cookies that asks for %j has %j', async (scope, granted) => {
    const world = await start()
    const form = { email: user.email, password: PASSWORD, ...(scope !== null && { scope }) }
    const headers = { 'Sec-Fetch-Site': 'same-origin', Origin: ISSUER }
    const answer = await world.send('/auth/sign-in', { method: 'POST', body: new URLSearchParams(form), headers })
    expect((await answer.json<JsonObject>())['scope']).toBe(granted)
    const cookies = cookieHeader(answer)
    expect(scopeIn(accessCookieIn(cookies))).toBe(granted)
    const bare = cookies.split('; ').filter((pair) => !pair.includes('access'))
    const renewed = await world.send('/strict/x', { headers: { Cookie: bare.join('; ') } })
    expect(scopeIn(accessCookieIn(cookieHeader(renewed)))).toBe(granted)
    expect(world.seen.at(-1)?.headers.get('Gatehouse-Scope') ?? '').toBe(granted)
  })

  it.each(['', ' ', 'a  b', ' a', 'a ', 'a\tb', 'a"b', 'a\\b', 'é', 'a\u0000', 'x'.repeat(1537)])(
    'that asks for %j is refused, and opens nothing',
    async (scope) => {
      const world = await start()
      expect(await signIn(world, { scope })).toMatchObject({ code: 'invalid_request', status: 400 })
      expect(await env.DB.prepare('SELECT count(*) AS n FROM sessions').first('n')).toBe(0)
    },
  )

  it.each([[['gatehouse:admin']], [null], [1], [{}]])(
    'that asks for %j, which is not a string, is refused',
    async (scope) => {
      expect(await signIn(await start(), { scope })).toMatchObject({ code: 'invalid_request' })
    },
  )

  it('that asked for something never has more than that, whatever its user is granted later', async () => {
    const world = await start(['orders:read'])
    const { access_token: access, refresh_token: refresh } = await signIn(world, { scope: 'orders:read orders:write' })
    await hold(['orders:read', 'orders:write', 'orders:delete', 'gatehouse:admin'])
    const seen = await seenOf(world, String(access), String(refresh))
    expect(seen).toEqual(seen.map(() => 'orders:read orders:write'))
    await hold([])
    const after = await signIn(world, {})
    expect(after['scope']).toBe('')
  })
})

describe('a session that did not ask', () => {
  it('of a provider has no scope of the gateway', async () => {
    const scene = await createProviderScene()
    await signInBy(scene, ada)
    const subject = String((await whoIs(scene, scene.browser))['subject'])
    await hold(HELD, subject)
    expect((await whoIs(scene, scene.browser))['scope']).toBe(ORDINARY)
  })

  it('of an upstream has no scope of the gateway, be its route one for administrators', async () => {
    const world = await start()
    const headers = { 'Gatehouse-Transport': 'token' }
    const answer = await world.send('/login', { method: 'POST', body: 'x', headers })
    const [access, refresh] = ['Gatehouse-Access-Token', 'Gatehouse-Refresh-Token'].map((name) =>
      answer.headers.get(name),
    )
    expect(scopeIn(access)).toBe(ORDINARY)
    const seen = await seenOf(world, access ?? '', refresh ?? '')
    expect(seen).toEqual(seen.map(() => ORDINARY))
  })

  it('of before the migration has no scope of the gateway in new tokens, and stays alive', async () => {
    const world = await start()
    const { access, refresh } = await world.signInForTokens(user.id, ['gatehouse:admin'])
    await env.DB.prepare('UPDATE sessions SET scopes = NULL').run()
    expect((await askAs(world, access, { method: 'GET', path: '/users' })).status).toBe(403)
    const seen = await seenOf(world, access, refresh)
    expect(seen).toEqual(seen.map(() => ORDINARY))
  })
})

describe('the admin API', () => {
  const users = { method: 'GET', path: '/users' }

  it('takes a token that asked for gatehouse:admin, and no other of the same administrator', async () => {
    const world = await start()
    const asked = await signIn(world, { scope: 'gatehouse:admin' })
    const plain = await signIn(world, {})
    const other = await signIn(world, { scope: 'orders:read' })
    const statuses = [asked, plain, other].map(async ({ access_token: token }) => askAs(world, String(token), users))
    expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([200, 403, 403])
  })

  it.each([
    ['that did not ask', null],
    ['that asked for it', ['gatehouse:admin']],
  ])('is not opened to a token of a session %s by a grant after it was minted', async (_, scopes) => {
    const world = await start(['orders:read'])
    const { access, refresh } = await world.signInForTokens(user.id, scopes)
    await hold(HELD)
    for (const send of [1, 2]) {
      expect([send, (await askAs(world, access, users)).status]).toEqual([send, 403])
    }
    expect(
      (await world.sendFresh('/auth/admin/users', { headers: { Authorization: `Bearer ${access}` } })).status,
    ).toBe(403)
    const minted = await (await world.post('/auth/refresh', { refresh_token: refresh })).json<JsonObject>()
    const { status } = await askAs(world, String(minted['access_token']), users)
    expect(status).toBe(scopes === null ? 403 : 200)
  })

  it('is closed at once to a token whose user loses the scope, also when others ask in between', async () => {
    const world = await createWorld({ routes })
    await insertUser(administrator)
    const { access } = await world.signInForTokens(administrator.id, ['gatehouse:admin'])
    expect((await askAs(world, access, users)).status).toBe(200)
    await hold(['orders:read'], administrator.id)
    expect((await askAs(world, access, users)).status).toBe(403)
  })
})

describe('the scopes of a session', () => {
  const scope = constantFrom(...HELD, 'gatehouse:', 'gatehouse:introspect', 'GATEHOUSE:ADMIN', 'a', 'gatehouse')

  it('are never more than its user holds, nor than it asked for, and the gateway’s only by name', () => {
    assert(
      property(option(array(scope)), array(scope), (asked, held) => {
        const scopes = scopesOfSession(asked, held)
        const expected = held.filter((each) => (asked === null ? !isGatewayScope(each) : asked.includes(each)))
        return JSON.stringify(scopes) === JSON.stringify(expected) && scopes.every((each) => held.includes(each))
      }),
    )
  })
})
