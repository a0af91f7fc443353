import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { pageProblems } from '../support/html.ts'
import { NAVIGATION, OWN_FORM, read, submit, visit } from '../support/visitor.ts'
import type { World } from '../support/world.ts'
import { cookieHeader, createWorld, insertUser, PASSWORD, UPSTREAM, user } from '../support/world.ts'

const routes = [{ path: '/*', upstream: UPSTREAM, revocation: 'session' }]
const stranger = { ...user, id: 'usr_0000000000000000000002', email: 'other@example.com' }
const status = async (world: World, access: string) => (await world.bearer(access, '/x')).status
const sessionIds = async () => {
  const { results } = await env.DB.prepare('SELECT id FROM sessions WHERE ended_at IS NULL ORDER BY rowid').all()
  return results.map(({ id }) => String(id))
}

describe('the account page', () => {
  it('lists my living devices, this one first and marked, and no token', async () => {
    const world = await createWorld({ routes })
    const other = await world.signInForTokens()
    const Cookie = await world.signInForCookies()
    const [there = '', here = ''] = await sessionIds()
    await env.DB.prepare('UPDATE sessions SET user_agent = ?2, address = ?3 WHERE id = ?1')
      .bind(there, 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0', '203.0.113.7')
      .run()
    const response = await visit(world, '/auth/account', { Cookie })
    expect(response.status).toBe(200)
    const { html, elements, text } = await read(response)
    expect(pageProblems(html)).toEqual([])
    const items = elements.filter(({ name }) => name === 'li').map((item) => item.text)
    expect(items).toHaveLength(2)
    expect(items[0]).toContain('This device')
    expect(items[1]).toMatch(/Firefox on Windows.*from 203\.0\.113\.7.*Signed in \d+ \w+ \d{4} at [\d:]+ UTC/)
    expect(text).toContain(user.email)
    expect(html).toContain(there)
    for (const secret of [here, other.access, other.refresh, ...Cookie.split(/; |=/)])
      expect(html).not.toContain(secret)
    expect(html).not.toMatch(/gth_|eyJ/)
  })

  it('escapes what devices call themselves, and their owner', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    const hostile = `<script>alert("1")</script>&'`
    await env.DB.prepare('UPDATE sessions SET user_agent = ?1, address = ?1').bind(hostile).run()
    await env.DB.prepare('UPDATE users SET email = ?1').bind(hostile).run()
    const { html, text } = await read(await visit(world, '/auth/account', { Cookie }))
    expect(pageProblems(html)).toEqual([])
    expect(text).toContain(`Signed in as ${hostile}`)
    expect(text).toContain(`from ${hostile}`)
  })

  it('shows nobody else’s', async () => {
    const world = await createWorld({ routes })
    await insertUser(stranger)
    await world.signInForTokens(stranger.id)
    const Cookie = await world.signInForCookies()
    const { elements, html } = await read(await visit(world, '/auth/account', { Cookie }))
    expect(elements.filter(({ name }) => name === 'li')).toHaveLength(1)
    expect(html).not.toContain('Sign out all other devices')
  })

  it('says what was done in words of its own', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    const said = async (done: string) =>
      (await read(await visit(world, `/auth/account?done=${done}`, { Cookie }))).find('p', 'role', 'status')?.text
    expect(await said('others')).toBe('All other devices have been signed out.')
    expect(await said('Call+0900+1234')).toBeUndefined()
  })

  it('offers no change of a password to whoever has none', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    const offered = async () =>
      (await read(await visit(world, '/auth/account', { Cookie }))).find('a', 'href', '/auth/password') !== undefined
    expect(await offered()).toBe(true)
    await env.DB.prepare('UPDATE users SET password_hash = NULL').run()
    expect(await offered()).toBe(false)
  })
})

describe.each(['/auth/account', '/auth/password'])('%s, for whoever is not signed in,', (path) => {
  it('leads to the sign-in page and back', async () => {
    const world = await createWorld({ routes })
    const response = await visit(world, path)
    expect(response.status).toBe(303)
    expect(response.headers.get('Location')).toBe(
      `https://api.example.com/auth/sign-in?return_to=${encodeURIComponent(path)}`,
    )
  })

  it('clears the cookies of a dead session', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    await env.DB.prepare("UPDATE sessions SET ended_at = unixepoch(), end_reason = 'test'").run()
    const response = await visit(world, path, { Cookie })
    expect(response.status).toBe(303)
    expect(response.headers.getSetCookie().map((line) => line.split('=')[0])).toEqual([
      '__Host-gatehouse_session',
      '__Host-gatehouse_access',
    ])
  })

  it('is 401 for programs', async () => {
    const world = await createWorld({ routes })
    const response = await world.send(path)
    expect(await response.json()).toMatchObject({ code: 'credential_required', status: 401 })
  })

  it('is 503 while D1 is down, and no cookie goes', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    const DB = { prepare: (sql: string) => env.DB.prepare(sql), batch: () => Promise.reject(new Error('down')) }
    const response = await world.sendIn({ ...world.env, DB }, path, { headers: { ...NAVIGATION, Cookie } })
    expect(response.status).toBe(503)
    expect(response.headers.getSetCookie()).toEqual([])
    expect((await read(response)).text).toContain('unavailable')
  })
})

describe('ending devices', () => {
  it('ends one, at once, and publishes it', async () => {
    const world = await createWorld({ routes })
    const there = await world.signInForTokens()
    const beside = await world.signInForTokens()
    const Cookie = await world.signInForCookies()
    const [id = ''] = await sessionIds()
    world.count()
    const response = await submit(world, '/auth/account', { end: id }, { Cookie })
    expect([response.status, response.headers.get('Location')]).toEqual([303, '/auth/account?done=one'])
    expect(world.count()).toMatchObject({ puts: 1 })
    expect([await status(world, there.access), await status(world, beside.access)]).toEqual([401, 200])
    expect((await visit(world, '/auth/account', { Cookie })).status).toBe(200)
  })

  it('ends all others in one batch, and this one lives on', async () => {
    const world = await createWorld({ routes })
    await insertUser(stranger)
    const others = [await world.signInForTokens(), await world.signInForTokens()]
    const somebody = await world.signInForTokens(stranger.id)
    const Cookie = await world.signInForCookies()
    world.count()
    const response = await submit(world, '/auth/account', { end: 'others' }, { Cookie })
    expect(response.headers.get('Location')).toBe('/auth/account?done=others')
    expect(world.count()).toEqual({ roundTrips: 3, gets: 0, puts: 1 })
    expect(await Promise.all(others.map(({ access }) => status(world, access)))).toEqual([401, 401])
    expect(await status(world, somebody.access)).toBe(200)
    expect((await visit(world, '/auth/account', { Cookie })).status).toBe(200)
    expect(await env.DB.prepare("SELECT count(*) AS n FROM sessions WHERE end_reason = 'by_owner'").first('n')).toBe(2)
  })

  it('can be repeated: nothing more ends, and nothing is published', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    world.count()
    expect((await submit(world, '/auth/account', { end: 'others' }, { Cookie })).status).toBe(303)
    expect(world.count()).toMatchObject({ puts: 0 })
  })

  it('ends nothing of somebody else, and does not tell that it exists', async () => {
    const world = await createWorld({ routes })
    await insertUser(stranger)
    const victim = await world.signInForTokens(stranger.id)
    const [id = ''] = await sessionIds()
    const Cookie = await world.signInForCookies()
    const existing = await submit(world, '/auth/account', { end: id }, { Cookie })
    const missing = await submit(world, '/auth/account', { end: 'ses_0000000000000000000000' }, { Cookie })
    expect([...existing.headers]).toEqual([...missing.headers])
    expect(await status(world, victim.access)).toBe(200)
  })

  it('ends this one too, by its id, and its cookies go', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    const [id = ''] = await sessionIds()
    const response = await submit(world, '/auth/account', { end: id }, { Cookie })
    expect(response.headers.get('Location')).toBe('/auth/sign-in')
    expect(response.headers.getSetCookie()).toHaveLength(2)
    expect(await sessionIds()).toEqual([])
  })

  it('by a session that has ended meanwhile ends nothing', async () => {
    const world = await createWorld({ routes })
    const other = await world.signInForTokens()
    const Cookie = await world.signInForCookies()
    const [, here = ''] = await sessionIds()
    await env.DB.prepare("UPDATE sessions SET ended_at = unixepoch(), end_reason = 'test' WHERE id = ?1")
      .bind(here)
      .run()
    const response = await submit(world, '/auth/account', { end: 'others' }, { Cookie })
    expect(response.status).toBe(401)
    expect(response.headers.getSetCookie()).toHaveLength(2)
    expect(await status(world, other.access)).toBe(200)
  })

  it('by a session that ends between being found alive and ending others ends nothing', async () => {
    const world = await createWorld({ routes })
    const other = await world.signInForTokens()
    const Cookie = await world.signInForCookies()
    const [, here = ''] = await sessionIds()
    const DB = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: async (statements: D1PreparedStatement[]) => {
        const results = await env.DB.batch(statements)
        await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch() WHERE id = ?1').bind(here).run()
        return results
      },
    }
    const headers = { ...OWN_FORM, Cookie }
    const body = new URLSearchParams({ end: 'others' })
    await world.sendIn({ ...world.env, DB }, '/auth/account', { method: 'POST', body, headers })
    expect(await status(world, other.access)).toBe(200)
  })

  it.each<[string, Record<string, string>, Record<string, string>, number]>([
    ['another site', { end: 'others' }, { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.test' }, 403],
    ['an address bar', { end: 'others' }, { 'Sec-Fetch-Site': 'none', Origin: 'null' }, 403],
    ['a form without a choice', {}, {}, 400],
    ['an empty choice', { end: '' }, {}, 400],
    ['another member', { end: 'others', user: 'x' }, {}, 400],
  ])('is not for %s', async (_, members, headers, expected) => {
    const world = await createWorld({ routes })
    const other = await world.signInForTokens()
    const Cookie = await world.signInForCookies()
    expect((await submit(world, '/auth/account', members, { Cookie, ...headers })).status).toBe(expected)
    expect(await status(world, other.access)).toBe(200)
  })
})

describe('signing out by the page', () => {
  it('ends the session, clears the cookies and leads to the sign-in page', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    const response = await submit(world, '/auth/sign-out', {}, { Cookie })
    expect([response.status, response.headers.get('Location')]).toEqual([303, '/auth/sign-in'])
    expect(response.headers.getSetCookie()).toHaveLength(2)
    expect(await sessionIds()).toEqual([])
    expect((await submit(world, '/auth/sign-out', {}, { Cookie })).status).toBe(303)
  })

  it('leads where it was asked to', async () => {
    const world = await createWorld({ routes })
    const response = await submit(world, '/auth/sign-out', { return_to: '/bye' })
    expect(response.headers.get('Location')).toBe('/bye')
  })

  it('is not for another site', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    const headers = { Cookie, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.test' }
    expect((await submit(world, '/auth/sign-out', {}, headers)).status).toBe(403)
    expect(await sessionIds()).toHaveLength(1)
  })
})

describe('the password page', () => {
  const next = 'an even longer password'

  it('has both fields, and the name that a password manager keeps them under', async () => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    const { html, find } = await read(await visit(world, '/auth/password', { Cookie }))
    expect(pageProblems(html)).toEqual([])
    expect(find('input', 'name', 'current')?.attributes['autocomplete']).toBe('current-password')
    expect(find('input', 'name', 'new')?.attributes['autocomplete']).toBe('new-password')
    expect(find('input', 'name', 'username')?.attributes['value']).toBe(user.email)
  })

  it('changes it, ends the other sessions and says so', async () => {
    const world = await createWorld({ routes })
    const other = await world.signInForTokens()
    const Cookie = await world.signInForCookies()
    const members = { username: user.email, current: PASSWORD, new: next }
    const response = await submit(world, '/auth/password', members, { Cookie })
    expect([response.status, response.headers.get('Location')]).toEqual([303, '/auth/account?done=password'])
    expect(await status(world, other.access)).toBe(401)
    expect((await visit(world, '/auth/account', { Cookie })).status).toBe(303)
    expect((await visit(world, '/auth/account', { Cookie: cookieHeader(response) })).status).toBe(200)
    expect((await submit(world, '/auth/sign-in', { email: user.email, password: next })).status).toBe(303)
  })

  it.each<[string, Record<string, string>, number, string]>([
    ['a wrong current one', { current: 'not-the-password', new: next }, 401, 'current'],
    ['a short new one', { current: PASSWORD, new: 'short' }, 400, 'new'],
    ['nothing', {}, 400, 'current,new'],
  ])('shows the form again for %s, without the passwords', async (_, members, expected, fields) => {
    const world = await createWorld({ routes })
    const Cookie = await world.signInForCookies()
    const response = await submit(world, '/auth/password', members, { Cookie })
    expect(response.status).toBe(expected)
    const { html, elements } = await read(response)
    expect(pageProblems(html)).toEqual([])
    const invalid = elements.filter(({ attributes }) => attributes['aria-invalid'] === 'true')
    expect(invalid.map(({ attributes }) => attributes['name']).join(',')).toBe(fields)
    for (const typed of Object.values(members)) expect(html).not.toContain(typed)
    expect(await env.DB.prepare('SELECT session_epoch FROM users').first('session_epoch')).toBe(0)
  })

  it('brings no cookie of a session back that ends while the password is checked', async () => {
    const world = await createWorld({ routes })
    const cookies = (await world.signInForCookies()).split('; ')
    const session = cookies.find((pair) => pair.includes('gatehouse_session')) ?? ''
    const DB = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: async (statements: D1PreparedStatement[]) => {
        const results = await env.DB.batch(statements)
        await env.DB.prepare('UPDATE sessions SET ended_at = unixepoch()').run()
        return results
      },
    }
    const body = new URLSearchParams({ current: 'not-the-password', new: next })
    const headers = { ...OWN_FORM, Cookie: session }
    const response = await world.sendIn({ ...world.env, DB }, '/auth/password', { method: 'POST', body, headers })
    expect([response.status, response.headers.getSetCookie()]).toEqual([401, []])
  })

  it('is not there where passwords are off, and not for another site', async () => {
    const off = await createWorld({ routes, vars: { PASSWORDS: { sign_in: false } } })
    expect((await visit(off, '/auth/password')).status).toBe(404)
    const world = await createWorld({ routes })
    const headers = {
      Cookie: await world.signInForCookies(),
      'Sec-Fetch-Site': 'cross-site',
      Origin: 'https://evil.test',
    }
    expect((await submit(world, '/auth/password', { current: PASSWORD, new: next }, headers)).status).toBe(403)
  })
})
