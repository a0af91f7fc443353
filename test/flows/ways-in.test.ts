import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { administer } from '../support/admin.ts'
import type { Browser } from '../support/browser.ts'
import {
  ada,
  bob,
  codeOf,
  createProviderScene,
  locationOf,
  newBrowser,
  rowsOf,
  signInBy,
} from '../support/provider-scene.ts'
import type { ProviderScene } from '../support/provider-scene.ts'
import { ISSUER, PASSWORD, user } from '../support/world.ts'

const NEXT = 'an even longer password'

interface Thief extends ProviderScene {
  /** Signed in to the account by its password, with a provider linked. */
  readonly thief: Browser
}

async function signInByPassword({ world }: ProviderScene, browser: Browser, password = PASSWORD): Promise<Response> {
  const body = JSON.stringify({ email: user.email, password })
  const init = { method: 'POST', body, headers: { 'Content-Type': 'application/json', Origin: ISSUER } }
  return world.send('/auth/sign-in', init).then((response) => {
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = line.split(';')[0]?.split('=') ?? []
      browser.cookies.set(name, value)
    }
    return response
  })
}

const startLink = (browser: Browser) => browser.submit('/auth/providers/corp/start')

async function link({ provider }: ProviderScene, browser: Browser, person = ada): Promise<Response> {
  return browser.open(provider.signIn(locationOf(await startLink(browser)), person))
}

async function createThief(): Promise<Thief> {
  const scene = await createProviderScene()
  const thief = newBrowser(scene.world)
  await signInByPassword(scene, thief)
  expect((await link(scene, thief)).status).toBe(303)
  return { ...scene, thief }
}

/** A sign-in at the provider in a browser without cookies: how the thief comes back. */
async function comeBack(scene: ProviderScene, person = ada): Promise<Response> {
  return signInBy({ provider: scene.provider, browser: newBrowser(scene.world) }, person)
}

async function makeResetLink(scene: ProviderScene): Promise<string> {
  const ask = await administer(scene.world)
  const { body } = await ask('POST', `/users/${user.id}/reset-link`)
  return new URL(String(body['url'])).searchParams.get('token') ?? ''
}

const reset = ({ world }: ProviderScene, token: string) => world.post('/auth/reset', { token, password: NEXT })

const cookiesOf = (browser: Browser) => [...browser.cookies].map((pair) => pair.join('=')).join('; ')

describe('a way in that was added to an account', () => {
  it('signs in until a remedy is used', async () => {
    const scene = await createThief()
    expect((await comeBack(scene)).status).toBe(303)
  })

  it('is suspended by a reset link, which says so, and signs in no more', async () => {
    const scene = await createThief()
    const answer = await (await reset(scene, await makeResetLink(scene))).json()
    expect(answer).toMatchObject({ suspended: [{ provider: 'corp' }] })
    const back = await comeBack(scene)
    expect([back.status, await codeOf(back)]).toEqual([401, 'invalid_sign_in'])
    expect(await rowsOf('SELECT count(*) AS count FROM users')).toEqual([{ count: 2 }])
    expect(await rowsOf(`SELECT count(*) AS count FROM audit_events WHERE action = 'identity.suspend'`)).toEqual([
      { count: 1 },
    ])
  })

  it('is not confirmed by a password change of whoever holds the account', async () => {
    const scene = await createThief()
    const body = JSON.stringify({ current: PASSWORD, new: 'a password of the thief' })
    const headers = { 'Content-Type': 'application/json', Origin: ISSUER, Cookie: cookiesOf(scene.thief) }
    expect((await scene.world.send('/auth/password', { method: 'POST', body, headers })).status).toBe(200)
    await reset(scene, await makeResetLink(scene))
    expect((await comeBack(scene)).status).toBe(401)
  })

  it.each(['end-sessions', 'disable'])('is suspended by an administrator: %s', async (deed) => {
    const scene = await createThief()
    const ask = await administer(scene.world)
    const { body } = await ask('POST', `/users/${user.id}/${deed}`)
    expect(body).toMatchObject({ ended: 1, suspended: [{ provider: 'corp' }] })
    await ask('POST', `/users/${user.id}/enable`)
    expect((await comeBack(scene)).status).toBe(401)
  })

  it('does not come of a link that was begun before the remedy and finished after it', async () => {
    const scene = await createProviderScene()
    const thief = newBrowser(scene.world)
    await signInByPassword(scene, thief)
    const begun = locationOf(await startLink(thief))
    await reset(scene, await makeResetLink(scene))
    expect((await thief.open(scene.provider.signIn(begun, ada))).status).toBe(401)
    expect(await rowsOf('SELECT count(*) AS count FROM identities')).toEqual([{ count: 0 }])
  })

  it('opens no session by a sign-in that was begun before the remedy', async () => {
    const scene = await createThief()
    const browser = newBrowser(scene.world)
    const begun = locationOf(await browser.open('/auth/providers/corp/start'))
    await reset(scene, await makeResetLink(scene))
    expect((await browser.open(scene.provider.signIn(begun, ada))).status).toBe(401)
  })

  it('signs in again once its user has linked it again', async () => {
    const scene = await createThief()
    await reset(scene, await makeResetLink(scene))
    const owner = newBrowser(scene.world)
    await signInByPassword(scene, owner, NEXT)
    expect((await link(scene, owner)).status).toBe(303)
    expect((await comeBack(scene)).status).toBe(303)
  })

  it('is not the one that the account was made by, which stays', async () => {
    const scene = await createProviderScene()
    await signInBy(scene, bob)
    const [row] = await rowsOf("SELECT user_id FROM identities WHERE subject = 'bob|2'")
    const ask = await administer(scene.world)
    const { body } = await ask('POST', `/users/${String(row?.['user_id'])}/end-sessions`)
    expect(body).toMatchObject({ suspended: [] })
    expect((await comeBack(scene, bob)).status).toBe(303)
  })

  it('of another user is left alone', async () => {
    const scene = await createThief()
    await signInBy(scene, bob)
    await reset(scene, await makeResetLink(scene))
    expect(await rowsOf('SELECT subject FROM identities WHERE suspended_at IS NULL')).toEqual([{ subject: bob.sub }])
  })
})

describe('linking', () => {
  it('replaces the credential of the session that asks', async () => {
    const scene = await createProviderScene()
    const browser = newBrowser(scene.world)
    await signInByPassword(scene, browser)
    const copied = cookiesOf(browser)
    await link(scene, browser)
    const status = async (Cookie: string) =>
      (await scene.world.sendFresh('/auth/session', { headers: { Cookie } })).status
    expect([await status(copied), await status(cookiesOf(browser))]).toEqual([401, 200])
  })

  it.each([
    [{}, 401],
    [{ password: 'not the password' }, 401],
    [{ password: PASSWORD }, 303],
  ])('asks for the password where the sign-in is not recent: %j', async (given, expected) => {
    const scene = await createProviderScene()
    const browser = newBrowser(scene.world)
    await signInByPassword(scene, browser)
    await env.DB.prepare('UPDATE sessions SET auth_time = auth_time - 601').run()
    expect((await browser.submit('/auth/providers/corp/start', given)).status).toBe(expected)
  })
})

const ask = ({ world }: ProviderScene, browser: Browser, method: string, path: string, body = {}) =>
  world.send(path, {
    method,
    headers: { Cookie: cookiesOf(browser), Origin: ISSUER, 'Content-Type': 'application/json' },
    ...(method === 'DELETE' && { body: JSON.stringify(body) }),
  })

async function idOf(scene: ProviderScene, browser: Browser): Promise<string> {
  const { identities } = await (
    await ask(scene, browser, 'GET', '/auth/identities')
  ).json<{
    identities: readonly Record<string, string>[]
  }>()
  return identities[0]?.['id'] ?? ''
}

describe('my ways in', () => {
  it('are listed without the subject, and removed with their sessions', async () => {
    const scene = await createThief()
    const other = newBrowser(scene.world)
    await signInBy({ provider: scene.provider, browser: other })
    const listed = await ask(scene, scene.thief, 'GET', '/auth/identities')
    expect(await listed.json()).toEqual({
      identities: [
        {
          id: expect.stringMatching(/^[\w-]{22}$/),
          provider: 'corp',
          linked_at: expect.any(Number),
          suspended_at: null,
        },
      ],
    })
    const removed = await ask(scene, scene.thief, 'DELETE', `/auth/identities/${await idOf(scene, scene.thief)}`)
    expect([removed.status, await removed.json()]).toMatchObject([200, { ended: 1, effective_by: {} }])
    expect((await ask(scene, other, 'GET', '/auth/session')).status).toBe(401)
    expect((await comeBack(scene)).headers.get('Location')).toBe('/auth/account')
    expect(await rowsOf('SELECT count(*) AS count FROM users')).toEqual([{ count: 2 }])
  })

  it('keep the last one, and the credential of the session that asked for its removal', async () => {
    const scene = await createProviderScene()
    await signInBy(scene, bob)
    await env.DB.prepare('UPDATE sessions SET auth_time = unixepoch()').run()
    const path = `/auth/identities/${await idOf(scene, scene.browser)}`
    const refused = await ask(scene, scene.browser, 'DELETE', path)
    expect([refused.status, await codeOf(refused)]).toEqual([409, 'conflict'])
    expect((await ask(scene, scene.browser, 'GET', '/auth/session')).status).toBe(200)
    expect((await comeBack(scene, bob)).status).toBe(303)
  })

  it('are not removed by another user, from another site, or long after signing in', async () => {
    const scene = await createThief()
    const path = `/auth/identities/${await idOf(scene, scene.thief)}`
    await signInBy(scene, bob)
    await env.DB.prepare('UPDATE sessions SET auth_time = unixepoch()').run()
    expect((await ask(scene, scene.browser, 'DELETE', path)).status).toBe(404)
    const headers = { Cookie: cookiesOf(scene.thief), Origin: 'https://evil.example' }
    expect((await scene.world.send(path, { method: 'DELETE', headers })).status).toBe(403)
    await env.DB.prepare('UPDATE sessions SET auth_time = auth_time - 601').run()
    expect((await ask(scene, scene.thief, 'DELETE', path)).status).toBe(401)
    expect((await ask(scene, scene.thief, 'DELETE', path, { password: PASSWORD })).status).toBe(200)
  })

  it('are listed and removed by an administrator, the last one too', async () => {
    const scene = await createProviderScene()
    await signInBy(scene, bob)
    const [row] = await rowsOf("SELECT user_id FROM identities WHERE subject = 'bob|2'")
    const asked = await administer(scene.world)
    const path = `/users/${String(row?.['user_id'])}/identities`
    const { body } = await asked('GET', path)
    expect(body).toMatchObject({ identities: [{ provider: 'corp', suspended_at: null }] })
    const id = await idOf(scene, scene.browser)
    expect(await asked('DELETE', `${path}/${id}`)).toMatchObject({ status: 200, body: { ended: 1 } })
    expect(await asked('DELETE', `${path}/${id}`)).toMatchObject({ status: 404 })
  })

  it('are on the account page, which removes them', async () => {
    const scene = await createThief()
    const page = await (await scene.thief.open('/auth/account')).text()
    expect(page).toContain('Remove')
    const answer = await scene.thief.submit('/auth/account', { unlink: await idOf(scene, scene.thief) })
    expect(locationOf(answer)).toBe('/auth/account?done=unlinked')
    expect((await scene.thief.open('/auth/account')).status).toBe(200)
    expect(await rowsOf('SELECT count(*) AS count FROM identities')).toEqual([{ count: 0 }])
  })
})
