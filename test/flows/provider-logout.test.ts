import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'

import { createDatabase } from '../../src/database.ts'
import { isObject } from '../../src/json.ts'
import { endOfProvider } from '../../src/sessions/provider-store.ts'
import type { Browser } from '../support/browser.ts'
import { makeKey } from '../support/forge.ts'
import type { ProviderScene } from '../support/provider-scene.ts'
import {
  ada,
  bob,
  codeOf,
  createProviderScene,
  newBrowser,
  rowsOf,
  signInBy,
  whoIs,
} from '../support/provider-scene.ts'
import type { Person } from '../support/scripted-provider.ts'
import { CLIENT } from '../support/scripted-provider.ts'
import { ISSUER, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const HTML = () => new Response('<title>Welcome</title>', { headers: { 'Content-Type': 'text/html' } })

afterEach(() => {
  vi.useRealTimers()
})

/** Another browser, signed in. */
async function signedIn({ world, provider }: ProviderScene, person: Person): Promise<Browser> {
  const browser = newBrowser(world)
  await signInBy({ provider, browser }, person)
  return browser
}

async function signOut(browser: Browser): Promise<Record<string, unknown>> {
  const body: unknown = await (await browser.submit('/auth/sign-out')).json()
  return isObject(body) ? { ...body } : {}
}

function post(world: World, token: string, id = 'corp', others = ''): Promise<Response> {
  return world.send(`/auth/providers/${id}/backchannel-logout`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: `logout_token=${token}${others}`,
  })
}

async function isSignedIn(scene: ProviderScene, browser: Browser): Promise<boolean> {
  return 'subject' in (await whoIs(scene, browser))
}

describe('signing out of a session that a provider began', () => {
  it('says where the browser signs out of the provider as well', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const [row] = await rowsOf('SELECT id_token_hint, id_token_sealed FROM sessions')
    const answer = await signOut(scene.browser)
    const url = new URL(String(answer['provider_logout']))
    expect(answer['ended']).toBe(1)
    expect(`${url.origin}${url.pathname}`).toBe(`${scene.provider.issuer}end`)
    expect(Object.fromEntries(url.searchParams)).toEqual({
      id_token_hint: expect.stringMatching(/^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$/),
      client_id: CLIENT,
      post_logout_redirect_uri: `${ISSUER}/auth/sign-in`,
    })
    expect(row).toEqual({ id_token_hint: null, id_token_sealed: expect.stringMatching(/^v1\.[\w-]+$/) })
    expect(String(row?.['id_token_sealed'])).not.toContain(url.searchParams.get('id_token_hint'))
    expect(await rowsOf('SELECT id_token_sealed FROM sessions')).toEqual([{ id_token_sealed: null }])
  })

  it('ends it, and says nothing of the provider, where that cannot be asked', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    scene.provider.behave({ discovery: HTML })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 86_401_000 })
    const answer = await signOut(scene.browser)
    expect(answer).toEqual({ ended: 1, effective_by: expect.anything() })
  })

  it('publishes at once while a provider is slow', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const marker = await env.MARKERS.get(`marker:${String((await whoIs(scene, scene.browser))['subject'])}`)
    scene.provider.behave({ discovery: () => new Promise(() => undefined) })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 86_401_000 })
    const subject = String((await rowsOf('SELECT user_id FROM sessions'))[0]?.['user_id'])
    const answer = signOut(scene.browser)
    await vi.waitFor(
      async () => expect(Number(await env.MARKERS.get(`marker:${subject}`))).toBeGreaterThan(Number(marker)),
      { timeout: 3000 },
    )
    expect((await answer)['ended']).toBe(1)
  })

  it('says nothing of a provider that has no such page, or is configured no longer', async () => {
    const scene = await createProviderScene()
    scene.provider.behave({ metadata: { end_session_endpoint: undefined } })
    await signInBy(scene)
    expect(await signOut(scene.browser)).toEqual({ ended: 1, effective_by: expect.anything() })
  })

  it('by a password says nothing of a provider', async () => {
    const scene = await createProviderScene()
    const cookie = await scene.world.signInForCookies()
    const headers = { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin' }
    const answer = await scene.world.send('/auth/sign-out', { method: 'POST', headers })
    expect(await answer.json()).toEqual({ ended: 1, effective_by: expect.anything() })
  })

  it('costs the one batch that it costs anybody', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    scene.world.count()
    await signOut(scene.browser)
    expect(scene.world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 1 })
  })

  it('everywhere drops the ID tokens of all', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    await signedIn(scene, ada)
    await scene.browser.submit('/auth/sign-out-everywhere')
    expect(await rowsOf('SELECT id_token_sealed FROM sessions')).toEqual([
      { id_token_sealed: null },
      { id_token_sealed: null },
    ])
  })
})

describe('a logout token', () => {
  it('with `sid` ends the session that it names, and no other', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const other = await signedIn(scene, { sub: ada.sub, sid: 'op-session-2' })
    const response = await post(scene.world, await scene.provider.logoutToken({ sid: 'op-session-1' }))
    expect([response.status, response.headers.get('Cache-Control'), await response.text()]).toEqual([
      200,
      'no-store',
      '',
    ])
    expect(await isSignedIn(scene, scene.browser)).toBe(false)
    expect(await isSignedIn(scene, other)).toBe(true)
    expect(await rowsOf('SELECT end_reason, id_token_sealed FROM sessions WHERE ended_at IS NOT NULL')).toEqual([
      { end_reason: 'provider', id_token_sealed: null },
    ])
  })

  it('with `sub` ends everything that the provider began for that subject, and nothing else', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const second = await signedIn(scene, { sub: ada.sub, sid: 'op-session-2' })
    const somebody = await signedIn(scene, bob)
    const elsewhere = newBrowser(scene.world)
    await signInBy({ provider: scene.other, browser: elsewhere })
    expect((await post(scene.world, await scene.provider.logoutToken({ sub: ada.sub }))).status).toBe(200)
    const left = await Promise.all(
      [scene.browser, second, somebody, elsewhere].map((browser) => isSignedIn(scene, browser)),
    )
    expect(left).toEqual([false, false, true, true])
  })

  it('leaves the sessions that its user began with a password, or by another subject of his', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    await env.DB.prepare('UPDATE sessions SET auth_time = unixepoch()').run()
    const start = await scene.browser.submit('/auth/providers/corp/start')
    await scene.browser.open(scene.provider.signIn(start.headers.get('Location') ?? '', bob))
    const byBob = await signedIn(scene, bob)
    expect((await whoIs(scene, byBob))['subject']).toBe((await whoIs(scene, scene.browser))['subject'])
    await post(scene.world, await scene.provider.logoutToken({ sub: bob.sub }))
    expect([await isSignedIn(scene, scene.browser), await isSignedIn(scene, byBob)]).toEqual([true, false])
  })

  it('with `sid` and `sub` also ends what began for that subject in a session that was never named', async () => {
    const scene = await createProviderScene()
    await signInBy(scene, bob)
    const named = await signedIn(scene, { sub: bob.sub, sid: 'op-session-2' })
    const somebody = await signedIn(scene, { sub: 'eve' })
    await post(scene.world, await scene.provider.logoutToken({ sid: 'op-session-1', sub: bob.sub }))
    const left = await Promise.all([scene.browser, named, somebody].map((browser) => isSignedIn(scene, browser)))
    expect(left).toEqual([false, true, true])
  })

  it('with `sid` alone leaves what began in a session that was never named', async () => {
    const scene = await createProviderScene()
    await signInBy(scene, bob)
    await post(scene.world, await scene.provider.logoutToken({ sid: 'op-session-1' }))
    expect(await isSignedIn(scene, scene.browser)).toBe(true)
  })

  it('finds them by indexes, however many the provider began', async () => {
    const plans: string[] = []
    function prepare(sql: string): D1PreparedStatement {
      plans.push(sql)
      return env.DB.prepare(sql)
    }
    const logout = { provider: 'corp', subject: ada.sub, session: 'op-session-1' }
    endOfProvider({ ...createDatabase(env.DB), prepare }, logout)
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${plans[0]}`).bind('corp', ada.sub, 's').all()
    const searches = results.map(({ detail }) => String(detail)).filter((detail) => /living_by/.test(detail))
    expect(searches).toEqual([
      'SEARCH sessions USING INDEX sessions_living_by_provider_session (provider=? AND provider_session=?)',
      'SEARCH sessions USING INDEX sessions_living_by_subject (provider=? AND provider_subject=?)',
    ])
  })

  it('with `sid` and the `sub` of somebody else ends nothing', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const token = await scene.provider.logoutToken({ sid: 'op-session-1', sub: bob.sub })
    expect((await post(scene.world, token)).status).toBe(200)
    expect(await isSignedIn(scene, scene.browser)).toBe(true)
  })

  it('ends nothing of another provider that uses the same names', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    await post(scene.world, await scene.other.logoutToken({ sub: ada.sub, sid: 'op-session-1' }), 'second')
    expect(await isSignedIn(scene, scene.browser)).toBe(true)
  })

  it('is felt at once, by an access token too, in an isolate that knows it', async () => {
    const scene = await createProviderScene({ routes: [{ path: '/*', upstream: UPSTREAM }] })
    await signInBy(scene)
    expect((await scene.browser.open('/orders')).status).toBe(200)
    await post(scene.world, await scene.provider.logoutToken({ sub: ada.sub }))
    expect((await scene.browser.open('/orders')).status).toBe(401)
  })

  it('publishes before it says that it is done, for one batch and one confirmation', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const { subject } = await whoIs(scene, scene.browser)
    const token = await scene.provider.logoutToken({ sid: 'op-session-1' })
    scene.world.count()
    await post(scene.world, token)
    expect(scene.world.count()).toEqual({ roundTrips: 2, gets: 0, puts: 1 })
    const [row] = await rowsOf(`SELECT token_version, published_version FROM users WHERE id = '${String(subject)}'`)
    expect(row?.['published_version']).toBe(row?.['token_version'])
    expect(await env.MARKERS.get(`marker:${String(subject)}`)).toBe(String(row?.['token_version']))
  })

  it('does its work once: who has signed in again stays signed in', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const token = await scene.provider.logoutToken({ sub: ada.sub })
    await post(scene.world, token)
    scene.provider.behave({ claims: { iat: Math.floor(Date.now() / 1000) + 2 } })
    await signInBy(scene)
    const again = await post(scene.world, token)
    expect([again.status, await codeOf(again)]).toEqual([400, 'invalid_request'])
    expect(await isSignedIn(scene, scene.browser)).toBe(true)
  })

  it('does its work once where it comes twice at once', async () => {
    const scene = await createProviderScene()
    const token = await scene.provider.logoutToken({ sub: ada.sub })
    const answers = await Promise.all([post(scene.world, token), post(scene.world, token)])
    expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 400])
  })

  it.each([
    ['sid', ada, { sid: 'op-session-1' }, 503],
    ['sub', ada, { sub: ada.sub }, 503],
    ['sid of another session', ada, { sid: 'op-session-2', sub: ada.sub }, 303],
    ['sub of somebody else', ada, { sub: bob.sub }, 303],
    ['sid, and sub of a session that is not named', bob, { sid: 'op-session-1', sub: bob.sub }, 503],
    ['sid alone, of a session that is not named', bob, { sid: 'op-session-1' }, 303],
  ])('with %s that overtakes the sign-in leaves it no session to open', async (_, person, claims, status) => {
    const scene = await createProviderScene()
    const start = await scene.browser.open('/auth/providers/corp/start')
    const callback = scene.provider.signIn(start.headers.get('Location') ?? '', person)
    const elsewhere = vi.mocked(globalThis.fetch).getMockImplementation()
    vi.mocked(globalThis.fetch).mockImplementation(async (input, init) => {
      const answer = await elsewhere?.(input, init)
      if (init?.method === 'POST') await post(scene.world, await scene.provider.logoutToken(claims))
      if (answer === undefined) throw new Error('no network')
      return answer
    })
    expect((await scene.browser.open(callback)).status).toBe(status)
    expect(await isSignedIn(scene, scene.browser)).toBe(status === 303)
  })

  it('has its `jti` to itself: another provider may use the same', async () => {
    const scene = await createProviderScene()
    const claims = { sub: ada.sub, jti: 'same' }
    expect((await post(scene.world, await scene.provider.logoutToken(claims))).status).toBe(200)
    expect((await post(scene.world, await scene.other.logoutToken(claims), 'second')).status).toBe(200)
  })

  it('is good for its own provider only', async () => {
    const scene = await createProviderScene()
    const token = await scene.provider.logoutToken({ sub: ada.sub })
    expect((await post(scene.world, token, 'second')).status).toBe(400)
    expect((await post(scene.world, token, 'nobody')).status).toBe(404)
    expect((await post(scene.world, token)).status).toBe(200)
  })

  it('may come with fields that nobody knows (§2.5)', async () => {
    const scene = await createProviderScene()
    const token = await scene.provider.logoutToken({ sub: ada.sub })
    expect((await post(scene.world, token, 'corp', '&foo=bar')).status).toBe(200)
  })

  it.each([
    ['is not there', ''],
    ['is no token', 'logout_token=sesame'],
    ['comes twice', 'logout_token=a.b.c&logout_token=a.b.c'],
  ])('that %s is 400', async (_, body) => {
    const { world } = await createProviderScene()
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const response = await world.send('/auth/providers/corp/backchannel-logout', { method: 'POST', headers, body })
    expect([response.status, response.headers.get('Cache-Control')]).toEqual([400, 'no-store'])
  })

  it('as JSON is 400', async () => {
    const { world, provider } = await createProviderScene()
    const body = { logout_token: await provider.logoutToken({ sub: ada.sub }) }
    expect((await world.post('/auth/providers/corp/backchannel-logout', body)).status).toBe(400)
  })

  it('of a provider whose keys cannot be had is 503, and may come again', async () => {
    const scene = await createProviderScene()
    const token = await scene.provider.logoutToken({ sub: ada.sub })
    scene.provider.behave({ jwks: HTML })
    const response = await post(scene.world, token)
    expect([response.status, await codeOf(response)]).toEqual([503, 'issuer_unavailable'])
    scene.provider.behave({})
    expect((await scene.world.sendFresh('/auth/health')).status).toBe(200)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 })
    expect((await post(scene.world, token)).status).toBe(200)
  })

  it('that D1 cannot take is 503, ends nothing, and may come again', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const token = await scene.provider.logoutToken({ sub: ada.sub })
    const broken = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: () => Promise.reject(new Error('D1 is down')),
    }
    const response = await scene.world.sendIn(
      { ...scene.world.env, DB: broken },
      '/auth/providers/corp/backchannel-logout',
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: `logout_token=${token}`,
      },
    )
    expect([response.status, await codeOf(response)]).toEqual([503, 'unavailable'])
    expect(await isSignedIn(scene, scene.browser)).toBe(true)
    expect((await post(scene.world, token)).status).toBe(200)
    expect(await isSignedIn(scene, scene.browser)).toBe(false)
  })

  it('by another key is 400', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    const token = await scene.provider.logoutToken({ sub: ada.sub }, {}, await makeKey('ES256', 'one'))
    expect((await post(scene.world, token)).status).toBe(400)
    expect(await isSignedIn(scene, scene.browser)).toBe(true)
  })
})

describe('the cron', () => {
  it('forgets logout tokens that have expired, and no others', async () => {
    const { world } = await createProviderScene()
    await env.DB.batch([
      env.DB.prepare("INSERT INTO logout_tokens VALUES ('corp', 'old', 'x', NULL, 0, unixepoch() - 1)"),
      env.DB.prepare("INSERT INTO logout_tokens VALUES ('corp', 'young', 'x', NULL, 0, unixepoch() + 60)"),
    ])
    await world.runCron()
    expect(await rowsOf('SELECT jti FROM logout_tokens')).toEqual([{ jti: 'young' }])
  })

  it('drops the ID token of a session that nobody has used for as long as sessions may idle', async () => {
    const scene = await createProviderScene()
    await signInBy(scene)
    await signedIn(scene, bob)
    await env.DB.prepare("UPDATE sessions SET last_seen_at = 0 WHERE provider_subject = 'bob|2'").run()
    await scene.world.runCron()
    expect(await rowsOf('SELECT provider_subject FROM sessions WHERE id_token_sealed IS NOT NULL')).toEqual([
      { provider_subject: ada.sub },
    ])
  })
})
