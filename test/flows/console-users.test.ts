// What an administrator sees and does on the console: users, their sessions, the audit trail.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { insertAudit } from '../../src/audit/store.ts'
import { administrator, trail } from '../support/admin.ts'
import { createConsoleWorld, operate } from '../support/console.ts'
import { pageProblems } from '../support/html.ts'
import { read } from '../support/visitor.ts'
import type { World } from '../support/world.ts'
import { insertUser, user } from '../support/world.ts'

/** What a page says, once it is known to be a good one. */
async function textOf(response: Response): Promise<string> {
  expect(response.status).toBe(200)
  const { text, html } = await read(response)
  expect(pageProblems(html, [])).toEqual([])
  return text
}

async function linksOf(response: Response): Promise<readonly string[]> {
  const { elements } = await read(response)
  return elements.flatMap(({ attributes: { href } }) => href ?? [])
}

async function isSignedIn(world: World, token: string): Promise<boolean> {
  return (await world.bearer(token, '/auth/session')).status === 200
}

async function sessionIdOf(userId: string): Promise<string> {
  return String(await env.DB.prepare('SELECT id FROM sessions WHERE user_id = ?1').bind(userId).first('id'))
}

describe('the list of users', () => {
  it.each([
    ['', ['ada@example.com', 'root@example.com']],
    [user.id, ['ada@example.com']],
    ['Ada@', ['ada@example.com']],
    ['nobody', []],
    ["%' OR 1=1 --", []],
  ])('finds by id and by the beginning of an e-mail: %s', async (q, emails) => {
    const { see } = await operate(await createConsoleWorld())
    const text = await textOf(await see(`/users?q=${encodeURIComponent(q)}`))
    expect(['ada@example.com', 'root@example.com'].filter((email) => text.includes(email))).toEqual(emails)
  })

  it('has each user once, page by page', async () => {
    const world = await createConsoleWorld()
    for (let at = 0; at < 60; at += 1) await insertUser({ ...user, id: `u${at}`, email: `b${at}@example.com` })
    const { see } = await operate(world)
    for (const start of ['/users', '/users?q=b']) {
      const first = await linksOf(await see(start))
      const next = first.find((href) => href.includes('after=')) ?? ''
      const users = [...first, ...(await linksOf(await see(next)))].filter((href) => href.startsWith('/users/'))
      expect(users).toHaveLength(start === '/users' ? 62 : 60)
      expect(new Set(users).size).toBe(users.length)
    }
  })

  it('leads to a user whatever his id is made of', async () => {
    const world = await createConsoleWorld()
    await insertUser({ ...user, id: '../a?b/<c>%2F', email: 'odd@example.com' })
    const { see } = await operate(world)
    const links = await linksOf(await see('/users?q=odd'))
    const path = links.find((href) => href.startsWith('/users/')) ?? ''
    expect(await textOf(await see(path))).toContain('../a?b/<c>%2F')
  })
})

/** An event of the administrator's about the user. */
function told(action: string, details: string) {
  return { actor: administrator.id, action, target: user.id, details }
}

describe('a user', () => {
  it('is shown with his sessions, what he may, and no secret', async () => {
    const world = await createConsoleWorld()
    const { refresh } = await world.signInForTokens()
    const { see } = await operate(world)
    const page = await see(`/users/${user.id}`)
    const { html } = await read(page.clone())
    const text = await textOf(page)
    for (const shown of [user.id, user.email, 'staff', 'orders:read', 'acme']) expect(text).toContain(shown)
    for (const secret of ['$scrypt', refresh]) expect(html).not.toContain(secret)
  })

  it('loses one session and keeps the others', async () => {
    const world = await createConsoleWorld()
    const first = await world.signInForTokens()
    const id = await sessionIdOf(user.id)
    const second = await world.signInForTokens()
    const { send, see } = await operate(world)
    const answer = await send(`/users/${user.id}`, { do: 'end', session: id })
    expect(answer.headers.get('Location')).toBe(`/users/${user.id}?done=end`)
    expect(await textOf(await see(`/users/${user.id}?done=end`))).toContain('The session has ended.')
    expect([await isSignedIn(world, first.access), await isSignedIn(world, second.access)]).toEqual([false, true])
  })

  it.each(['end-all', 'disable'])('loses every session: %s', async (deed) => {
    const world = await createConsoleWorld()
    const tokens = [await world.signInForTokens(), await world.signInForTokens()]
    const { send } = await operate(world)
    expect((await send(`/users/${user.id}`, { do: deed })).status).toBe(303)
    for (const { access } of tokens) expect(await isSignedIn(world, access)).toBe(false)
  })

  it('leaves the same trail as by the admin API', async () => {
    const world = await createConsoleWorld()
    await world.signInForTokens()
    const session = await sessionIdOf(user.id)
    const { send } = await operate(world)
    for (const deed of ['end', 'end-all', 'disable', 'enable']) {
      await send(`/users/${user.id}`, { do: deed, ...(deed === 'end' && { session }) })
    }
    const events = (await trail()).map(({ actor, action, target, details }) => ({ actor, action, target, details }))
    expect(events).toEqual([
      told('session.end', `{"reason":"admin","sessions":["${session}"]}`),
      told('session.end', '{"reason":"admin","sessions":"all"}'),
      told('user.disable', '{}'),
      told('user.enable', '{}'),
    ])
  })

  it('is left alone by a form that is none, about a session of another or about nobody', async () => {
    const world = await createConsoleWorld()
    const { access } = await world.signInForTokens()
    const { send } = await operate(world)
    const own = await sessionIdOf(administrator.id)
    const answers = [
      await send(`/users/${user.id}`, {}),
      await send(`/users/${user.id}`, { do: 'destroy' }),
      await send(`/users/${user.id}`, { do: 'disable', more: 'x' }),
      await send(`/users/${user.id}`, { do: 'end', session: own }),
      await send('/users/nobody', { do: 'disable' }),
      await send('/users', { do: 'disable' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 404, 404, 405])
    expect(await isSignedIn(world, access)).toBe(true)
    expect(await trail()).toEqual([])
  })

  it('who is the administrator himself may end his own session, and is signed out', async () => {
    const { send, see } = await operate(await createConsoleWorld())
    await send(`/users/${administrator.id}`, { do: 'end-all' })
    expect((await see('/users')).headers.get('Location')).toBe('/sign-in')
  })
})

async function record(count: number, actor: string, target = user.id): Promise<void> {
  const event = { actor, action: 'user.change', target, outcome: 'success', requestId: 'r', details: {} } as const
  await env.DB.batch(Array.from({ length: count }, () => insertAudit(env.DB, event)))
}

describe('the audit trail', () => {
  it('shows who did what to whom, found by each of them', async () => {
    const world = await createConsoleWorld()
    const { see } = await operate(world)
    await record(1, 'the gateway')
    await record(1, 'usr_7')
    expect(await textOf(await see('/audit'))).toMatch(/usr_7.*user\.change.*the gateway/s)
    expect(await textOf(await see('/audit?actor=usr_7'))).not.toContain('the gateway')
    expect(await textOf(await see('/audit?action=nothing'))).toContain('No event was found.')
    expect(await textOf(await see(`/audit?target=${user.id}&actor=the+gateway`))).not.toContain('usr_7')
  })

  it('has each event once, page by page', async () => {
    const world = await createConsoleWorld()
    const { see } = await operate(world)
    await record(60, 'usr_7')
    const first = await see('/audit?actor=usr_7')
    const next = (await linksOf(first.clone())).find((href) => href.includes('before=')) ?? ''
    const counts = [await textOf(first), await textOf(await see(next))].map(
      (text) => text.split('user.change').length - 1,
    )
    expect(counts).toEqual([50, 10])
  })

  it('shows what clients wrote as text', async () => {
    const { see } = await operate(await createConsoleWorld())
    await record(1, '<script>alert(1)</script>', '"><img>')
    expect(await textOf(await see('/audit'))).toContain('<script>alert(1)</script>')
    expect(await textOf(await see(`/audit?actor=${encodeURIComponent('"><b>')}`))).toContain('No event was found.')
  })
})

it('a page costs one round trip to judge who asks, and at most one to show', async () => {
  const world = await createConsoleWorld()
  const { see } = await operate(world)
  for (const path of ['/users', `/users/${user.id}`, '/audit']) {
    world.count()
    expect((await see(path)).status).toBe(200)
    expect(world.count().roundTrips).toBe(2)
  }
})
