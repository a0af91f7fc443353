// The last enabled administrator stays one, and who gives or takes a scope of the gateway is recorded.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { createClient } from '../../src/clients/lifecycle.ts'
import { administer, administrator, askAs, everything, trail } from '../support/admin.ts'
import type { Ask } from '../support/admin.ts'
import { createWorld, insertUser, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const second = { ...administrator, id: 'usr_0000000000000000000098', email: 'second@example.com' }

/** A client that administers, which does not count as an administrator. */
async function administerAsClient(world: World): Promise<Ask> {
  const profile = { roles: [], scopes: ['gatehouse:admin'], claims: {} }
  const made = await createClient(env.DB, { name: 'tool', proof: { by: 'secret' }, ...profile })
  if (made.outcome === 'refused') throw new Error(made.problem)
  const answer = await world.send('/auth/token', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'gatehouse:admin' }),
    headers: { Authorization: `Basic ${btoa(`${made.id}:${String(made.secret)}`)}` },
  })
  const { access_token: token } = await answer.json<{ readonly access_token: string }>()
  return (method, path, body, headers = {}) => askAs(world, token, { method, path, body, headers })
}

async function administrators(): Promise<readonly string[]> {
  const sql = `SELECT id FROM users WHERE disabled_at IS NULL AND instr(scopes, '"gatehouse:admin"') AND id LIKE 'usr_%'`
  return (await env.DB.prepare(sql).all<{ id: string }>()).results.map(({ id }) => id)
}

/** Every way to lose an administrator, on a user's path. */
const REMOVALS: readonly (readonly [string, (ask: Ask, id: string) => ReturnType<Ask>])[] = [
  ['disabling', (ask, id) => ask('POST', `/users/${id}/disable`, {})],
  ['a change to no scope', (ask, id) => ask('PATCH', `/users/${id}`, { scopes: [] })],
  [
    'a change to other scopes',
    (ask, id) => ask('PATCH', `/users/${id}`, { scopes: ['orders:read', 'Gatehouse:admin'] }),
  ],
]

describe('the last enabled administrator', () => {
  it('keeps an e-mail to sign in with, and may have another one', async () => {
    const ask = await administer(await createWorld())
    const change = (email: string | null) => ask('PATCH', `/users/${administrator.id}`, { email })
    expect((await change('other@example.com')).status).toBe(200)
    expect((await change(null)).body['detail']).toBe('the last enabled administrator')
    await insertUser(second)
    expect((await change(null)).status).toBe(200)
  })

  it.each(REMOVALS)('stays one: %s is a conflict, and nothing is written', async (_, remove) => {
    const world = await createWorld()
    const ask = await administer(world)
    const before = await everything()
    const { status, body } = await remove(ask, administrator.id)
    expect([status, body['code'], body['detail']]).toEqual([409, 'conflict', 'the last enabled administrator'])
    expect(await everything()).toEqual(before)
  })

  it.each([
    ['a disabled administrator', second.id, second.scopes, 1],
    ['a client', 'cli_0000000000000000000001', second.scopes, null],
    ['an API key', 'key_0000000000000000000001', second.scopes, null],
    ['a user with another case of the scope', second.id, ['Gatehouse:Admin'], null],
    ['a user with another scope of the gateway', second.id, ['gatehouse:introspect'], null],
    ['a user whose scope only contains it', second.id, ['gatehouse:admin2', 'xgatehouse:admin'], null],
  ])('is not relieved by %s', async (_, id, scopes, disabledAt) => {
    const world = await createWorld()
    const ask = await administer(world)
    await insertUser({ ...second, id, scopes: [...scopes] })
    await env.DB.prepare('UPDATE users SET disabled_at = ?2 WHERE id = ?1').bind(id, disabledAt).run()
    for (const [, remove] of REMOVALS) expect((await remove(ask, administrator.id)).status).toBe(409)
    expect(await administrators()).toContain(administrator.id)
  })

  it.each(REMOVALS)('of two is not one: %s is done', async (_, remove) => {
    const world = await createWorld()
    const ask = await administer(world)
    await insertUser(second)
    expect((await remove(ask, administrator.id)).status).toBe(200)
    expect(await administrators()).toEqual([second.id])
  })

  it('may change everything else, and keep the scope among others', async () => {
    const ask = await administer(await createWorld())
    const body = { roles: ['a'], email: 'other@example.com', scopes: ['b', 'gatehouse:admin'], claims: { c: 1 } }
    expect((await ask('PATCH', `/users/${administrator.id}`, body)).status).toBe(200)
    expect((await ask('POST', `/users/${user.id}/disable`, {})).status).toBe(200)
  })

  it.each(REMOVALS)('is left by two removals at once: %s', async (_, remove) => {
    const world = await createWorld()
    await insertUser(administrator)
    await insertUser(second)
    const ask = await administerAsClient(world)
    const answers = await Promise.all([administrator.id, second.id].map((id) => remove(ask, id)))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409])
    expect(await administrators()).toHaveLength(1)
  })

  it('is found by an index, whatever the number of users', async () => {
    await createWorld()
    const sql = `EXPLAIN QUERY PLAN SELECT 1 FROM users
      WHERE id <> 'a' AND disabled_at IS NULL AND instr(scopes, '"gatehouse:admin"') > 0`
    expect(JSON.stringify((await env.DB.prepare(sql).all()).results)).toContain('users_administrators')
  })
})

/** Events about scopes of the gateway: action, target, scopes. */
async function scopeEvents(): Promise<readonly (readonly [string, string | null, unknown])[]> {
  const events = (await trail()).filter(({ action }) => action.startsWith('admin.'))
  return events.map(({ action, target, details }) => {
    const { scopes }: { readonly scopes: unknown } = JSON.parse(details)
    return [action, target, scopes]
  })
}

describe('a scope of the gateway', () => {
  it('that a user gets or loses is an event of its own', async () => {
    const ask = await administer(await createWorld())
    const change = (scopes: readonly string[]) => ask('PATCH', `/users/${user.id}`, { scopes })
    await change(['orders:read', 'gatehouse:introspect', 'gatehouse:admin'])
    await change(['gatehouse:admin', 'gatehousekeeping'])
    await change(['gatehouse:admin'])
    await ask('PATCH', `/users/${user.id}`, { roles: ['x'] })
    await change([])
    expect(await scopeEvents()).toEqual([
      ['admin.grant', user.id, ['gatehouse:introspect', 'gatehouse:admin']],
      ['admin.revoke', user.id, ['gatehouse:introspect']],
      ['admin.revoke', user.id, ['gatehouse:admin']],
    ])
    expect((await trail()).every(({ actor }) => actor === administrator.id)).toBe(true)
  })

  it('that somebody or something new comes with is one too', async () => {
    const ask = await administer(await createWorld())
    const scopes = ['a', 'gatehouse:admin']
    const one = await ask('POST', '/users', { id: '1', scopes })
    await ask('POST', '/users', { id: '2', scopes: ['a'] })
    await ask('POST', '/import', { users: [{ id: '3' }, { id: '4', scopes }, { id: '5', scopes: ['Gatehouse:x'] }] })
    const client = await ask('POST', '/clients', { name: 'a', scopes })
    const key = await ask('POST', '/keys', { name: 'a', scopes })
    expect(one.status).toBe(201)
    expect(await scopeEvents()).toEqual([
      ['admin.grant', '1', ['gatehouse:admin']],
      ['admin.grant', '4', ['gatehouse:admin']],
      ['admin.grant', '5', ['Gatehouse:x']],
      ['admin.grant', client.body['id'], ['gatehouse:admin']],
      ['admin.grant', key.body['id'], ['gatehouse:admin']],
    ])
  })

  it('is sent to the webhooks that want it', async () => {
    const vars = {
      WEBHOOKS: [{ id: 'siem', url: 'https://siem.example.com', events: ['admin.granted', 'admin.revoked'] }],
    }
    const bindings = { WEBHOOK_SIEM_SECRET: `whsec_${Buffer.alloc(32).toString('base64')}` }
    const ask = await administer(await createWorld({ vars, bindings }))
    await ask('PATCH', `/users/${user.id}`, { scopes: ['gatehouse:admin'] })
    await ask('PATCH', `/users/${user.id}`, { scopes: [] })
    const { results } = await env.DB.prepare('SELECT body FROM deliveries ORDER BY rowid').all<{ body: string }>()
    expect(results.map(({ body }): unknown => JSON.parse(body))).toMatchObject([
      { type: 'admin.granted', data: { subject: user.id, scopes: ['gatehouse:admin'] } },
      { type: 'admin.revoked', data: { subject: user.id, scopes: ['gatehouse:admin'] } },
    ])
  })
})
