// An API behind the gateway signs its users in, out and changes them by one response header (DESIGN §9.3).
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import worker from '../../src/index.ts'
import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { administrator } from '../support/admin.ts'
import { cookieHeader, createWorld, insertUser, ISSUER, UPSTREAM, user } from '../support/world.ts'
import type { Seen, World, WorldOptions } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/expiry/*', upstream: UPSTREAM, revocation: 'expiry' },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
  { path: '/public/*', upstream: UPSTREAM, access: 'public' },
  { path: '/login', upstream: UPSTREAM, access: 'public', session_control: true },
  { path: '/account/*', upstream: UPSTREAM, access: 'optional', session_control: true },
  {
    path: '/app/login',
    upstream: UPSTREAM,
    access: 'public',
    session_control: true,
    cors: { origins: ['https://app.example.com'], credentials: true },
  },
]

const BROWSER = { 'Sec-Fetch-Site': 'same-origin' }
const CLIENT = { 'Gatehouse-Transport': 'token' }

/** What the upstream says of sessions, from the control that it was sent. */
type Says = (control: string, request: Request) => string | readonly string[]

interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly options?: WorldOptions
}

/** A world whose upstream answers each POST with that header, and every other request plainly. */
function worldWhere(says: Says, { status = 200, headers = {}, options = {} }: Answer = {}): Promise<World> {
  return createWorld({
    routes,
    ...options,
    upstream: (request) => {
      if (request.method === 'GET') return Response.json({ from: 'upstream' })
      const answer = new Response(status === 204 || status === 304 ? null : 'said', { status, headers })
      const said = says(request.headers.get('Gatehouse-Control') ?? 'none', request)
      for (const line of typeof said === 'string' ? [said] : said) answer.headers.append('Gatehouse-Session', line)
      return answer
    },
  })
}

/** Each member with the control that belongs to the request. */
function echoing(...members: readonly string[]): Says {
  return (control) => members.map((member) => `${member};control="${control}"`).join(', ')
}

function post(world: World, path: string, headers: Record<string, string> = BROWSER): Promise<Response> {
  return world.send(path, { method: 'POST', body: 'name=ada', headers })
}

function controlOf(seen: Seen | undefined): string | null {
  return seen?.headers.get('Gatehouse-Control') ?? null
}

async function whoAmI(world: World, headers: Record<string, string>): Promise<JsonObject> {
  const response = await world.send('/auth/session', { headers })
  const body: unknown = await response.json()
  return isObject(body) ? { status: response.status, ...body } : {}
}

interface UserRow {
  readonly roles: string
  readonly scopes: string
  readonly claims: string
  readonly token_version: number
  readonly session_epoch: number
}

function rowOf(id: string): Promise<UserRow | null> {
  return env.DB.prepare('SELECT roles, scopes, claims, token_version, session_epoch FROM users WHERE id = ?1')
    .bind(id)
    .first<UserRow>()
}

async function everything(): Promise<unknown> {
  const [users, sessions] = await env.DB.batch([
    env.DB.prepare('SELECT * FROM users ORDER BY id'),
    env.DB.prepare('SELECT * FROM sessions ORDER BY id'),
  ])
  return [users?.results, sessions?.results]
}

function bearer(access: string): Record<string, string> {
  return { Authorization: `Bearer ${access}` }
}

describe('open', () => {
  it('signs a browser in, beside what the upstream itself says', async () => {
    const world = await worldWhere(echoing('open;sub="42";roles="staff admin";scope="orders:read";plan="gold"'), {
      headers: { 'Set-Cookie': 'theme=dark; Path=/', 'X-Own': 'kept', 'Cache-Control': 'max-age=60' },
    })
    const response = await post(world, '/login')
    expect([response.status, await response.text(), response.headers.get('X-Own')]).toEqual([200, 'said', 'kept'])
    expect(response.headers.get('Gatehouse-Session')).toBeNull()
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect(response.headers.getSetCookie()).toEqual([
      'theme=dark; Path=/',
      expect.stringMatching(
        /^__Host-gatehouse_session=gth_c_\S+; HttpOnly; Secure; SameSite=Lax; Path=\/; Max-Age=\d+$/,
      ),
      expect.stringMatching(/^__Host-gatehouse_access=[\w.-]+; HttpOnly; Secure; SameSite=Lax; Path=\/; Max-Age=900$/),
    ])
    expect(await whoAmI(world, { Cookie: cookieHeader(response) })).toMatchObject({
      status: 200,
      subject: '42',
      roles: ['staff', 'admin'],
      scope: 'orders:read',
      claims: { plan: 'gold' },
    })
  })

  it('gives tokens to a client that asks for them', async () => {
    const world = await worldWhere(echoing('open;sub="42";scope="orders:read"'))
    const response = await post(world, '/login', CLIENT)
    expect(response.headers.getSetCookie()).toEqual([])
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect(response.headers.get('Gatehouse-Expires-In')).toBe('900')
    const access = response.headers.get('Gatehouse-Access-Token') ?? ''
    expect(await whoAmI(world, bearer(access))).toMatchObject({ subject: '42', scope: 'orders:read' })
    const refreshed = await world.post('/auth/refresh', {
      refresh_token: response.headers.get('Gatehouse-Refresh-Token'),
    })
    expect(refreshed.status).toBe(200)
  })

  it.each(['tokens', 'Token', 'token, token', ''])('gives cookies where the transport is %j', async (transport) => {
    const world = await worldWhere(echoing('open;sub="42"'))
    const response = await post(world, '/login', { ...BROWSER, 'Gatehouse-Transport': transport })
    expect(response.headers.getSetCookie()).toHaveLength(2)
    expect(response.headers.get('Gatehouse-Access-Token')).toBeNull()
  })

  it.each([302, 303])(
    'lets a redirect (%i) keep its Location and carry cookies, whatever the transport',
    async (status) => {
      const world = await worldWhere(echoing('open;sub="42"'), { status, headers: { Location: '/home?a=b' } })
      for (const transport of ['cookie', 'token']) {
        const response = await post(world, '/login', { ...BROWSER, 'Gatehouse-Transport': transport })
        expect([response.status, response.headers.get('Location')]).toEqual([status, '/home?a=b'])
        expect(response.headers.getSetCookie()).toHaveLength(2)
        expect(response.headers.get('Gatehouse-Access-Token')).toBeNull()
      }
    },
  )

  it('leaves as it was what it does not name', async () => {
    const world = await worldWhere(echoing(`open;sub="${user.id}";level=3`))
    const response = await post(world, '/login')
    expect(await whoAmI(world, { Cookie: cookieHeader(response) })).toMatchObject({
      roles: user.roles,
      scope: user.scopes.join(' '),
      claims: { ...user.claims, level: 3 },
    })
  })

  it.each(['open', 'change'])('by %s takes no scope of the gateway away, as it can give none', async (action) => {
    const trusted = { ...routes[4], session_control: { administrators: true } }
    const says = echoing(`${action};sub="${administrator.id}";scope="orders:read gatehousekeeping"`)
    const world = await worldWhere(says, { options: { routes: [trusted] } })
    await insertUser({ ...administrator, scopes: ['a', 'gatehouse:admin', 'gatehouse:introspect'] })
    expect((await post(world, '/login')).status).toBe(200)
    const scopes = ['orders:read', 'gatehousekeeping', 'gatehouse:admin', 'gatehouse:introspect']
    const changed = await rowOf(administrator.id)
    expect(JSON.parse(changed?.scopes ?? '')).toEqual(scopes)
    expect((await post(world, '/login')).status).toBe(200)
    expect(await rowOf(administrator.id)).toEqual(changed)
  })

  it('that changes nothing leaves the tokens of other devices up to date', async () => {
    const world = await worldWhere(echoing(`open;sub="${user.id}";roles="staff";scope="orders:read";tenant="acme"`))
    const before = await rowOf(user.id)
    expect((await post(world, '/login')).status).toBe(200)
    expect(await rowOf(user.id)).toEqual(before)
  })

  it('that takes a role away reaches the tokens of other devices', async () => {
    const world = await worldWhere(echoing(`open;sub="${user.id}";roles=""`))
    const other = await world.signInForTokens()
    await post(world, '/login')
    expect(await whoAmI(world, bearer(other.access))).toMatchObject({ status: 200, roles: [] })
    await world.bearer(other.access, '/orders')
    expect(world.seen.at(-1)?.headers.get('Gatehouse-Roles')).toBeNull()
  })

  it('takes the place of the session that this browser had, of another user even', async () => {
    const world = await worldWhere(echoing('open;sub="42"'))
    const cookie = await world.signInForCookies()
    expect((await post(world, '/login', { ...BROWSER, Cookie: cookie })).status).toBe(200)
    const old = await world.send('/strict/x', { headers: { Cookie: cookie } })
    expect(old.status).toBe(401)
  })

  it('with the token transport leaves the session of the browser alone', async () => {
    const world = await worldWhere(echoing('open;sub="42"'))
    const cookie = await world.signInForCookies()
    const response = await post(world, '/login', { ...BROWSER, ...CLIENT, Cookie: cookie })
    expect(response.headers.getSetCookie()).toEqual([])
    expect((await world.send('/strict/x', { headers: { Cookie: cookie } })).status).toBe(200)
  })

  it('never outlives a renewal that went before it in the same request', async () => {
    const world = await worldWhere(echoing('open;sub="42"'))
    const [session = ''] = (await world.signInForCookies()).split('; ')
    const response = await post(world, '/account/switch', { ...BROWSER, Cookie: session })
    expect(response.headers.getSetCookie()).toHaveLength(2)
    expect(await whoAmI(world, { Cookie: cookieHeader(response) })).toMatchObject({ subject: '42' })
  })

  it('keeps within max_per_user', async () => {
    const world = await worldWhere(echoing('open;sub="42"'), {
      options: { vars: { SESSIONS: { max_per_user: 1 } } },
    })
    const first = await post(world, '/login')
    const second = await post(world, '/login')
    const status = async (response: Response) =>
      (await world.send('/strict/x', { headers: { Cookie: cookieHeader(response) } })).status
    expect([await status(first), await status(second)]).toEqual([401, 200])
  })

  it.each(['usr_0000000000000000000002', 'cli_1', 'key_1'])('never makes a user of the id %s', async (id) => {
    const world = await worldWhere(echoing(`open;sub="${id}"`))
    const response = await post(world, '/login')
    expect([response.status, response.headers.getSetCookie()]).toEqual([502, []])
    expect(await rowOf(id)).toBeNull()
  })

  it('of a disabled user is refused like a wrong password, and nothing that came with it is done', async () => {
    const world = await worldWhere(echoing(`change;sub="41";roles="x"`, 'end', `open;sub="${user.id}";roles="admin"`))
    const cookie = await world.signInForCookies()
    await env.DB.prepare("INSERT INTO users (id, token_version, created_at, changed_at) VALUES ('41', 1, 1, 1)").run()
    await env.DB.prepare('UPDATE users SET disabled_at = 1 WHERE id = ?1').bind(user.id).run()
    const before = await everything()
    const response = await post(world, '/login', { ...BROWSER, Cookie: cookie })
    expect([response.status, response.headers.getSetCookie()]).toEqual([401, []])
    expect(await response.json()).toMatchObject({ code: 'invalid_sign_in' })
    expect(await everything()).toEqual(before)
  })

  it.each([
    [0, 200],
    [1, 502],
  ])('that makes a profile of 1.5 KB and %i bytes, with what is there, is %i', async (more, status) => {
    const claims = { tenant: 'ä"\\' }
    const { roles, scopes } = user
    const length = 1536 + more - Buffer.byteLength(JSON.stringify({ roles, scopes, claims: { ...claims, note: '' } }))
    const world = await worldWhere(echoing('end', `open;sub="${user.id}";note="${'x'.repeat(length)}"`))
    const cookie = await world.signInForCookies()
    await env.DB.prepare('UPDATE users SET claims = ?1').bind(JSON.stringify(claims)).run()
    const before = await everything()
    const response = await post(world, '/login', { ...BROWSER, Cookie: cookie })
    expect([response.status, response.headers.getSetCookie().length]).toEqual([status, status === 200 ? 2 : 0])
    if (status === 502) expect(await everything()).toEqual(before)
  })

  it('in cookies is refused on a host that is not the home of cookies, and opens tokens there', async () => {
    const world = await worldWhere(echoing('open;sub="42"'))
    const url = 'https://tenant.example.com/login'
    const cookies = await world.send(url, { method: 'POST', headers: BROWSER })
    expect([cookies.status, cookies.headers.getSetCookie(), await rowOf('42')]).toEqual([502, [], null])
    const tokens = await world.send(url, { method: 'POST', headers: CLIENT })
    expect(tokens.headers.get('Gatehouse-Access-Token')).not.toBeNull()
  })
})

describe('end', () => {
  it('signs a browser out, by its cookie where the route asks for no identity', async () => {
    const world = await worldWhere(echoing('end'))
    const cookie = await world.signInForCookies()
    const response = await post(world, '/login', { ...BROWSER, Cookie: cookie })
    expect(response.headers.getSetCookie()).toEqual([
      '__Host-gatehouse_session=; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=0',
      '__Host-gatehouse_access=; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=0',
    ])
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect((await world.send('/strict/x', { headers: { Cookie: cookie } })).status).toBe(401)
    expect((await world.send('/orders', { headers: { Cookie: cookie } })).status).toBe(401)
  })

  it('beats a renewal that went before it in the same request', async () => {
    const world = await worldWhere(echoing('end'))
    const [session = ''] = (await world.signInForCookies()).split('; ')
    const response = await post(world, '/account/logout', { ...BROWSER, Cookie: session })
    expect(response.headers.getSetCookie().map((line) => line.includes('Max-Age=0'))).toEqual([true, true])
  })

  it('signs an API client out, and leaves a browser beside it alone', async () => {
    const world = await worldWhere(echoing('end'))
    const { access } = await world.signInForTokens()
    const cookie = await world.signInForCookies()
    const response = await post(world, '/account/logout', { ...bearer(access), Cookie: cookie })
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
    expect((await world.bearer(access, '/strict/x')).status).toBe(401)
    expect((await world.send('/strict/x', { headers: { Cookie: cookie } })).status).toBe(200)
  })

  it('ends nothing where nobody is signed in, and still clears cookies', async () => {
    const world = await worldWhere(echoing('end'))
    const { access } = await world.signInForTokens()
    const response = await post(world, '/account/logout')
    expect([response.status, response.headers.getSetCookie().length]).toEqual([200, 2])
    expect((await world.bearer(access, '/strict/x')).status).toBe(200)
  })

  it('does not end the session of a cookie that was forged', async () => {
    const world = await worldWhere(echoing('end'))
    const cookie = await world.signInForCookies()
    const forged = cookie.replace(/(gatehouse_session=\S*)[^;](; |$)/, '$1!$2')
    expect((await post(world, '/login', { ...BROWSER, Cookie: forged })).status).toBe(200)
    expect((await world.send('/strict/x', { headers: { Cookie: cookie } })).status).toBe(200)
  })
})

describe('end-all', () => {
  it('ends every session of the named user, this one with its cookies, and of nobody else', async () => {
    const world = await worldWhere(echoing(`end-all;sub="${user.id}"`))
    const { access } = await world.signInForTokens()
    const cookie = await world.signInForCookies()
    const response = await post(world, '/login', { ...BROWSER, Cookie: cookie })
    expect(response.headers.getSetCookie().map((line) => line.includes('Max-Age=0'))).toEqual([true, true])
    expect((await world.bearer(access, '/strict/x')).status).toBe(401)
    expect((await world.send('/orders', { headers: { Cookie: cookie } })).status).toBe(401)
  })

  it('of another user leaves this browser signed in', async () => {
    const world = await worldWhere(echoing('end-all;sub="42"'))
    const cookie = await world.signInForCookies()
    const response = await post(world, '/login', { ...BROWSER, Cookie: cookie })
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
    expect((await world.send('/strict/x', { headers: { Cookie: cookie } })).status).toBe(200)
  })

  it('before an open signs the same user in anew, after it signs him out', async () => {
    const before = await worldWhere(echoing('end-all;sub="42"', 'open;sub="42"'))
    await post(before, '/login')
    const signedIn = await post(before, '/login')
    expect(await whoAmI(before, { Cookie: cookieHeader(signedIn) })).toMatchObject({ status: 200, subject: '42' })

    const after = await worldWhere(echoing('open;sub="42"', 'end-all;sub="42"'))
    const signedOut = await post(after, '/login', CLIENT)
    expect([signedOut.status, signedOut.headers.get('Gatehouse-Access-Token')]).toEqual([200, null])
  })
})

describe('change', () => {
  it('reaches running tokens and signs nobody out', async () => {
    const world = await worldWhere(echoing(`change;sub="${user.id}";roles="staff admin";scope="";level=2`))
    const { access } = await world.signInForTokens()
    const cookie = await world.signInForCookies()
    const response = await post(world, '/account/promote', bearer(access))
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
    expect((await world.bearer(access, '/orders')).status).toBe(200)
    expect(world.seen.at(-1)?.headers.get('Gatehouse-Roles')).toBe('staff,admin')
    expect(world.seen.at(-1)?.headers.get('Gatehouse-Scope')).toBeNull()
    const renewed = await world.send('/orders', { headers: { Cookie: cookie } })
    expect([renewed.status, renewed.headers.getSetCookie().length]).toEqual([200, 1])
    expect(await whoAmI(world, bearer(access))).toMatchObject({ claims: { tenant: 'acme', level: 2 } })
  })

  it('of a user who is not there changes nothing and makes nobody', async () => {
    const world = await worldWhere(echoing('change;sub="42";roles="admin"'))
    expect((await post(world, '/login')).status).toBe(200)
    expect(await rowOf('42')).toBeNull()
  })

  it('before an open is what the opened session has', async () => {
    const world = await worldWhere(
      echoing(
        `change;sub="${user.id}";roles="a";x=1`,
        `change;sub="${user.id}";roles="b";y=2`,
        `open;sub="${user.id}"`,
      ),
    )
    const response = await post(world, '/login')
    expect(await whoAmI(world, { Cookie: cookieHeader(response) })).toMatchObject({
      roles: ['b'],
      claims: { tenant: 'acme', x: 1, y: 2 },
    })
  })

  it('leaves out the cookies of a renewal that it has outdated; the next request is renewed', async () => {
    const world = await worldWhere(echoing(`change;sub="${user.id}";roles="admin"`))
    const [session = ''] = (await world.signInForCookies()).split('; ')
    const response = await post(world, '/account/promote', { ...BROWSER, Cookie: session })
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
    expect(await whoAmI(world, { Cookie: session })).toMatchObject({ status: 200, roles: ['admin'] })
  })
})

describe('a header that does not echo this request’s control', () => {
  const earlier = { control: '' }
  it.each<[string, Says]>([
    ['without control', () => 'open;sub="admin"'],
    ['with a guess', () => 'open;sub="admin";control="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"'],
    ['reflected from the client', (_, request) => request.headers.get('X-Reflected') ?? ''],
    ['reflected beside a good one', (c, request) => [request.headers.get('X-Reflected') ?? '', `end;control="${c}"`]],
    ['reflected after a good one', (c, request) => [`end;control="${c}"`, request.headers.get('X-Reflected') ?? '']],
    ['doubled', (c) => [`open;sub="1";control="${c}"`, `open;sub="2";control="${c}"`]],
    ['malformed', (c) => `open;sub="admin;control="${c}"`],
    ['unknown', (c) => `promote;sub="admin";control="${c}"`],
    ['empty', () => ''],
  ])('%s is 502: nothing is set, nothing is changed', async (_, says) => {
    const world = await worldWhere(says, { headers: { 'Set-Cookie': 'theme=dark' } })
    const cookie = await world.signInForCookies()
    const before = await everything()
    world.count()
    const response = await post(world, '/login', {
      ...BROWSER,
      Cookie: cookie,
      'Gatehouse-Session': 'open;sub="admin"',
      'X-Reflected': `open;sub="admin";control="${'A'.repeat(43)}"`,
    })
    expect([response.status, response.headers.getSetCookie()]).toEqual([502, []])
    expect(await response.json()).toMatchObject({ code: 'invalid_session_control' })
    expect(await everything()).toEqual(before)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
    expect(world.seen[0]?.headers.get('Gatehouse-Session')).toBeNull()
  })

  it('from a cache, with the control of an earlier request, is 502', async () => {
    const world = await worldWhere((control) => {
      earlier.control ||= control
      return `open;sub="42";control="${earlier.control}"`
    })
    expect((await post(world, '/login')).status).toBe(200)
    const replayed = await post(world, '/login')
    expect([replayed.status, replayed.headers.getSetCookie()]).toEqual([502, []])
  })
})

describe('Gatehouse-Control', () => {
  it('is 256 random bits, new with each request, and never what the client sent', async () => {
    const world = await worldWhere(echoing('end'))
    await post(world, '/login', { ...BROWSER, 'Gatehouse-Control': 'mine', gatehouse_control: 'mine' })
    await world.send('/login')
    const [first, second] = world.seen.map(controlOf)
    expect([first, second]).toEqual([expect.stringMatching(/^[\w-]{43}$/), expect.stringMatching(/^[\w-]{43}$/)])
    expect(first).not.toBe(second)
    expect(world.seen[0]?.headers.get('gatehouse_control')).toBeNull()
  })

  it('goes to upstreams with session control only, and with no preflight', async () => {
    const world = await worldWhere(echoing('end'))
    await post(world, '/public/x')
    const headers = { Origin: 'https://elsewhere.example', 'Access-Control-Request-Method': 'POST' }
    await world.send('/login', { method: 'OPTIONS', headers })
    expect(world.seen.map(controlOf)).toEqual([null, null])
  })
})

describe('where the header is dead', () => {
  it.each([
    ['/public/x', 200],
    ['/public/x', 302],
    ['/login', 400],
    ['/login', 401],
    ['/login', 422],
    ['/login', 500],
    ['/login', 503],
  ])('%s answering %i: it does nothing and never leaves', async (path, status) => {
    const world = await worldWhere(echoing('open;sub="42"', 'end'), { status, headers: { Location: '/' } })
    const cookie = await world.signInForCookies()
    const before = await everything()
    const response = await post(world, path, { ...BROWSER, Cookie: cookie })
    expect([response.status, await response.text()]).toEqual([status, 'said'])
    expect([...response.headers.keys()].filter((name) => name.startsWith('gatehouse'))).toEqual([])
    expect(response.headers.getSetCookie()).toEqual([])
    expect(await everything()).toEqual(before)
  })

  it('an answer to a preflight opens nothing', async () => {
    const world = await worldWhere(echoing('open;sub="42"'))
    const headers = { Origin: ISSUER, 'Access-Control-Request-Method': 'POST' }
    const response = await world.send('/login', { method: 'OPTIONS', headers })
    expect([response.status, response.headers.getSetCookie(), await rowOf('42')]).toEqual([200, [], null])
  })

  it('an answer without the header is an answer like any other', async () => {
    const world = await createWorld({ routes, upstream: () => new Response('plain') })
    const response = await post(world, '/login')
    expect([response.status, await response.text(), response.headers.getSetCookie()]).toEqual([200, 'plain', []])
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })
})

describe('the cross-site check comes before the upstream', () => {
  it.each<[string, string, Record<string, string>, number]>([
    ['POST', '/login', BROWSER, 200],
    ['POST', '/login', { Origin: ISSUER }, 200],
    ['POST', '/login', { 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['POST', '/login', { 'Sec-Fetch-Site': 'same-site', Origin: 'https://app.example.com' }, 403],
    ['POST', '/app/login', { 'Sec-Fetch-Site': 'same-site', Origin: 'https://app.example.com' }, 200],
    ['POST', '/login', { 'Sec-Fetch-Site': 'none' }, 403],
    ['POST', '/login', { Origin: 'null' }, 403],
    ['POST', '/login', { Origin: 'https://evil.example', ...CLIENT }, 403],
    ['POST', '/login', {}, 403],
    ['POST', '/login', CLIENT, 200],
    ['POST', '/login', { Authorization: 'Basic eDp5' }, 403],
    ['PUT', '/login', {}, 403],
    ['PATCH', '/login', { 'Sec-Fetch-Site': 'cross-site' }, 403],
    ['DELETE', '/account/x', {}, 403],
    ['GET', '/login', { 'Sec-Fetch-Site': 'cross-site' }, 200],
    ['POST', '/public/x', { 'Sec-Fetch-Site': 'cross-site' }, 200],
  ])('%s %s with %j is %i', async (method, path, headers, status) => {
    const world = await worldWhere(echoing('open;sub="42"'))
    const response = await world.send(path, { method, headers })
    expect(response.status).toBe(status)
    expect(world.seen).toHaveLength(status === 200 ? 1 : 0)
    if (status === 403) expect(response.headers.getSetCookie()).toEqual([])
  })

  it('passes the bearer token of a client that is no browser', async () => {
    const world = await worldWhere(echoing(`change;sub="${user.id}";roles="x"`))
    const { access } = await world.signInForTokens()
    expect((await world.send('/account/x', { method: 'POST', headers: bearer(access) })).status).toBe(200)
  })

  it.each(['Bearer', 'Bearer junk', 'a good one'])('is not excused by Authorization: %s', async (authorization) => {
    const world = await worldWhere(echoing('open;sub="attacker"'))
    const { access } = await world.signInForTokens()
    const value = authorization.replace('a good one', `Bearer ${access}`)
    const headers = { Cookie: await world.signInForCookies(), Authorization: value, 'Sec-Fetch-Site': 'cross-site' }
    const response = await world.send('/login', { method: 'POST', headers })
    expect([response.status, response.headers.getSetCookie()]).toEqual([403, []])
    expect(world.seen).toEqual([])
  })

  it('lets no shared cache keep the answer that sets cookies, whatever the upstream says', async () => {
    const cached = {
      'CDN-Cache-Control': 'max-age=600',
      'Surrogate-Control': 'max-age=600',
      Expires: 'Thu, 01 Jan 2099',
    }
    const world = await worldWhere(echoing('open;sub="42"'), { headers: cached })
    const { headers } = await post(world, '/login')
    expect(headers.get('Cache-Control')).toBe('no-store')
    expect(Object.keys(cached).filter((name) => headers.has(name))).toEqual([])
  })

  it('refuses a session cookie that came twice, before the upstream hears of it', async () => {
    const world = await worldWhere(echoing('open;sub="42"'))
    const cookie = await world.signInForCookies()
    const response = await post(world, '/login', { ...BROWSER, Cookie: `${cookie}; ${cookie}` })
    expect([response.status, world.seen.length]).toEqual([400, 0])
  })
})

async function failing(): Promise<never> {
  throw new Error('D1_ERROR: Network connection lost.')
}

async function committing(statements: D1PreparedStatement[]): Promise<never> {
  await env.DB.batch(statements)
  return failing()
}

function isolateWith(world: World, name: string, fault: JsonObject): JsonObject {
  return { ...world.env, [name]: Object.assign({}, world.env[name], fault) }
}

describe('when D1 or KV fails', () => {
  it.each([
    ['before', 'open;sub="42"', failing],
    ['before', 'end', failing],
    ['after', 'open;sub="42"', committing],
    ['after', 'end-all;sub="42"', committing],
    ['after', `change;sub="${user.id}";roles="x"`, committing],
  ])('%s the commit of %s, 503 stands in place of the success, and no cookie is touched', async (_, member, batch) => {
    const world = await worldWhere(echoing(member), { headers: { 'Set-Cookie': 'theme=dark' } })
    const cookie = await world.signInForCookies()
    const isolate = isolateWith(world, 'DB', { batch })
    const init = { method: 'POST', headers: { ...BROWSER, Cookie: cookie } }
    const response = await world.sendIn(isolate, '/login', init)
    expect([response.status, response.headers.getSetCookie()]).toEqual([503, []])
    expect(response.headers.get('Retry-After')).toBe('5')
    expect((await world.send('/login', init)).status).toBe(200)
  })

  it('KV: the change is done all the same, and the cron publishes it', async () => {
    const world = await worldWhere(echoing(`change;sub="${user.id}";roles="x"`))
    await world.signInForTokens()
    const before = await env.MARKERS.get(`marker:${user.id}`)
    const isolate = isolateWith(world, 'MARKERS', { put: failing })
    expect((await world.sendIn(isolate, '/login', { method: 'POST', headers: BROWSER })).status).toBe(200)
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBe(before)
    await world.runCron()
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBe(String((await rowOf(user.id))?.token_version))
  })
})

describe('what it costs', () => {
  it.each([
    ['the first sign-in of a user', ['open;sub="42"'], { roundTrips: 2, gets: 0, puts: 1 }],
    ['a later sign-in', [`open;sub="${user.id}"`], { roundTrips: 1, gets: 0, puts: 0 }],
    ['an end of all', [`end-all;sub="${user.id}"`], { roundTrips: 2, gets: 0, puts: 1 }],
    ['a change', [`change;sub="${user.id}";roles="x"`], { roundTrips: 2, gets: 0, puts: 1 }],
    ['a change to what is there', [`change;sub="${user.id}";roles="staff"`], { roundTrips: 1, gets: 0, puts: 0 }],
    ['a change of nobody', ['change;sub="43";roles="staff"'], { roundTrips: 1, gets: 0, puts: 0 }],
  ])('%s: one batch, and at most one put with its confirmation', async (_, members, counts) => {
    const world = await worldWhere(echoing(...members))
    await world.signInForTokens()
    world.count()
    expect((await post(world, '/login')).status).toBe(200)
    expect(world.count()).toEqual(counts)
  })

  it.each([
    ['an end', ['end'], { roundTrips: 2, gets: 0, puts: 1 }],
    [
      'everything at once, of one user',
      ['end', `change;sub="${user.id}";roles="x"`, `end-all;sub="${user.id}"`, `open;sub="${user.id}";roles="y"`],
      { roundTrips: 2, gets: 0, puts: 1 },
    ],
    ['a sign-in in place of somebody else', ['open;sub="42"'], { roundTrips: 3, gets: 0, puts: 2 }],
  ])('%s in a browser: one batch, and a put and its confirmation for each user', async (_, members, counts) => {
    const world = await worldWhere(echoing(...members))
    const cookie = await world.signInForCookies()
    world.count()
    expect((await post(world, '/login', { ...BROWSER, Cookie: cookie })).status).toBe(200)
    expect(world.count()).toEqual(counts)
  })

  it.each([
    ['open;sub="42"', ['answer', 'put']],
    ['end-all;sub="usr_0000000000000000000001"', ['put', 'answer']],
    ['change;sub="usr_0000000000000000000001";roles="x"', ['put', 'answer']],
  ])('%s: in the order %j', async (member, order) => {
    const world = await worldWhere(echoing(member))
    const happened: string[] = []
    const put = async (): Promise<void> => {
      await scheduler.wait(50)
      happened.push('put')
    }
    const context = createExecutionContext()
    const request = new Request<unknown, IncomingRequestCfProperties>(`${ISSUER}/login`, {
      method: 'POST',
      headers: BROWSER,
    })
    const response = await worker.fetch(request, isolateWith(world, 'MARKERS', { put }), context)
    happened.push('answer')
    await waitOnExecutionContext(context)
    expect([response.status, happened]).toEqual([200, order])
  })

  it('publishes the version that D1 has in the end', async () => {
    const world = await worldWhere(echoing('open;sub="42";roles="a"', 'change;sub="42";roles="b"'))
    await post(world, '/login')
    expect(await env.MARKERS.get('marker:42')).toBe(String((await rowOf('42'))?.token_version))
  })
})
