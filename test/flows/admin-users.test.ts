// The admin API: finding, creating and changing users, and what is written beside.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { administer, administrator, everything, trail } from '../support/admin.ts'
import type { Ask } from '../support/admin.ts'
import { createWorld, insertUser, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
]

async function start(): Promise<{ readonly world: World; readonly ask: Ask }> {
  const world = await createWorld({ routes })
  return { world, ask: await administer(world) }
}

async function insertPeople(...people: readonly (readonly [id: string, email: string])[]): Promise<void> {
  for (const [id, email] of people) await insertUser({ ...user, id, email })
}

async function idsOf(ask: Ask, query: string): Promise<readonly string[]> {
  const { body } = await ask('GET', `/users${query}`)
  return (Array.isArray(body['users']) ? body['users'] : []).map(({ id }: { readonly id: string }) => id)
}

describe('finding users', () => {
  it('gives one by id, with everything that is known but his password', async () => {
    const { ask } = await start()
    const { status, body, headers } = await ask('GET', `/users/${user.id}`)
    expect(status).toBe(200)
    expect(body).toEqual({
      id: user.id,
      email: user.email,
      has_password: true,
      roles: user.roles,
      scopes: user.scopes,
      claims: user.claims,
      disabled_at: null,
      created_at: expect.any(Number),
      changed_at: 0,
      version: 1,
    })
    expect([headers.get('ETag'), headers.get('Cache-Control')]).toEqual(['"1"', 'no-store'])
  })

  it.each(['a/b', '..', '.', '~', '~YQ', 'a?b', 'a%2Fb', 'a;b', '"'])(
    'reaches whoever has the id %j by its base64url',
    async (id) => {
      const { ask } = await start()
      await insertPeople([id, 'odd@example.com'])
      const { body } = await ask('GET', `/users/~${Buffer.from(id).toString('base64url')}`)
      expect(body['id']).toBe(id)
    },
  )

  it.each([
    ['an unknown id', '/users/nobody'],
    ['broken base64url', '/users/~a'],
    ['base64url of what is no id', `/users/~${Buffer.from('a b').toString('base64url')}`],
    ['base64url of nothing', '/users/~'],
  ])('answers no_route for %s', async (_, path) => {
    const { ask } = await start()
    const { status, body } = await ask('GET', path)
    expect([status, body['code']]).toEqual([404, 'no_route'])
  })

  it('finds by id, by e-mail in any case of ASCII letters, and by the beginning of one', async () => {
    const { ask } = await start()
    await insertPeople(['1', 'bob@example.com'], ['2', 'bobby@example.com'], ['3', 'carol@example.com'])
    expect(await idsOf(ask, '?id=2')).toEqual(['2'])
    expect(await idsOf(ask, '?email=BOB@example.com')).toEqual(['1'])
    expect(await idsOf(ask, '?email_prefix=Bob')).toEqual(['1', '2'])
    expect(await idsOf(ask, '?email_prefix=bobb')).toEqual(['2'])
    expect(await idsOf(ask, '?id=nobody')).toEqual([])
  })

  it.each(['%25', '_', 'b%25', 'b_b', '*', 'b*', '%27', "'%20OR%201=1--", '%5C', '%22'])(
    'reads %s in the beginning of an e-mail as it is written',
    async (prefix) => {
      const { ask } = await start()
      await insertPeople(['1', 'bob@example.com'])
      expect(await idsOf(ask, `?email_prefix=${prefix}`)).toEqual([])
    },
  )

  it('finds an address that has such characters itself', async () => {
    const { ask } = await start()
    await insertPeople(['1', "o'%_*\u{10FFFD}@example.com"], ['2', 'obx@example.com'])
    expect(await idsOf(ask, '?email_prefix=o%27%25_*')).toEqual(['1'])
  })

  it('gives pages that miss nobody and repeat nobody while users come and go', async () => {
    const { ask } = await start()
    await insertPeople(['a', 'a@x.y'], ['b', 'b@x.y'], ['c', 'c@x.y'], ['d', 'd@x.y'])
    const first = await ask('GET', '/users?limit=2')
    expect(first.body['users']).toMatchObject([{ id: 'a' }, { id: 'b' }])
    await env.DB.prepare(`DELETE FROM users WHERE id = 'b'`).run()
    await insertPeople(['aa', 'aa@x.y'], ['cc', 'cc@x.y'])
    const second = await ask('GET', `/users?limit=3&cursor=${String(first.body['next'])}`)
    expect(second.body['users']).toMatchObject([{ id: 'c' }, { id: 'cc' }, { id: 'd' }])
    const third = await ask('GET', `/users?limit=3&cursor=${String(second.body['next'])}`)
    expect(third.body['users']).toMatchObject([{ id: user.id }, { id: administrator.id }])
    expect(third.body['next']).toBeNull()
  })

  it('pages by e-mail where the beginning of one is asked for', async () => {
    const { ask } = await start()
    await insertPeople(['z', 'a1@x.y'], ['y', 'a2@x.y'], ['x', 'a3@x.y'])
    const first = await ask('GET', '/users?email_prefix=a&limit=2')
    expect(first.body['users']).toMatchObject([{ id: 'z' }, { id: 'y' }])
    const second = await ask('GET', `/users?email_prefix=a&limit=2&cursor=${String(first.body['next'])}`)
    expect(second.body).toMatchObject({ users: [{ id: 'x' }, { id: user.id }], next: null })
  })

  it('gives people only: clients and API keys are not among them', async () => {
    const { ask } = await start()
    await insertPeople(['cli_1', 'c@x.y'], ['key_1', 'k@x.y'])
    expect(await idsOf(ask, '')).toEqual([user.id, administrator.id])
    expect([await idsOf(ask, '?id=cli_1'), await idsOf(ask, '?email_prefix=k')]).toEqual([[], []])
    expect([(await ask('GET', '/users/cli_1')).status, (await ask('GET', '/users/key_1')).status]).toEqual([404, 404])
  })

  it.each([
    '?limit=0',
    '?limit=201',
    '?limit=1e2',
    '?limit=1&limit=2',
    '?cursor=%20',
    '?cursor=a',
    '?email=nobody',
    '?email_prefix=',
    '?id=a%20b',
    '?id=a&email=a@b.c',
    '?password=x',
  ])('refuses the query %s', async (query) => {
    const { ask } = await start()
    const { status, body } = await ask('GET', `/users${query}`)
    expect([status, body['code']]).toEqual([400, 'invalid_request'])
  })
})

describe('creating a user', () => {
  it('makes one who can sign in', async () => {
    const { world, ask } = await start()
    const body = {
      email: 'New@example.com',
      password: PASSWORD,
      roles: ['staff'],
      scopes: ['a'],
      claims: { tenant: 'x' },
    }
    const created = await ask('POST', '/users', body)
    expect(created.status).toBe(201)
    expect(created.body).toMatchObject({ email: 'New@example.com'.toLowerCase(), has_password: true, roles: ['staff'] })
    expect(created.headers.get('Location')).toBe(`/auth/admin/users/${String(created.body['id'])}`)
    const signedIn = await world.post('/auth/sign-in', {
      email: 'new@example.com',
      password: PASSWORD,
      transport: 'token',
    })
    expect(await signedIn.json()).toMatchObject({ scope: 'a' })
    expect(await trail()).toEqual([
      {
        actor: administrator.id,
        action: 'user.create',
        target: created.body['id'],
        request_id: expect.any(String),
        details: JSON.stringify({ roles: ['staff'], scopes: ['a'] }),
      },
    ])
  })

  it('takes an id of another system, and gives one of its own where none is given', async () => {
    const { ask } = await start()
    const named = await ask('POST', '/users', { id: 'a/b' })
    expect([named.body['id'], named.headers.get('Location')]).toEqual(['a/b', '/auth/admin/users/~YS9i'])
    expect((await ask('GET', '/users/~YS9i')).body['id']).toBe('a/b')
    expect((await ask('POST', '/users', {})).body['id']).toMatch(/^usr_[\w-]{22}$/)
  })

  it.each([
    ['an id', { id: '42' }, 'users[0].id'],
    ['an e-mail', { email: 'TAKEN@example.com' }, 'users[0].email'],
  ])('refuses %s that is taken, and writes nothing', async (_, body, taken) => {
    const { ask } = await start()
    await insertPeople(['42', 'taken@example.com'])
    const before = await everything()
    const answer = await ask('POST', '/users', { ...body, roles: ['admin'] })
    expect([answer.status, answer.body['code'], answer.body['taken']]).toEqual([409, 'conflict', [taken]])
    expect(await everything()).toEqual(before)
  })

  it.each([
    ['an unknown member', { admin: true }],
    ['an id of the gateway’s to give', { id: 'usr_1' }],
    ['an id of a client', { id: 'cli_1' }],
    ['an id of a key', { id: 'key_1' }],
    ['an id with a space', { id: 'a b' }],
    ['an id that is a number', { id: 42 }],
    ['an e-mail that is none', { email: 'nobody' }],
    ['an e-mail of null', { email: null }],
    ['a common password', { email: 'a@b.c', password: 'password123' }],
    ['a password without an e-mail', { password: PASSWORD }],
    ['a hash', { email: 'a@b.c', password_hash: 'x' }],
    ['roles that are a text', { roles: 'staff' }],
    ['a role that is a number', { roles: [1] }],
    ['a role with a comma', { roles: ['a,b'] }],
    ['a role twice', { roles: ['a', 'a'] }],
    ['a scope with a space', { scopes: ['a b'] }],
    ['claims that are a list', { claims: [] }],
    ['a claim of a reserved name', { claims: { sub: '1' } }],
    ['half a surrogate pair', { claims: { a: '\uD800' } }],
    ['more than 1.5 KB', { claims: { a: 'x'.repeat(1600) } }],
  ])('refuses %s, and writes nothing', async (_, body) => {
    const { ask } = await start()
    const before = await everything()
    const answer = await ask('POST', '/users', body)
    expect([answer.status, answer.body['code']]).toEqual([400, 'invalid_request'])
    expect(await everything()).toEqual(before)
  })

  it('may grant what no upstream can: a scope of the gateway itself', async () => {
    const { world, ask } = await start()
    await ask('POST', '/users', { email: 'second@example.com', password: PASSWORD, scopes: ['gatehouse:admin'] })
    const signedIn = await world.post('/auth/sign-in', {
      email: 'second@example.com',
      password: PASSWORD,
      transport: 'token',
      scope: 'gatehouse:admin',
    })
    const { access_token: token } = await signedIn.json<{ readonly access_token: string }>()
    expect((await world.bearer(token, '/auth/admin/users')).status).toBe(200)
  })
})

describe('changing a user', () => {
  it('replaces what is given and leaves the rest, and tokens out there are out of date', async () => {
    const { world, ask } = await start()
    const { access } = await world.signInForTokens()
    const { body } = await ask('PATCH', `/users/${user.id}`, { roles: ['chief'], claims: { plan: 'gold' } })
    expect(body).toMatchObject({ roles: ['chief'], scopes: user.scopes, claims: { tenant: 'acme', plan: 'gold' } })
    await world.bearer(access, '/strict/x')
    expect(world.seen.at(-1)?.headers.get('Gatehouse-Roles')).toBe('chief')
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBe(String(body['version']))
  })

  it('takes away a claim and the e-mail where they are null', async () => {
    const { ask } = await start()
    const { body } = await ask('PATCH', `/users/${user.id}`, { email: null, claims: { tenant: null } })
    expect(body).toMatchObject({ email: null, claims: {} })
  })

  it('tells the trail what was changed, and not the e-mail', async () => {
    const { ask } = await start()
    await ask('PATCH', `/users/${user.id}`, { email: 'secret@example.com', scopes: ['a'], claims: { plan: 'gold' } })
    expect(await trail()).toMatchObject([
      {
        actor: administrator.id,
        action: 'user.change',
        target: user.id,
        details: '{"email":"changed","scopes":["a"],"claims":["plan"]}',
      },
    ])
  })

  it('keeps the version where nothing changes', async () => {
    const { ask } = await start()
    const { body } = await ask('PATCH', `/users/${user.id}`, { email: user.email, roles: user.roles })
    expect(body['version']).toBe(1)
  })

  it('takes the right off an administrator at once', async () => {
    const { ask } = await start()
    await insertUser({ ...administrator, id: '2', email: 'second@example.com' })
    await ask('PATCH', `/users/${administrator.id}`, { scopes: [] })
    const { status, body } = await ask('GET', '/users')
    expect([status, body['code'], body['missing']]).toEqual([403, 'insufficient_scope', ['gatehouse:admin']])
  })

  it('is last come, last served without If-Match, and refused with an old one', async () => {
    const { ask } = await start()
    const path = `/users/${user.id}`
    const read = (await ask('GET', path)).headers.get('ETag') ?? ''
    expect((await ask('PATCH', path, { roles: ['a'] }, { 'If-Match': read })).status).toBe(200)
    const before = await everything()
    const late = await ask('PATCH', path, { roles: ['b'] }, { 'If-Match': read })
    expect([late.status, late.body['code']]).toEqual([412, 'precondition_failed'])
    expect(await everything()).toEqual(before)
    expect((await ask('PATCH', path, { roles: ['b'] }, { 'If-Match': '*' })).status).toBe(200)
    expect((await ask('PATCH', path, { roles: ['c'] })).status).toBe(200)
  })

  it.each(['1', 'W/"1"', '"1", "2"', '"x"', '""'])('is refused with If-Match %s', async (header) => {
    const { ask } = await start()
    expect((await ask('PATCH', `/users/${user.id}`, { roles: ['b'] }, { 'If-Match': header })).status).toBe(412)
  })

  it.each([
    ['an e-mail that is taken', { email: administrator.email }, 409],
    [
      'a profile that grows beyond 1.5 KB with what is there',
      { roles: Array.from({ length: 60 }, (_, at) => `role-number-${at}-xxxxxx`) },
      400,
    ],
    ['an unknown member', { password: PASSWORD }, 400],
    ['roles of null', { roles: null }, 400],
    ['an id', { id: 'x' }, 400],
  ])('is refused whole for %s', async (_, body, status) => {
    const { ask } = await start()
    await env.DB.prepare(`UPDATE users SET claims = ?1 WHERE id = ?2`)
      .bind(JSON.stringify({ a: 'x'.repeat(400) }), user.id)
      .run()
    const before = await everything()
    expect((await ask('PATCH', `/users/${user.id}`, { scopes: ['other'], ...body })).status).toBe(status)
    expect(await everything()).toEqual(before)
  })

  it.each([
    ['PATCH', ''],
    ['POST', '/disable'],
    ['POST', '/enable'],
    ['POST', '/end-sessions'],
    ['POST', '/reset-link'],
    ['GET', '/sessions'],
  ])('finds nobody to %s%s under an unknown id or a machine’s, and writes nothing', async (method, path) => {
    const { ask } = await start()
    await insertPeople(['cli_1', 'c@x.y'])
    const before = await everything()
    const body = method === 'GET' ? undefined : {}
    const answers = [await ask(method, `/users/nobody${path}`, body), await ask(method, `/users/cli_1${path}`, body)]
    expect(answers.map(({ body: problem }) => problem['code'])).toEqual(['no_route', 'no_route'])
    expect(await everything()).toEqual(before)
  })
})

describe('stopping a user', () => {
  it('by disabling ends his sessions at once and lets none open, until he is enabled', async () => {
    const { world, ask } = await start()
    const signIn = () => world.post('/auth/sign-in', { email: user.email, password: PASSWORD, transport: 'token' })
    const { access, refresh } = await world.signInForTokens()
    const disabled = await ask('POST', `/users/${user.id}/disable`, {})
    expect(disabled.body).toMatchObject({ ended: 1, effective_by: { session: expect.any(Number) } })
    expect((await world.bearer(access, '/strict/x')).status).toBe(401)
    expect((await world.post('/auth/refresh', { refresh_token: refresh })).status).toBe(401)
    expect((await signIn()).status).toBe(401)
    const enabled = await ask('POST', `/users/${user.id}/enable`, {})
    expect(enabled.body['disabled_at']).toBeNull()
    expect((await world.bearer(access, '/strict/x')).status).toBe(401)
    expect((await signIn()).status).toBe(200)
    expect((await trail()).map(({ action }) => action)).toEqual(['user.disable', 'user.enable'])
  })

  it('by ending every session leaves him able to sign in', async () => {
    const { world, ask } = await start()
    const [one, other] = [await world.signInForTokens(), await world.signInForTokens()]
    const { body } = await ask('POST', `/users/${user.id}/end-sessions`)
    expect(body['ended']).toBe(2)
    expect((await world.bearer(one.access, '/strict/x')).status).toBe(401)
    expect((await world.bearer(other.access, '/x')).status).toBe(401)
    await world.signInForTokens()
    expect(await trail()).toMatchObject([
      {
        actor: administrator.id,
        action: 'session.end',
        target: user.id,
        details: '{"reason":"admin","sessions":"all"}',
      },
    ])
  })

  it('by ending one session leaves the others', async () => {
    const { world, ask } = await start()
    const [one, other] = [await world.signInForTokens(), await world.signInForTokens()]
    const { body } = await ask('GET', `/users/${user.id}/sessions`)
    const sessions = Array.isArray(body['sessions']) ? body['sessions'] : []
    expect(sessions).toHaveLength(2)
    const { session } = await (await world.bearer(one.access, '/auth/session')).json<{ readonly session: string }>()
    const path = `/users/${user.id}/sessions/${session}`
    expect((await ask('DELETE', path)).body).toMatchObject({ ended: 1 })
    const statuses = [await world.bearer(one.access, '/strict/x'), await world.bearer(other.access, '/strict/x')]
    expect(statuses.map(({ status }) => status)).toEqual([401, 200])
    const before = await everything()
    expect((await ask('DELETE', path)).status).toBe(404)
    expect(await everything()).toEqual(before)
    expect(await trail()).toMatchObject([
      { action: 'session.end', details: `{"reason":"admin","sessions":["${session}"]}` },
    ])
  })

  it('does not end a session of somebody else', async () => {
    const { world, ask } = await start()
    const { access } = await world.signInForTokens()
    const { session } = await (await world.bearer(access, '/auth/session')).json<{ readonly session: string }>()
    const before = await everything()
    expect((await ask('DELETE', `/users/${administrator.id}/sessions/${session}`)).status).toBe(404)
    expect(await everything()).toEqual(before)
  })
})
