import { env } from 'cloudflare:workers'
// The audit trail as administrators read it, and what is in it when a write fails.
import { describe, expect, it } from 'vitest'

import { OPERATIONS } from '../../src/admin/operations.ts'
import { insertAudit } from '../../src/audit/store.ts'
import { listIdentities } from '../../src/auth/identities.ts'
import { createClient } from '../../src/clients/lifecycle.ts'
import { isObject } from '../../src/json.ts'
import { createKey } from '../../src/keys/lifecycle.ts'
import { administer, administrator, askAs, everything, signInAsAdministrator, trail } from '../support/admin.ts'
import type { Answer, Ask } from '../support/admin.ts'
import { createWorld, insertUser, UPSTREAM, user } from '../support/world.ts'

const IDP = 'https://idp.example.com/'
const ISSUERS = [{ issuer: IDP, audience: ['https://api.example.com'], jwks_uri: `${IDP}jwks.json` }]
const world = () => createWorld({ routes: [{ path: '/*', upstream: UPSTREAM }], vars: { ISSUERS } })

function eventsOf({ body }: Answer): readonly unknown[] {
  return Array.isArray(body['events']) ? body['events'] : []
}

async function change(ask: Ask, times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) await ask('PATCH', `/users/${user.id}`, { roles: [`role-${time}`] })
}

function rolesOf(events: readonly unknown[]): readonly unknown[] {
  return events.map((event) => (isObject(event) && isObject(event['details']) ? event['details']['roles'] : null))
}

describe('the audit trail', () => {
  it('tells who did what to whom, when and by which request', async () => {
    const ask = await administer(await world())
    await ask('POST', `/users/${user.id}/disable`)
    expect(eventsOf(await ask('GET', '/audit?action=user.disable'))).toEqual([
      {
        id: expect.any(Number),
        at: expect.any(Number),
        actor: administrator.id,
        action: 'user.disable',
        target: user.id,
        outcome: 'success',
        request_id: expect.stringMatching(/^[\w-]{36}$/),
        details: {},
      },
    ])
  })

  it('is filtered by actor, target and action', async () => {
    const ask = await administer(await world())
    await change(ask, 1)
    await ask('POST', '/users', { id: 'other' })
    const count = async (query: string) => eventsOf(await ask('GET', `/audit?${query}`)).length
    expect(await count(`actor=${administrator.id}&target=other`)).toBe(1)
    expect(await count(`target=${user.id}&action=user.change`)).toBe(1)
    expect(await count('target=nobody')).toBe(0)
    expect(await count('action=user.delete')).toBe(0)
    expect(await count('actor=%25')).toBe(0)
  })

  it('comes in pages, the newest first, that miss nothing while more is written', async () => {
    const ask = await administer(await world())
    await change(ask, 4)
    const first = await ask('GET', '/audit?action=user.change&limit=2')
    await change(ask, 1)
    const second = await ask('GET', `/audit?action=user.change&limit=2&cursor=${String(first.body['next'])}`)
    expect([rolesOf(eventsOf(first)), rolesOf(eventsOf(second))]).toEqual([
      [['role-3'], ['role-2']],
      [['role-1'], ['role-0']],
    ])
    expect(second.body['next']).toBeNull()
  })

  it.each(['LTE', 'YQ', 'MC41', 'MTBlMw'])('refuses the cursor %s', async (cursor) => {
    const ask = await administer(await world())
    expect((await ask('GET', `/audit?cursor=${cursor}`)).body['code']).toBe('invalid_request')
  })
})

/** A body with which each write would succeed. */
const BODIES: Readonly<Record<string, unknown>> = {
  'POST /users': { email: 'new@example.com' },
  'POST /import': { users: [{ id: 'a' }, { id: 'b' }] },
  'PATCH /users/:id': { roles: ['x'] },
  'POST /clients': { name: 'a client' },
  'PATCH /clients/:id': { name: 'another' },
  'PATCH /keys/:id': { name: 'another' },
  'POST /clients/:id/rotate': { overlap: 60 },
  'POST /keys': { name: 'a key' },
  'POST /keys/:id/rotate': { overlap: 60 },
  'POST /revoked-subjects': { issuer: IDP, subject: 's' },
}
/** The id that a path is about: a machine of its kind, or the user. */
async function idFor(path: string): Promise<string> {
  const profile = { name: 'old', roles: [], scopes: [], claims: {} }
  if (path.startsWith('/keys/')) return (await createKey(env.DB, { ...profile, expiresAt: null }, () => [])).id
  if (!path.startsWith('/clients/')) return user.id
  const created = await createClient(env.DB, { ...profile, proof: { by: 'secret' } })
  return created.outcome === 'created' ? created.id : 'none'
}

const writes = OPERATIONS.filter(({ method }) => method !== 'GET')

describe('every write', () => {
  it.each(writes)(
    'of $method $path is recorded, and nothing of it is there when its batch fails',
    async ({ method, path }) => {
      const here = await world()
      await insertUser(administrator)
      const { access } = await signInAsAdministrator(here)
      const victim = await here.signInForTokens()
      const { session } = await (await here.bearer(victim.access, '/auth/session')).json<{ readonly session: string }>()
      if (path.includes(':identity'))
        await env.DB.prepare("INSERT INTO identities VALUES ('corp', 's', ?1, 1, 0, NULL)").bind(user.id).run()
      const identity = (await listIdentities(env.DB, user.id))[0]?.id ?? ''
      const filled = path
        .replace(':identity', identity)
        .replace(':id', await idFor(path))
        .replace(':session', session)
      const question = { method, path: filled, body: BODIES[`${method} ${path}`] }
      if (path === '/users/:id/enable')
        await env.DB.prepare('UPDATE users SET disabled_at = 1 WHERE id = ?1').bind(user.id).run()
      const before = await everything()

      const failing = {
        ...here.env,
        DB: {
          prepare: (sql: string) => env.DB.prepare(sql),
          batch: (statements: D1PreparedStatement[]) =>
            env.DB.batch(
              statements.length < 2 ? statements : [...statements, env.DB.prepare('SELECT json(?1)').bind('{')],
            ),
        },
      }
      const headers = { Authorization: `Bearer ${access}`, 'Content-Type': 'application/json' }
      const body = question.body === undefined ? null : JSON.stringify(question.body)
      const failed = await here.sendIn(failing, `/auth/admin${filled}`, { method, headers, body })
      expect(failed.status).toBe(503)
      expect(await everything()).toEqual(before)

      const { status } = await askAs(here, access, question)
      expect(status).toBeLessThan(300)
      expect(await everything()).not.toEqual(before)
      const events = await trail()
      expect(events.length).toBe(path === '/import' ? 2 : 1)
      expect(events.every(({ actor }) => actor === administrator.id)).toBe(true)
    },
  )

  it('is recorded by statements that take what they are given', async () => {
    await world()
    const event = { actor: `o'brien`, action: 'user.change', outcome: 'success', requestId: null } as const
    await env.DB.batch([insertAudit(env.DB, { ...event, target: '"', details: { roles: [`'`] } })])
    expect(await trail()).toMatchObject([{ actor: `o'brien`, target: '"', details: `{"roles":["'"]}` }])
  })
})
