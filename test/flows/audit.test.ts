// The trail of what people and upstreams do: an event for each change, none for what does nothing, and none more than once.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { ada, createProviderScene, locationOf, signInBy } from '../support/provider-scene.ts'
import { createWorld, insertUser, lengthenBlocks, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World, WorldOptions } from '../support/world.ts'

const right = { email: user.email, password: PASSWORD, transport: 'token' }
const wrong = { ...right, password: `${PASSWORD}!` }

interface Event {
  readonly actor: string
  readonly action: string
  readonly target: string | null
  readonly outcome: string
  readonly requestId: string | null
  readonly details: unknown
}

interface Row extends Omit<Event, 'details'> {
  readonly details: string
}

async function readTrail(): Promise<readonly Event[]> {
  const { results } = await env.DB.prepare(
    'SELECT actor, action, target, outcome, request_id AS requestId, details FROM audit_events ORDER BY id',
  ).all<Row>()
  return results.map(({ actor, action, target, outcome, requestId, details }) => {
    return { actor, action, target, outcome, requestId, details: JSON.parse(details) }
  })
}

/** The trail without request ids. */
async function readNew(): Promise<readonly Omit<Event, 'requestId'>[]> {
  const trail = await readTrail()
  return trail.map(({ actor, action, target, outcome, details }) => ({ actor, action, target, outcome, details }))
}

async function emptyTrail(): Promise<void> {
  await env.DB.prepare('DELETE FROM audit_events').run()
}

async function sessionIds(): Promise<readonly string[]> {
  const { results } = await env.DB.prepare('SELECT id FROM sessions ORDER BY rowid').all<{ id: string }>()
  return results.map(({ id }) => id)
}

function fromAddress(world: World, address: string, body: unknown): Promise<Response> {
  return world.post('/auth/sign-in', body, { 'CF-Connecting-IP': address })
}

/** A session whose refresh token was rotated, which was presented: its first token is stolen goods. */
async function signInAndRotate(world: World): Promise<string> {
  const { refresh } = await world.signInForTokens()
  for (const token of [refresh, await rotate(world, refresh)]) await age(world, token)
  return refresh
}

async function rotate(world: World, token: string): Promise<string> {
  await env.DB.prepare('UPDATE sessions SET rotated_at = rotated_at - 100').run()
  const response = await world.post('/auth/refresh', { refresh_token: token })
  const body: { refresh_token: string } = await response.json()
  return body.refresh_token
}

async function age(world: World, token: string): Promise<void> {
  await world.post('/auth/refresh', { refresh_token: token })
  await env.DB.prepare('UPDATE sessions SET rotated_at = rotated_at - 100').run()
}

const own = { actor: user.id, target: user.id, outcome: 'success' }

describe('the audit trail of a user', () => {
  it('has his sign-in, under the request that it was', async () => {
    const world = await createWorld()
    const response = await fromAddress(world, '192.0.2.7', right)
    expect(response.status).toBe(200)
    const [session] = await sessionIds()
    const details = { session, amr: ['pwd'], address: '192.0.2.7', provider: null }
    expect(await readTrail()).toEqual([
      { ...own, action: 'sign_in', details, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    ])
  })

  it('has a sign-up as a user made and signed in', async () => {
    const world = await createWorld({ vars: { PASSWORDS: { sign_in: true, sign_up: true } } })
    const body = { email: 'new@example.com', password: 'a long new password', transport: 'token' }
    expect((await world.post('/auth/sign-up', body)).status).toBe(201)
    expect((await world.post('/auth/sign-up', body)).status).toBe(401)
    expect((await readTrail()).map(({ action }) => action)).toEqual(['user.create', 'sign_in'])
  })

  it('has a sign-out once, however often it is repeated', async () => {
    const world = await createWorld()
    const { refresh } = await world.signInForTokens()
    await emptyTrail()
    for (const body of [{ refresh_token: refresh }, { refresh_token: refresh }])
      await world.post('/auth/sign-out', body)
    const details = { sessions: await sessionIds(), reason: 'sign_out' }
    expect(await readNew()).toEqual([{ ...own, action: 'session.end', details }])
  })

  it('does not have the end of a session that had ended with all of them', async () => {
    const world = await createWorld()
    const { refresh, access } = await world.signInForTokens()
    await world.bearer(access, '/auth/sign-out-everywhere', { method: 'POST' })
    await emptyTrail()
    await world.post('/auth/sign-out', { refresh_token: refresh })
    expect(await readNew()).toEqual([])
  })

  it('has every session that signing out everywhere ends, in one event', async () => {
    const world = await createWorld()
    const { access } = await world.signInForTokens()
    await world.signInForTokens()
    const over = await world.signInForTokens()
    await world.post('/auth/sign-out', { refresh_token: over.refresh })
    await emptyTrail()
    await world.bearer(access, '/auth/sign-out-everywhere', { method: 'POST' })
    const [first, second] = await sessionIds()
    const [event] = await readNew()
    expect(event).toMatchObject({ ...own, action: 'session.end', details: { reason: 'everywhere' } })
    expect(event?.details).toMatchObject({ sessions: expect.toSatisfy((ids) => ids.length === 2) })
    expect(event?.details).toMatchObject({ sessions: expect.arrayContaining([first, second]) })
  })

  it('has a device that he ended, and not one that is not his', async () => {
    const world = await createWorld()
    const other = { ...user, id: 'usr_0000000000000000000002', email: 'bob@example.com' }
    await insertUser(other)
    const { access } = await world.signInForTokens()
    await world.signInForTokens()
    await world.signInForTokens(other.id)
    const [, device, foreign] = await sessionIds()
    await emptyTrail()
    for (const id of [device, device, foreign]) await world.bearer(access, `/auth/sessions/${id}`, { method: 'DELETE' })
    expect(await readNew()).toEqual([
      { ...own, action: 'session.end', details: { sessions: [device], reason: 'by_owner' } },
    ])
  })

  it('has the session that a sign-in replaces, and those beyond the limit', async () => {
    const world = await createWorld({ vars: { SESSIONS: { max_per_user: 1 } } })
    const cookies = await world.signInForCookies()
    const browser = { Cookie: cookies, 'Sec-Fetch-Site': 'same-origin' }
    await world.post('/auth/sign-in', { email: user.email, password: PASSWORD }, browser)
    await world.signInForTokens()
    const [first, second, third] = await sessionIds()
    expect((await readNew()).map(({ action, details }) => [action, details])).toEqual([
      ['sign_in', { session: first, amr: ['pwd'], address: null, provider: null }],
      ['session.end', { sessions: [first], reason: 'replaced' }],
      ['sign_in', { session: second, amr: ['pwd'], address: null, provider: null }],
      ['session.end', { sessions: [second], reason: 'limit' }],
      ['sign_in', { session: third, amr: ['pwd'], address: null, provider: null }],
    ])
  })

  it('has a changed password and the other sessions that it ends', async () => {
    const world = await createWorld()
    const { access } = await world.signInForTokens()
    await world.signInForTokens()
    const [session, other] = await sessionIds()
    await emptyTrail()
    const headers = { Authorization: `Bearer ${access}` }
    const body = { current: PASSWORD, new: 'another long password' }
    expect((await world.post('/auth/password', body, headers)).status).toBe(200)
    expect(await readNew()).toEqual([
      { ...own, action: 'session.end', details: { sessions: [other], reason: 'password' } },
      { ...own, action: 'password.change', details: { session } },
    ])
  })

  it('has a stolen token that was used, by a stranger', async () => {
    const world = await createWorld()
    const stolen = await signInAndRotate(world)
    await emptyTrail()
    for (let time = 0; time < 2; time += 1) {
      expect((await world.post('/auth/refresh', { refresh_token: stolen })).status).toBe(401)
    }
    const sessions = await sessionIds()
    const found = { actor: 'a stranger', target: user.id, outcome: 'success' }
    expect(await readNew()).toEqual([
      { ...found, action: 'session.reuse', details: { sessions } },
      { ...found, action: 'session.end', details: { sessions, reason: 'reuse' } },
    ])
  })

  it('has nothing of requests, refreshes and renewals', async () => {
    const world = await createWorld()
    const { access, refresh } = await world.signInForTokens()
    const cookies = await world.signInForCookies()
    await emptyTrail()
    await world.bearer(access, '/orders')
    await rotate(world, refresh)
    await world.send('/orders', { headers: { Cookie: cookies.split('; ')[0] ?? '' } })
    expect(await readNew()).toEqual([])
  })
})

describe('a failed sign-in in the audit trail', () => {
  it('names the user if there is one, the address, and how many it is, by a stranger', async () => {
    const world = await createWorld()
    await fromAddress(world, '192.0.2.7', wrong)
    await fromAddress(world, '192.0.2.7', { ...wrong, email: 'nobody@example.com' })
    const failed = { actor: 'a stranger', action: 'sign_in', outcome: 'failure' }
    const details = { address: '192.0.2.7', failures: 1 }
    expect(await readNew()).toEqual([
      { ...failed, target: user.id, details },
      { ...failed, target: null, details },
    ])
  })

  it('of a wrong current password is one of a password change', async () => {
    const world = await createWorld()
    const { access } = await world.signInForTokens()
    await emptyTrail()
    const body = { current: `${PASSWORD}!`, new: 'another long password' }
    await world.post('/auth/password', body, { Authorization: `Bearer ${access}` })
    expect(await readNew()).toMatchObject([{ action: 'password.change', outcome: 'failure', target: user.id }])
  })

  it('has neither e-mail nor password anywhere', async () => {
    const world = await createWorld()
    await fromAddress(world, '192.0.2.7', wrong)
    await fromAddress(world, '192.0.2.7', right)
    const text = JSON.stringify(await readTrail())
    expect(text).not.toContain(user.email)
    expect(text).not.toContain(PASSWORD)
  })

  it('is written once more for each doubling of an address that goes on', async () => {
    const world = await createWorld()
    for (let time = 0; time < 12; time += 1) {
      await env.DB.prepare('UPDATE sign_in_attempts SET blocked_until = 0').run()
      expect((await fromAddress(world, '192.0.2.7', wrong)).status).toBe(401)
    }
    expect((await readNew()).map(({ details }) => details)).toMatchObject(
      [1, 2, 3, 4, 8].map((failures) => ({ failures })),
    )
  })

  it('that is blocked is not written', async () => {
    const world = await createWorld()
    for (let time = 0; time < 5; time += 1) await fromAddress(world, '192.0.2.7', wrong)
    await lengthenBlocks()
    await emptyTrail()
    expect((await fromAddress(world, '192.0.2.7', wrong)).status).toBe(429)
    expect(await readNew()).toEqual([])
  })

  it('that cannot be written is 503, like everything that D1 cannot decide', async () => {
    const world = await createWorld()
    const db = env.DB
    let asked = 0
    const batch = (statements: D1PreparedStatement[]) => {
      asked += 1
      return asked > 1 ? Promise.reject(new Error('D1_ERROR: down')) : db.batch(statements)
    }
    const broken = { ...world.env, DB: { prepare: (sql: string) => db.prepare(sql), batch } }
    const init = { method: 'POST', body: JSON.stringify(wrong), headers: { 'Content-Type': 'application/json' } }
    expect((await world.sendIn(broken, '/auth/sign-in', init)).status).toBe(503)
  })
})

describe('the audit trail of an upstream', () => {
  const routes = [{ path: '/login', upstream: UPSTREAM, access: 'public', session_control: true }]

  async function say(says: string, options: WorldOptions = {}): Promise<void> {
    const world = await createWorld({
      routes,
      ...options,
      upstream: (request) => {
        const control = request.headers.get('Gatehouse-Control') ?? ''
        const members = says.split(', ').map((member) => `${member};control="${control}"`)
        return new Response('said', { headers: { 'Gatehouse-Session': members.join(', ') } })
      },
    })
    await world.signInForTokens()
    await emptyTrail()
    const response = await world.post('/login', {}, { 'Gatehouse-Transport': 'token' })
    expect(response.status).toBe(200)
  }

  const by = { actor: `the upstream ${UPSTREAM}`, outcome: 'success' }

  it('has the user that it makes, what it gives him, and his sign-in', async () => {
    await say('open;sub="42";roles="staff"')
    const [, session] = await sessionIds()
    expect(await readNew()).toEqual([
      { ...by, action: 'user.create', target: '42', details: {} },
      { ...by, action: 'user.change', target: '42', details: { changed: ['roles'] } },
      { ...by, action: 'sign_in', target: '42', details: { session, amr: [], address: null, provider: null } },
    ])
  })

  it('has what a change changes, by name', async () => {
    await say(`change;sub="${user.id}";roles="staff admin";scope="orders:read";tenant="other"`)
    const details = { changed: ['roles', 'claims'] }
    expect(await readNew()).toEqual([{ ...by, action: 'user.change', target: user.id, details }])
  })

  it('has nothing of a change that changes nothing, or nobody', async () => {
    await say(
      `change;sub="${user.id}";roles="staff";tenant="acme", change;sub="nobody";roles="x", end-all;sub="nobody"`,
    )
    expect(await readNew()).toEqual([])
  })

  it('has the sessions of somebody whom it signs out everywhere', async () => {
    await say(`end-all;sub="${user.id}"`)
    const details = { sessions: await sessionIds(), reason: 'upstream' }
    expect(await readNew()).toEqual([{ ...by, action: 'session.end', target: user.id, details }])
  })
})

describe('the audit trail of a provider', () => {
  const by = { outcome: 'success', actor: expect.stringMatching(/^usr_/), target: expect.stringMatching(/^usr_/) }

  it('has a user who is made by his first sign-in, and none by his second', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const [session] = await sessionIds()
    expect(await readNew()).toEqual([
      { ...by, action: 'user.create', details: { provider: 'corp' } },
      { ...by, action: 'sign_in', details: { session, amr: [], address: null, provider: 'corp' } },
    ])
    await emptyTrail()
    await signInBy(scene)
    expect((await readNew()).map(({ action }) => action)).toEqual(['session.end', 'sign_in'])
  })

  it('has an identity that is linked, once', async () => {
    const { world, provider, browser } = await createProviderScene()
    const sent = await browser.submit('/auth/sign-in', { email: user.email, password: PASSWORD })
    expect(sent.status).toBe(200)
    await emptyTrail()
    for (let time = 0; time < 2; time += 1) {
      const start = await browser.submit(`/auth/providers/${provider.id}/start`)
      await browser.open(provider.signIn(locationOf(start), ada))
    }
    expect(await readNew()).toEqual([{ ...own, action: 'identity.link', details: { provider: 'corp' } }])
    expect(world.logged).toEqual([])
  })

  it('has no session that a logout token ends and that had ended with all of them', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    await env.DB.prepare('UPDATE users SET session_epoch = session_epoch + 1').run()
    await emptyTrail()
    const body = `logout_token=${await scene.provider.logoutToken({ sub: ada.sub })}`
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const url = '/auth/providers/corp/backchannel-logout'
    expect((await scene.world.send(url, { method: 'POST', body, headers })).status).toBe(200)
    expect(await readNew()).toEqual([])
  })

  it('has the sessions that a logout token ends, by the provider, and nothing of the same token again', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const sessions = await sessionIds()
    await emptyTrail()
    const body = `logout_token=${await scene.provider.logoutToken({ sub: ada.sub })}`
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const statuses: number[] = []
    for (let time = 0; time < 2; time += 1) {
      const url = '/auth/providers/corp/backchannel-logout'
      statuses.push((await scene.world.send(url, { method: 'POST', body, headers })).status)
    }
    expect(statuses).toEqual([200, 400])
    const actor = 'the provider corp'
    expect(await readNew()).toEqual([
      { ...by, actor, action: 'session.end', details: { sessions, reason: 'provider' } },
    ])
  })
})
