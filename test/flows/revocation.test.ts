import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'

import { createWorld, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/expiry/*', upstream: UPSTREAM, revocation: 'expiry' },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
  { path: '/staff/*', upstream: UPSTREAM, roles: ['staff'] },
]

function bearer(access: string): Record<string, string> {
  return { Authorization: `Bearer ${access}` }
}

async function statuses(world: World, access: string): Promise<Record<string, number>> {
  const headers = { Authorization: `Bearer ${access}` }
  const [marker, expiry, session] = await Promise.all(
    ['/orders', '/expiry/x', '/strict/x'].map((path) => world.sendFresh(path, { headers })),
  )
  return { marker: marker?.status ?? 0, expiry: expiry?.status ?? 0, session: session?.status ?? 0 }
}

async function changeRoles(roles: readonly string[]): Promise<void> {
  const version = Date.now() + 1000
  await env.DB.prepare('UPDATE users SET roles = ?1, token_version = ?2').bind(JSON.stringify(roles), version).run()
  await env.MARKERS.put(`marker:${user.id}`, String(version))
}

/** Whatever was asked of D1, every session ends right after it. */
async function endAfterwards(statements: D1PreparedStatement[]): Promise<unknown> {
  const results = await env.DB.batch(statements)
  await env.DB.prepare("UPDATE sessions SET ended_at = unixepoch(), end_reason = 'test'").run()
  return results
}

describe('signing out everywhere', () => {
  it('refuses the same token on `marker` and `session` routes, and leaves `expiry` its minutes', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    expect(await statuses(world, access)).toEqual({ marker: 200, expiry: 200, session: 200 })
    const response = await world.bearer(access, '/auth/sign-out-everywhere', { method: 'POST' })
    expect(response.status).toBe(200)
    expect(await statuses(world, access)).toEqual({ marker: 401, expiry: 200, session: 401 })
  })

  it('says when it is felt', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const before = Math.floor(Date.now() / 1000)
    const response = await world.bearer(access, '/auth/sign-out-everywhere', { method: 'POST' })
    const now = expect.closeTo(before, -1)
    expect(await response.json()).toEqual({
      ended: 1,
      effective_by: {
        session: now,
        marker: { expected: expect.closeTo(before + 35, -1), at_latest: expect.closeTo(before + 905, -1) },
        expiry: expect.closeTo(before + 905, -1),
      },
    })
  })

  it('is felt by the isolate that did it within the very next request', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await world.bearer(access, '/orders')
    await world.bearer(access, '/auth/sign-out-everywhere', { method: 'POST' })
    expect((await world.bearer(access, '/orders')).status).toBe(401)
  })

  it('never says 200 where the session that asks ends meanwhile and others live on', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const isolate = { ...world.env, DB: Object.assign({}, world.env['DB'], { batch: endAfterwards }) }
    const headers = { Authorization: `Bearer ${access}` }
    const response = await world.sendIn(isolate, '/auth/sign-out-everywhere', { method: 'POST', headers })
    expect(response.status).toBe(401)
  })

  it('cannot be asked for by a session that has ended', async () => {
    const world = await createWorld({ routes })
    const first = await world.signInForTokens()
    const second = await world.signInForTokens()
    await world.bearer(first.access, '/auth/sign-out', { method: 'POST' })
    expect((await world.bearer(first.access, '/auth/sign-out-everywhere', { method: 'POST' })).status).toBe(401)
    expect((await world.bearer(second.access, '/strict/x')).status).toBe(200)
  })
})

describe('signing out', () => {
  it('ends this session and no other of the user', async () => {
    const world = await createWorld({ routes })
    const here = await world.signInForTokens()
    const there = await world.signInForTokens()
    await world.bearer(here.access, '/auth/sign-out', { method: 'POST' })
    expect(await statuses(world, here.access)).toEqual({ marker: 401, expiry: 200, session: 401 })
    expect(await statuses(world, there.access)).toEqual({ marker: 200, expiry: 200, session: 200 })
  })

  it('ends the session that the body names, whoever calls', async () => {
    const world = await createWorld({ routes })
    const [here, there] = [await world.signInForTokens(), await world.signInForTokens()]
    const response = await world.post('/auth/sign-out', { refresh_token: there.refresh }, bearer(here.access))
    expect(await response.json()).toMatchObject({ ended: 1 })
    expect((await statuses(world, there.access))['session']).toBe(401)
    expect((await statuses(world, here.access))['session']).toBe(200)
    const expired = await world.post('/auth/sign-out', { refresh_token: here.refresh }, bearer('x.y.z'))
    expect(await expired.json()).toMatchObject({ ended: 1 })
  })

  it('ends nothing where a cookie came twice, whoever calls', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const cookie = await world.signInForCookies()
    const headers = { ...bearer(access), Cookie: `${cookie}; ${cookie}` }
    expect((await world.send('/auth/sign-out', { method: 'POST', headers })).status).toBe(400)
    expect((await statuses(world, access))['session']).toBe(200)
  })

  it('leaves a browser the cookies of a session that lives on', async () => {
    const world = await createWorld({ routes })
    const { refresh } = await world.signInForTokens()
    const cookie = await world.signInForCookies()
    const headers = { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin' }
    const response = await world.post('/auth/sign-out', { refresh_token: refresh }, headers)
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
    expect((await world.send('/strict/x', { headers: { Cookie: cookie } })).status).toBe(200)
  })

  it('is safe to repeat, and raises nothing the second time', async () => {
    const world = await createWorld({ routes })
    const { access, refresh } = await world.signInForTokens()
    await world.bearer(access, '/auth/sign-out', { method: 'POST' })
    const marker = await env.MARKERS.get(`marker:${user.id}`)
    const again = await world.post('/auth/sign-out', { refresh_token: refresh })
    expect(await again.json()).toMatchObject({ ended: 0 })
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBe(marker)
  })

  it('remembers a death: the dead token asks D1 once', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await world.bearer(access, '/auth/sign-out', { method: 'POST' })
    const isolate = { ...world.env }
    const headers = { Authorization: `Bearer ${access}` }
    expect((await world.sendIn(isolate, '/orders', { headers })).status).toBe(401)
    world.count()
    expect((await world.sendIn(isolate, '/orders', { headers })).status).toBe(401)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })
})

describe('a change of roles', () => {
  it('reaches a running token without signing anybody out', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const headers = { Authorization: `Bearer ${access}` }
    expect((await world.send('/staff/x', { headers })).status).toBe(200)
    await changeRoles(['guest'])
    expect((await world.sendFresh('/staff/x', { headers })).status).toBe(403)
    expect((await world.sendFresh('/orders', { headers })).status).toBe(200)
    expect(world.seen.at(-1)?.headers.get('Gatehouse-Roles')).toBe('guest')
  })

  it('gives a browser a new access cookie on the way', async () => {
    const world = await createWorld({ routes })
    const cookie = await world.signInForCookies()
    await changeRoles(['guest'])
    const response = await world.sendFresh('/orders', { headers: { Cookie: cookie } })
    expect(response.status).toBe(200)
    expect(response.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-gatehouse_access=/)])
    expect(response.headers.get('Cache-Control')).toBe('no-store')
  })

  it('is felt by an isolate that knows the old marker once isolate_ttl has passed, not before', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    vi.useFakeTimers({ toFake: ['Date'] })
    await world.bearer(access, '/staff/x')
    await changeRoles(['guest'])
    expect((await world.bearer(access, '/staff/x')).status).toBe(200)
    vi.setSystemTime(Date.now() + 6000)
    expect((await world.bearer(access, '/staff/x')).status).toBe(403)
    vi.useRealTimers()
  })
})

describe('a marker', () => {
  it('that is older than the token changes nothing', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await env.MARKERS.put(`marker:${user.id}`, '1')
    world.count()
    expect((await world.sendFresh('/orders', { headers: { Authorization: `Bearer ${access}` } })).status).toBe(200)
    expect(world.count().roundTrips).toBe(0)
  })

  it('that is no number is as good as none: D1 decides', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await env.MARKERS.put(`marker:${user.id}`, 'NaN')
    world.count()
    expect((await world.sendFresh('/orders', { headers: { Authorization: `Bearer ${access}` } })).status).toBe(200)
    expect(world.count().roundTrips).toBe(1)
  })

  it('never serves for a disabled user whose marker was never put', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await env.MARKERS.delete(`marker:${user.id}`)
    await env.DB.prepare('UPDATE users SET disabled_at = unixepoch()').run()
    expect((await world.sendFresh('/orders', { headers: { Authorization: `Bearer ${access}` } })).status).toBe(401)
  })
})

/** As if the user had changed so many seconds ago. */
async function changedAgo(seconds: number): Promise<void> {
  await env.DB.prepare('UPDATE users SET changed_at = unixepoch() - ?1').bind(seconds).run()
}

async function tickPuts(world: World): Promise<number> {
  world.count()
  await world.runCron()
  return world.count().puts
}

describe('the cron', () => {
  it('publishes what was never confirmed', async () => {
    const world = await createWorld({ routes })
    const version = Date.now()
    await env.DB.prepare('UPDATE users SET token_version = ?1, published_version = 0').bind(version).run()
    await world.runCron()
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBe(String(version))
    const row = await env.DB.prepare('SELECT published_version FROM users').first()
    expect(row).toEqual({ published_version: version })
  })

  it('publishes at each tick what changed in the last five minutes, once more after them, and then leaves it alone', async () => {
    const world = await createWorld({ routes })
    await world.signInForTokens()
    await env.DB.prepare('UPDATE users SET token_version = token_version + 1, changed_at = unixepoch()').run()
    expect([await tickPuts(world), await tickPuts(world)]).toEqual([1, 1])
    await changedAgo(400)
    expect([await tickPuts(world), await tickPuts(world)]).toEqual([1, 0])
  })

  it('that was dead for hours puts right what a put that came too late has overtaken', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    await world.post('/auth/sign-out-everywhere', {}, bearer(access))
    const published = await env.MARKERS.get(`marker:${user.id}`)
    await env.MARKERS.put(`marker:${user.id}`, '1')
    await changedAgo(7200)
    await world.runCron()
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBe(published)
  })
})
