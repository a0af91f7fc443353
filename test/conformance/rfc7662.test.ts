import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { newClientSecret } from '../../src/clients/secrets.ts'
import type { TestClient } from '../support/oauth.ts'
import { basic, makeClient, postForm, told, tokenOf } from '../support/oauth.ts'
import { createWorld, ISSUER, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const makeAuditor = (): Promise<TestClient> => makeClient({ scopes: ['gatehouse:introspect'] })
const introspect = async (world: World, caller: TestClient, token: string): Promise<readonly [number, unknown]> =>
  told(await postForm(world, '/auth/introspect', { token }, basic(caller)))

const INACTIVE = [200, { active: false }]

describe('RFC 7662, §2.1 Introspection Request', () => {
  it('nobody asks who has not authenticated', async () => {
    const world = await createWorld()
    const auditor = await makeAuditor()
    const { access } = await world.signInForTokens()
    const answers = [
      postForm(world, '/auth/introspect', { token: access }),
      postForm(world, '/auth/introspect', { token: access, client_id: 'gatehouse' }),
      postForm(world, '/auth/introspect', { token: access, client_id: auditor.id }),
      postForm(world, '/auth/introspect', { token: access }, { Authorization: `Bearer ${access}` }),
      postForm(world, '/auth/introspect', { token: access }, basic({ ...auditor, secret: newClientSecret() })),
    ]
    for (const answer of answers) expect(await told(await answer)).toEqual([401, { error: 'invalid_client' }])
  })

  it('nor who may not: gatehouse:introspect is asked for', async () => {
    const world = await createWorld()
    const client = await makeClient()
    const [status, body] = await introspect(world, client, await tokenOf(world, client))
    expect([status, body]).toMatchObject([403, { error: 'insufficient_scope' }])
  })

  it('a request without token is invalid_request', async () => {
    const world = await createWorld()
    const response = await postForm(world, '/auth/introspect', {}, basic(await makeAuditor()))
    expect(await told(response)).toMatchObject([400, { error: 'invalid_request' }])
  })
})

describe('RFC 7662, §2.2 Introspection Response', () => {
  it('an access token that is good is told with what it says', async () => {
    const world = await createWorld()
    const { access } = await world.signInForTokens()
    const [status, body] = await introspect(world, await makeAuditor(), access)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      active: true,
      iss: ISSUER,
      sub: user.id,
      aud: ISSUER,
      client_id: 'gatehouse',
      token_type: 'Bearer',
      scope: 'orders:read',
      roles: ['staff'],
      tenant: 'acme',
    })
  })

  it('no cache keeps it', async () => {
    const world = await createWorld()
    const response = await postForm(world, '/auth/introspect', { token: 'x' }, basic(await makeAuditor()))
    expect(response.headers.get('Cache-Control')).toBe('no-store')
  })

  it('a refresh token that is good is told with its session', async () => {
    const world = await createWorld()
    const { refresh } = await world.signInForTokens()
    const [, body] = await introspect(world, await makeAuditor(), refresh)
    expect(body).toEqual({
      active: true,
      iss: ISSUER,
      sub: user.id,
      client_id: 'gatehouse',
      sid: expect.stringMatching(/^ses_/),
      scope: 'orders:read',
      exp: expect.any(Number),
    })
  })

  it('a token of a client is told, as narrow as it was asked for', async () => {
    const world = await createWorld()
    const client = await makeClient()
    const token = await tokenOf(world, client, { scope: 'jobs:run' })
    const [, body] = await introspect(world, await makeAuditor(), token)
    expect(body).toMatchObject({ active: true, sub: client.id, client_id: client.id, scope: 'jobs:run' })
  })

  it.each(['', '.', 'x', 'ey.J.x'])('a token that nobody has issued is inactive: "%s"', async (text) => {
    const world = await createWorld()
    expect(await introspect(world, await makeAuditor(), `${text}x`)).toEqual(INACTIVE)
  })

  it('every token of a session that has ended is inactive at once, and nothing says why', async () => {
    const world = await createWorld()
    const auditor = await makeAuditor()
    const { access, refresh } = await world.signInForTokens()
    expect((await introspect(world, auditor, access))[1]).toMatchObject({ active: true })
    await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch()').run()
    expect(await introspect(world, auditor, access)).toEqual(INACTIVE)
    expect(await introspect(world, auditor, refresh)).toEqual(INACTIVE)
  })

  it('what a user has now is told, not what he had when the token was made', async () => {
    const world = await createWorld()
    const auditor = await makeAuditor()
    const { access } = await world.signInForTokens()
    await env.DB.prepare(`UPDATE users SET scopes = '[]', roles = '["none"]' WHERE id = ?1`).bind(user.id).run()
    const [, body] = await introspect(world, auditor, access)
    expect(body).toMatchObject({ active: true, scope: '', roles: ['none'] })
  })

  it('a refresh token that would be called reused is inactive, and asking ends nothing', async () => {
    const world = await createWorld()
    const auditor = await makeAuditor()
    const { refresh } = await world.signInForTokens()
    await env.DB.prepare(
      `UPDATE sessions SET generation = 3, previous_generation = 2, successor_presented = 1, rotated_at = unixepoch()`,
    ).run()
    expect(await introspect(world, auditor, refresh)).toEqual(INACTIVE)
    const { results } = await env.DB.prepare('SELECT generation, ended_at FROM sessions').all()
    expect(results).toEqual([{ generation: 3, ended_at: null }])
  })

  it.each([
    ['in its window', 1, 10, true],
    ['after it, the successor never presented', 0, 100, true],
    ['after it, the successor presented', 1, 100, false],
  ])('a predecessor %s', async (_, presented, ago, active) => {
    const world = await createWorld()
    const auditor = await makeAuditor()
    const { refresh } = await world.signInForTokens()
    await env.DB.prepare(
      `UPDATE sessions SET generation = 2, previous_generation = 1, successor_presented = ?1, rotated_at = unixepoch() - ?2`,
    )
      .bind(presented, ago)
      .run()
    expect((await introspect(world, auditor, refresh))[1]).toMatchObject({ active })
  })

  it('a session cookie is no token to ask about', async () => {
    const world = await createWorld()
    const cookies = await world.signInForCookies()
    const cookie = /session=([^;]+)/.exec(cookies)?.[1] ?? ''
    expect(cookie).toMatch(/^gth_c_/)
    expect(await introspect(world, await makeAuditor(), cookie)).toEqual(INACTIVE)
  })

  it('D1 that fails is 503, never inactive', async () => {
    const world = await createWorld()
    const auditor = await makeAuditor()
    const { access } = await world.signInForTokens()
    const asked: number[] = []
    const batch = (statements: D1PreparedStatement[]): Promise<unknown> => {
      asked.push(statements.length)
      return asked.length > 1 ? Promise.reject(new Error('down')) : env.DB.batch(statements)
    }
    const isolate = { ...world.env, DB: { prepare: (sql: string) => env.DB.prepare(sql), batch } }
    const body = new URLSearchParams({ token: access })
    const response = await world.sendIn(isolate, '/auth/introspect', { method: 'POST', body, headers: basic(auditor) })
    expect(await told(response)).toEqual([503, { error: 'temporarily_unavailable' }])
  })
})
