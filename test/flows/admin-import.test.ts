// Users of another system are imported with their password hashes, which are made anew when each first signs in.
import { scryptSync } from 'node:crypto'

import { hashSync } from 'bcryptjs'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { administer, administrator, everything, trail } from '../support/admin.ts'
import { createWorld, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [{ path: '/*', upstream: UPSTREAM }]
const BCRYPT = hashSync(PASSWORD, 4)
const SCRYPT = `$scrypt$ln=12,r=8,p=1$${encode(Buffer.alloc(16, 7))}$${encode(scryptSync(PASSWORD, Buffer.alloc(16, 7), 32, { N: 4096, r: 8, p: 1 }))}`

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}

function signIn(world: World, email: string, password = PASSWORD): Promise<Response> {
  return world.post('/auth/sign-in', { email, password, transport: 'token' })
}

function hashOf(id: string): Promise<string | null> {
  return env.DB.prepare('SELECT password_hash FROM users WHERE id = ?1').bind(id).first<string>('password_hash')
}

describe('an import', () => {
  it.each([
    ['bcrypt', BCRYPT],
    ['scrypt of another cost', SCRYPT],
  ])('brings a hash of %s, which is made anew at the first sign-in', async (_, password_hash) => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const old = { id: '42', email: 'Old@example.com', password_hash, roles: ['staff'], scopes: ['a'], claims: { t: 1 } }
    expect((await ask('POST', '/import', { users: [old] })).body).toEqual({ ids: ['42'] })
    expect((await signIn(world, 'old@example.com', 'not the password')).status).toBe(401)
    expect(await hashOf('42')).toBe(password_hash)
    expect((await signIn(world, 'old@example.com')).status).toBe(200)
    expect(await hashOf('42')).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$/)
    expect((await signIn(world, 'old@example.com')).status).toBe(200)
    expect((await signIn(world, 'old@example.com', 'not the password')).status).toBe(401)
  })

  it('brings 500 users in one call, each with his own event', async () => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const users = Array.from({ length: 500 }, (_, at) => ({ id: `old-${at}`, email: `u${at}@example.com` }))
    expect((await ask('POST', '/import', { users })).body).toEqual({ ids: users.map(({ id }) => id) })
    const events = await trail()
    expect(events.map(({ actor, action, target }) => ({ actor, action, target }))).toEqual(
      users.map(({ id }) => ({ actor: administrator.id, action: 'user.import', target: id })),
    )
    expect(new Set(events.map(({ request_id: id }) => id)).size).toBe(1)
  })

  it('tells the audit trail what each user may do', async () => {
    const ask = await administer(await createWorld({ routes }))
    await ask('POST', '/import', { users: [{ id: '42', roles: ['staff'], scopes: ['gatehouse:admin'] }, { id: '43' }] })
    const imported = (await trail()).filter(({ action }) => action === 'user.import')
    const events = imported.map(({ target, details }) => [target, JSON.parse(details)])
    expect(events).toEqual([
      ['42', { roles: ['staff'], scopes: ['gatehouse:admin'] }],
      ['43', { roles: [], scopes: [] }],
    ])
  })

  it('brings users who are disabled, or have neither e-mail nor password', async () => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const users = [{ id: 'a', email: 'a@x.y', password_hash: BCRYPT, disabled: true }, { id: 'b' }]
    await ask('POST', '/import', { users })
    expect((await signIn(world, 'a@x.y')).status).toBe(401)
    expect((await ask('GET', '/users/b')).body).toMatchObject({ email: null, has_password: false, disabled_at: null })
  })

  it('is all or nothing: what is taken is named, and nobody is written', async () => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const before = await everything()
    const users = [{ id: 'new' }, { id: user.id.replace('usr_', 'x') }, { email: user.email }, { email: 'n@x.y' }]
    const { status, body } = await ask('POST', '/import', { users })
    expect([status, body['code'], body['taken']]).toEqual([409, 'conflict', ['users[2].email']])
    expect(await everything()).toEqual(before)
  })

  it.each([
    ['nobody', { users: [] }, 'users must be'],
    ['501 users', { users: Array.from({ length: 501 }, () => ({})) }, 'users must be'],
    ['users that are none', { users: [1] }, 'users must be'],
    ['no users', {}, 'users must be'],
    ['an unknown member', { users: [{}, { password: 'x' }] }, 'users[1].'],
    [
      'a hash of another kind',
      { users: [{ password_hash: 'md5' }] },
      'users[0].password_hash must be a bcrypt or scrypt',
    ],
    [
      'a hash that costs too much',
      { users: [{ password_hash: BCRYPT.replace('$04$', '$20$') }] },
      'users[0].password_hash asks',
    ],
    [
      'a hash of parameters that no scrypt has',
      { users: [{ password_hash: SCRYPT.replace('ln=12,r=8', 'ln=16,r=1') }] },
      'users[0].password_hash must be a bcrypt or scrypt',
    ],
    ['an id twice', { users: [{ id: 'a' }, { id: 'a' }] }, 'the same id'],
    ['an e-mail twice, in another case', { users: [{ email: 'a@b.c' }, { email: 'A@b.c' }] }, 'the same email'],
    ['an id of the gateway’s to give', { users: [{ id: 'usr_1' }] }, 'users[0].id'],
    ['a profile that is too large', { users: [{}, { claims: { a: 'x'.repeat(1600) } }] }, 'users[1]'],
    ['a flag that is a text', { users: [{ disabled: 'no' }] }, 'users[0].disabled'],
  ])('is refused for %s, and nobody is written', async (_, body, detail) => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const before = await everything()
    const answer = await ask('POST', '/import', body)
    expect([answer.status, answer.body['code']]).toEqual([400, 'invalid_request'])
    expect(answer.body['detail']).toContain(detail)
    expect(await everything()).toEqual(before)
  })

  it('is too_large beyond 1 MiB', async () => {
    const world = await createWorld({ routes })
    const ask = await administer(world)
    const { body } = await ask('POST', '/import', { users: [{ claims: { a: 'x'.repeat(1024 * 1024) } }] })
    expect(body['code']).toBe('too_large')
  })
})
