// Who may use the admin API, and what it tells to whom it does not know.
import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'

import { OPERATIONS } from '../../src/admin/operations.ts'
import { administer, administrator, askAs, everything, signInAsAdministrator } from '../support/admin.ts'
import { makeClient, tokenOf } from '../support/oauth.ts'
import { createWorld, insertUser, ISSUER, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const calls = OPERATIONS.map(({ method, path }) => ({
  method,
  path: path.replace(':id', user.id).replace(':session', 'ses_0000000000000000000000'),
}))

interface Refusal {
  readonly status: number
  readonly code: unknown
  readonly challenge: string | null
}

async function refusalsOf(world: World, headers: Record<string, string>): Promise<readonly Refusal[]> {
  const refusals: Refusal[] = []
  for (const { method, path } of [...calls, { method: 'GET', path: '/nothing' }, { method: 'PUT', path: '/users' }]) {
    const sends = method !== 'GET' && method !== 'DELETE'
    const init = sends ? { body: '{}', headers: { 'Content-Type': 'application/json', ...headers } } : { headers }
    const response = await world.send(`/auth/admin${path}`, { method, ...init })
    const { code } = await response.json<{ readonly code: unknown }>()
    refusals.push({ status: response.status, code, challenge: response.headers.get('WWW-Authenticate') })
  }
  return refusals
}

/** Every call is refused alike, known URLs and others, and nothing is written. */
async function expectRefused(world: World, headers: Record<string, string>, expected: Partial<Refusal>): Promise<void> {
  const before = await everything()
  const refusals = await refusalsOf(world, headers)
  expect(refusals).toEqual(refusals.map(() => expect.objectContaining(expected)))
  expect(await everything()).toEqual(before)
}

const routes = [{ path: '/*', upstream: UPSTREAM }]
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

describe('every URL of the admin API', () => {
  it('asks for a credential', async () => {
    await expectRefused(
      await createWorld({ routes }),
      {},
      { status: 401, code: 'credential_required', challenge: 'Bearer' },
    )
  })

  it('is closed to a user without the scope', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await expectRefused(world, bearer(access), {
      status: 403,
      code: 'insufficient_scope',
      challenge: 'Bearer error="insufficient_scope", scope="gatehouse:admin"',
    })
  })

  it.each(['gatehouse', 'gatehouse:', 'gatehouse:admin2', 'Gatehouse:admin', 'gatehouse:*', 'admin'])(
    'is closed to the scope %s',
    async (scope) => {
      const world = await createWorld({ routes })
      await insertUser({ ...administrator, scopes: [scope] })
      const { access } = await world.signInForTokens(administrator.id, [scope, 'gatehouse:admin'])
      await expectRefused(world, bearer(access), { status: 403 })
    },
  )

  it('is closed to an administrator’s cookies, from his own site too', async () => {
    const world = await createWorld({ routes })
    await env.DB.prepare(`UPDATE users SET scopes = '["gatehouse:admin"]'`).run()
    const cookie = await world.signInForCookies()
    expect((await world.send('/auth/session', { headers: { Cookie: cookie } })).status).toBe(200)
    await expectRefused(
      world,
      { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin' },
      { status: 401, code: 'credential_required' },
    )
  })

  it('is closed to an administrator’s refresh token', async () => {
    const world = await createWorld({ routes })
    await insertUser(administrator)
    const { refresh } = await signInAsAdministrator(world)
    await expectRefused(world, bearer(refresh), { status: 401, code: 'invalid_token' })
  })

  it('is closed at once to an administrator whose session has ended', async () => {
    const world = await createWorld({ routes })
    await insertUser(administrator)
    const { access } = await signInAsAdministrator(world)
    expect((await askAs(world, access, { method: 'GET', path: '/users' })).status).toBe(200)
    await env.DB.prepare(`UPDATE sessions SET ended_at = unixepoch()`).run()
    await expectRefused(world, bearer(access), { status: 401, code: 'invalid_token' })
  })

  it('is closed at once to an administrator who is disabled', async () => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    await env.DB.prepare(`UPDATE users SET disabled_at = unixepoch() WHERE id = ?1`).bind(administrator.id).run()
    expect((await ask('GET', '/users')).body['code']).toBe('invalid_token')
  })

  it('cannot be decided where D1 fails, even for a route’s on_outage', async () => {
    const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM, on_outage: 'allow' }] })
    await insertUser(administrator)
    const { access } = await signInAsAdministrator(world)
    expect((await world.bearer(access, '/auth/admin/users')).status).toBe(200)
    const broken = {
      ...world.env,
      DB: { prepare: () => ({ bind: () => ({}) }), batch: () => Promise.reject(new Error('down')) },
    }
    const response = await world.sendIn(broken, '/auth/admin/users', { headers: bearer(access) })
    expect([response.status, response.headers.get('Retry-After')]).toEqual([503, '5'])
  })

  it('lives on ISSUER’s host only', async () => {
    const world = await createWorld({ routes })
    await insertUser(administrator)
    const { access } = await signInAsAdministrator(world)
    await world.bearer(access, 'https://other.example.com/auth/admin/users')
    expect(world.seen.map(({ url }) => url)).toEqual([`${UPSTREAM}/auth/admin/users`])
  })

  it('moves with AUTH_PATH, the document too', async () => {
    const world = await createWorld({ routes, vars: { AUTH_PATH: '/-/gate' } })
    await insertUser(administrator)
    const { access } = await signInAsAdministrator(world)
    const document = await (await world.bearer(access, '/-/gate/admin/openapi.json')).json()
    expect(document).toMatchObject({ servers: [{ url: `${ISSUER}/-/gate/admin` }] })
  })
})

/** An administrator whose sign-in was that many seconds ago, with a token minted now. */
async function signedInBefore(world: World, seconds: number): Promise<string> {
  await insertUser(administrator)
  const { refresh } = await signInAsAdministrator(world)
  await env.DB.prepare('UPDATE sessions SET auth_time = auth_time - ?1').bind(seconds).run()
  const answer = await world.post('/auth/refresh', { refresh_token: refresh })
  return (await answer.json<{ readonly access_token: string }>()).access_token
}

const writing = calls.filter(({ method }) => method !== 'GET')
const reading = calls.filter(({ method, path }) => method === 'GET' && path !== '/openapi.json')

describe('an administrator whose sign-in is older than max_auth_age', () => {
  it('reads everything and writes nothing', async () => {
    const world = await createWorld({ routes })
    const token = await signedInBefore(world, 905)
    for (const call of reading) expect([call.path, (await askAs(world, token, call)).status]).toEqual([call.path, 200])
    const before = await everything()
    for (const { method, path } of [
      ...writing,
      { method: 'PUT', path: '/users' },
      { method: 'POST', path: '/nothing' },
    ]) {
      const { status, body, headers } = await askAs(world, token, { method, path, body: {} })
      expect([method, path, status, body['code'], body['max_age']]).toEqual([
        method,
        path,
        401,
        'insufficient_user_authentication',
        900,
      ])
      expect(headers.get('WWW-Authenticate')).toBe('Bearer error="insufficient_user_authentication", max_age="900"')
    }
    expect(await everything()).toEqual(before)
  })

  it.each([
    ['15m', 880, 200],
    ['15m', 905, 401],
    ['1m', 50, 200],
    ['1m', 65, 401],
    ['2h', 7190, 200],
  ])('is refused by max_auth_age = %s after %i seconds: %i', async (age, seconds, status) => {
    const world = await createWorld({ routes, vars: { ADMIN: { max_auth_age: age } } })
    const token = await signedInBefore(world, seconds)
    const call = { method: 'PATCH', path: `/users/${user.id}`, body: { roles: ['a'] } }
    expect((await askAs(world, token, call)).status).toBe(status)
  })

  it('is told of a missing scope first', async () => {
    const world = await createWorld({ routes })
    const token = await signedInBefore(world, 905)
    await env.DB.prepare(`UPDATE users SET scopes = '[]', token_version = token_version + 1`).run()
    expect((await askAs(world, token, { method: 'POST', path: '/users', body: {} })).status).toBe(403)
  })

  it('writes again after another sign-in', async () => {
    const world = await createWorld({ routes })
    await signedInBefore(world, 905)
    const { access } = await signInAsAdministrator(world)
    const call = { method: 'PATCH', path: `/users/${user.id}`, body: { roles: ['a'] } }
    expect((await askAs(world, access, call)).status).toBe(200)
  })
})

describe('a client that administers', () => {
  it('has authenticated when its token was issued, so an old token writes nothing', async () => {
    const world = await createWorld({ routes, vars: { ADMIN: { max_auth_age: '1m' } } })
    const token = await tokenOf(world, await makeClient({ scopes: ['gatehouse:admin'] }), { scope: 'gatehouse:admin' })
    const call = { method: 'PATCH', path: `/users/${user.id}`, body: { roles: ['a'] } }
    expect((await askAs(world, token, call)).status).toBe(200)
    const now = Date.now()
    vi.spyOn(Date, 'now').mockImplementation(() => now + 65_000)
    expect((await askAs(world, token, { ...call, body: { roles: ['b'] } })).body['code']).toBe(
      'insufficient_user_authentication',
    )
    expect((await askAs(world, token, { method: 'GET', path: '/users' })).status).toBe(200)
  })
})

describe('an administrator', () => {
  it('is told what is not there, and which methods are', async () => {
    const ask = await administer(await createWorld({ routes }))
    expect((await ask('GET', '/nothing')).body['code']).toBe('no_route')
    expect((await ask('GET', '')).body['code']).toBe('no_route')
    const { status, headers } = await ask('PUT', '/users', {})
    expect([status, headers.get('Allow')]).toEqual([405, 'GET, POST, HEAD'])
  })
})
