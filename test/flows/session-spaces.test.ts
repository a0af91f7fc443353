// Upstreams that control sessions: each in its own space of user ids, and none of users who administer the gateway.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { administrator, trail } from '../support/admin.ts'
import { cookieHeader, createWorld, insertUser, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const control = (path: string, session_control: unknown) => ({
  path,
  upstream: UPSTREAM,
  access: 'optional',
  revocation: 'expiry',
  session_control,
})

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
  control('/plain', true),
  control('/trusted', { administrators: true }),
  control('/shop', { subject_prefix: 'shop:' }),
  control('/shop-eu', { subject_prefix: 'shop:eu:' }),
  control('/blog', { subject_prefix: 'blog:', administrators: true }),
]

/** Its upstream answers a POST with what `say` was last given; `$` stands for the control. */
async function start(vars = {}) {
  const saying = { members: '' }
  const world = await createWorld({
    routes,
    vars,
    upstream: (request) => {
      const value = request.headers.get('Gatehouse-Control') ?? ''
      const header = saying.members.replaceAll('$', `control="${value}"`)
      return new Response('said', { headers: request.method === 'POST' ? { 'Gatehouse-Session': header } : {} })
    },
  })
  async function say(path: string, members: string, cookie = '', transport = 'cookie'): Promise<Response> {
    saying.members = members
    const headers = { 'Sec-Fetch-Site': 'same-origin', 'Gatehouse-Transport': transport }
    return world.send(path, { method: 'POST', headers: { ...headers, ...(cookie !== '' && { Cookie: cookie }) } })
  }
  return { world, say }
}

async function subjectOf(world: World, response: Response): Promise<unknown> {
  const session = await world.send('/auth/session', { headers: { Cookie: cookieHeader(response) } })
  return Object(await session.json())['subject']
}

async function isAlive(world: World, cookie: string): Promise<boolean> {
  return (await world.send('/strict/x', { headers: { Cookie: cookie } })).status === 200
}

async function everything(): Promise<unknown> {
  const tables = ['users', 'sessions', 'audit_events']
  const results = await env.DB.batch(tables.map((table) => env.DB.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`)))
  return results.map((result) => result.results)
}

describe('a subject_prefix', () => {
  it('stands before the sub of every member', async () => {
    const { world, say } = await start()
    const opened = await say('/shop', 'open;sub="42";roles="buyer";$')
    expect(await subjectOf(world, opened)).toBe('shop:42')
    const cookie = cookieHeader(opened)
    await say('/shop', 'change;sub="42";roles="seller";$')
    const session = await world.send('/auth/session', { headers: { Cookie: cookie } })
    expect(await session.json()).toMatchObject({ subject: 'shop:42', roles: ['seller'] })
    await say('/shop', 'end-all;sub="42";$')
    expect(await isAlive(world, cookie)).toBe(false)
    await world.send('/x', { headers: { Cookie: cookieHeader(await say('/shop', 'open;sub="43";$')) } })
    expect(world.seen.at(-1)?.headers.get('Gatehouse-Subject')).toBe('shop:43')
  })

  it('keeps equal subs of two upstreams apart', async () => {
    const { world, say } = await start()
    const [shop, blog] = [await say('/shop', 'open;sub="42";$'), await say('/blog', 'open;sub="42";$')]
    expect([await subjectOf(world, shop), await subjectOf(world, blog)]).toEqual(['shop:42', 'blog:42'])
    await say('/blog', 'end-all;sub="42";$')
    expect(await isAlive(world, cookieHeader(shop))).toBe(true)
  })

  it.each([
    ['/shop', 'eu:42', 'the longer prefix of another route'],
    ['/plain', 'shop:42', 'the prefix of another route'],
    ['/plain', 'Shop:42', 'the prefix of another route in another case'],
    ['/shop', 'EU:42', 'the longer prefix of another route in another case'],
    ['/plain', 'shop:eu:42', 'the longest prefix of another route'],
    ['/shop', 'x'.repeat(251), 'too long with the prefix'],
    ['/shop', '', 'empty'],
    ['/shop', 'a b', 'no user id'],
  ])('on %s refuses %j: %s', async (path, sub) => {
    const { world, say } = await start()
    const before = await everything()
    for (const action of ['open', 'change', 'end-all']) {
      const response = await say(path, `${action};sub="${sub}";$`)
      expect([response.status, response.headers.getSetCookie()]).toEqual([502, []])
    }
    expect(await everything()).toEqual(before)
    expect(world.logged.map(({ code, reason }) => [code, reason])).toContainEqual(['invalid_session_control', 'sub'])
  })

  it('takes the longest sub that fits', async () => {
    const { world, say } = await start()
    const sub = 'x'.repeat(250)
    expect(await subjectOf(world, await say('/shop', `open;sub="${sub}";$`))).toBe(`shop:${sub}`)
  })

  it('names no user of the gateway’s own, whatever follows it', async () => {
    const { world, say } = await start()
    expect(await subjectOf(world, await say('/shop', `open;sub="${user.id}";$`))).toBe(`shop:${user.id}`)
  })
})

describe('the subject_prefix of an issuer', () => {
  it.each(['Idp:42', 'idp:42', 'IDP:42'])('is out of reach of every upstream: %s', async (sub) => {
    const ISSUERS = [{ issuer: 'https://idp.example.net', audience: ['a'], subject_prefix: 'Idp:' }]
    const { say } = await start({ ISSUERS })
    expect((await say('/plain', `open;sub="${sub}";$`)).status).toBe(502)
    expect((await say('/plain', 'open;sub="id:42";$')).status).toBe(200)
  })
})

describe('a session of another space', () => {
  it.each(['cookie', 'token'])('is not ended by `end` (%s), and its cookies stay', async (transport) => {
    const { world, say } = await start()
    const cookie = await world.signInForCookies()
    const response = await say('/shop', 'end;$', cookie, transport)
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
    expect(await isAlive(world, cookie)).toBe(true)
  })

  it('is not ended by `open`, which the browser goes on with', async () => {
    const { world, say } = await start()
    const cookie = await world.signInForCookies()
    const opened = await say('/shop', 'open;sub="42";$', cookie)
    expect(await subjectOf(world, opened)).toBe('shop:42')
    expect(await isAlive(world, cookie)).toBe(true)
  })

  it('is not ended by a route without a prefix either, where it has one of another route', async () => {
    const { world, say } = await start()
    const cookie = cookieHeader(await say('/shop', 'open;sub="42";$'))
    await say('/plain', 'end;$', cookie)
    await say('/plain', 'open;sub="1";$', cookie)
    expect(await isAlive(world, cookie)).toBe(true)
  })

  it('is ended and replaced in its own', async () => {
    const { world, say } = await start()
    const first = cookieHeader(await say('/shop', 'open;sub="42";$'))
    const second = cookieHeader(await say('/shop', 'open;sub="43";$', first))
    expect([await isAlive(world, first), await isAlive(world, second)]).toEqual([false, true])
    const ended = await say('/shop', 'end;$', second)
    expect(ended.headers.getSetCookie()).toHaveLength(2)
    expect(await isAlive(world, second)).toBe(false)
  })

  it('costs one read more, where there are spaces and a session', async () => {
    const { world, say } = await start()
    const cookie = cookieHeader(await say('/shop', 'open;sub="42";$'))
    world.count()
    await say('/shop', 'change;sub="42";roles="x";$')
    const without = world.count().roundTrips
    await say('/shop', 'change;sub="42";roles="y";$', cookie)
    expect(world.count().roundTrips).toBe(without + 1)
  })
})

describe('a user who holds a scope of the gateway', () => {
  const scopes = ['gatehouse:admin', 'GATEHOUSE:admin', 'Gatehouse:introspect', 'gatehouse:', 'gatehouse:x']

  it.each(scopes)('(%s) is not opened, changed or ended, and nothing of the header is done', async (scope) => {
    const { world, say } = await start()
    await insertUser({ ...administrator, scopes: ['orders:read', scope] })
    const before = await everything()
    for (const member of ['open', 'change', 'end-all']) {
      const response = await say(
        '/plain',
        `open;sub="41";$, ${member.replace('open', 'change')};sub="${administrator.id}";$`,
      )
      expect([response.status, response.headers.getSetCookie()]).toEqual([502, []])
      expect((await say('/plain', `${member};sub="${administrator.id}";$`)).status).toBe(502)
    }
    expect(await everything()).toEqual(before)
    expect(world.logged.every(({ reason }) => reason === 'a user with a scope of the gateway')).toBe(true)
  })

  it.each(['orders:gatehouse:admin', 'gatehouse', 'gatehousekeeping', 'xgatehouse:admin'])(
    'is not one who holds %s',
    async (scope) => {
      const { say } = await start()
      await insertUser({ ...administrator, scopes: [scope] })
      expect((await say('/plain', `open;sub="${administrator.id}";$`)).status).toBe(200)
    },
  )

  it('is opened, changed and ended where the route says so', async () => {
    const { world, say } = await start()
    await insertUser(administrator)
    const opened = await say('/trusted', `open;sub="${administrator.id}";$`)
    expect(await subjectOf(world, opened)).toBe(administrator.id)
    expect((await say('/trusted', `end-all;sub="${administrator.id}";$`)).status).toBe(200)
    expect(await isAlive(world, cookieHeader(opened))).toBe(false)
  })

  it('is still out of reach of another space that may administer', async () => {
    const { world, say } = await start()
    await insertUser(administrator)
    expect(await subjectOf(world, await say('/blog', `open;sub="${administrator.id}";$`))).toBe(
      `blog:${administrator.id}`,
    )
  })

  it('is refused where the scope comes between the check and the commit', async () => {
    const { world, say } = await start()
    await say('/plain', 'open;sub="42";$')
    const { DB } = env
    const batch = DB.batch.bind(DB)
    let granted = 0
    const racing = Object.assign(Object.create(DB), {
      prepare: DB.prepare.bind(DB),
      batch: async (statements: D1PreparedStatement[]) => {
        if (statements.length > 2) {
          granted += 1
          await DB.prepare(`UPDATE users SET scopes = '["gatehouse:admin"]' WHERE id = '42'`).run()
        }
        return batch(statements)
      },
    })
    const isolate = { ...world.env, DB: racing }
    const init = { method: 'POST', headers: { 'Sec-Fetch-Site': 'same-origin' } }
    expect((await world.sendIn(isolate, '/plain', init)).status).toBe(502)
    expect(granted).toBe(1)
  })

  it('signs out of this browser by `end`, since the session was theirs to end', async () => {
    const { world, say } = await start()
    const cookie = await world.signInForCookies()
    await env.DB.prepare(`UPDATE users SET scopes = '["gatehouse:admin"]' WHERE id = ?1`).bind(user.id).run()
    expect((await say('/plain', 'end;$', cookie)).status).toBe(200)
    expect(await isAlive(world, cookie)).toBe(false)
  })

  it('leaves no event of what was refused', async () => {
    const { say } = await start()
    await insertUser(administrator)
    const before = await trail()
    await say('/plain', `end-all;sub="${administrator.id}";$`)
    expect(await trail()).toEqual(before)
  })
})
