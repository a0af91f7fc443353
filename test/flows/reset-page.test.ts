// The page that a reset link leads to.
import { describe, expect, it } from 'vitest'

import { administer, everything } from '../support/admin.ts'
import { pageProblems } from '../support/html.ts'
import { NAVIGATION, OWN_FORM, read, submit, visit } from '../support/visitor.ts'
import { createWorld, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const NEXT = 'an even longer password'

async function start(): Promise<{ readonly world: World; readonly link: URL }> {
  const world = await createWorld({ routes: [{ path: '/*', upstream: UPSTREAM }] })
  const ask = await administer(world)
  const { body } = await ask('POST', `/users/${user.id}/reset-link`)
  return { world, link: new URL(String(body['url'])) }
}

function tokenOf(link: URL): string {
  return link.searchParams.get('token') ?? ''
}

async function canSignIn(world: World, password: string): Promise<boolean> {
  return (await world.post('/auth/sign-in', { email: user.email, password, transport: 'token' })).status === 200
}

describe('the page of a reset link', () => {
  it('has what password managers look for, and the link’s token out of sight', async () => {
    const { world, link } = await start()
    const response = await visit(world, link.pathname + link.search)
    const { html, elements } = await read(response)
    expect(pageProblems(html)).toEqual([])
    const inputs = elements.filter(({ name }) => name === 'input').map(({ attributes }) => attributes)
    expect(inputs).toMatchObject([
      { type: 'hidden', name: 'token', value: tokenOf(link) },
      { type: 'password', name: 'password', autocomplete: 'new-password' },
    ])
    expect(response.headers.get('Cache-Control')).toBe('no-store')
  })

  it('uses nothing up, however often it is looked at, and tells nothing of the link', async () => {
    const { world, link } = await start()
    const before = await everything()
    world.count()
    const good = await read(await visit(world, link.pathname + link.search))
    const bad = await read(await visit(world, '/auth/reset?token=nothing'))
    expect(world.count().roundTrips).toBe(0)
    expect(await everything()).toEqual(before)
    expect(bad.text).toBe(good.text)
  })

  it('sets the password and goes on to say so', async () => {
    const { world, link } = await start()
    const response = await submit(world, '/auth/reset', { token: tokenOf(link), password: NEXT })
    expect([response.status, response.headers.get('Location')]).toEqual([303, '/auth/reset?done=yes'])
    expect([await canSignIn(world, PASSWORD), await canSignIn(world, NEXT)]).toEqual([false, true])
    const { html, text } = await read(await visit(world, '/auth/reset?done=yes'))
    expect(pageProblems(html)).toEqual([])
    expect(text).toContain('Your password has been set')
  })

  it('says of a link that was used that it is over, as of one that never was', async () => {
    const { world, link } = await start()
    const form = { token: tokenOf(link), password: NEXT }
    await submit(world, '/auth/reset', form)
    const [used, never] = [
      await submit(world, '/auth/reset', form),
      await submit(world, '/auth/reset', { ...form, token: 'x' }),
    ]
    expect([used.status, never.status]).toEqual([400, 400])
    const { html, text } = await read(used)
    expect(pageProblems(html)).toEqual([])
    expect(text).toContain('This link is over, or has been used.')
    expect((await read(never)).text).toBe(text)
  })

  it('asks again for a password that is refused, and the link still works', async () => {
    const { world, link } = await start()
    const refused = await submit(world, '/auth/reset', { token: tokenOf(link), password: 'password123' })
    const { html, text } = await read(refused)
    expect([refused.status, pageProblems(html)]).toEqual([400, []])
    expect(text).toContain('The new password is one of the most common passwords.')
    expect((await submit(world, '/auth/reset', { token: tokenOf(link), password: NEXT })).status).toBe(303)
  })

  it('escapes what a link carries', async () => {
    const { world } = await start()
    const { html } = await read(
      await visit(world, `/auth/reset?token=${encodeURIComponent('"><script>alert(1)</script>')}`),
    )
    expect(pageProblems(html)).toEqual([])
    expect(html).not.toContain('<script>')
  })

  it.each(['', '?token=a&token=b'])('is an error page for the query %j', async (query) => {
    const { world } = await start()
    expect((await visit(world, `/auth/reset${query}`)).status).toBe(400)
  })

  it('takes no form from another site', async () => {
    const { world, link } = await start()
    const body = new URLSearchParams({ token: tokenOf(link), password: NEXT })
    const headers = { ...NAVIGATION, ...OWN_FORM, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.test' }
    const before = await everything()
    const response = await world.send('/auth/reset', { method: 'POST', body, headers })
    expect(response.status).toBe(403)
    expect(await everything()).toEqual(before)
  })

  it('is not there where passwords are off', async () => {
    const world = await createWorld({ vars: { PASSWORDS: { sign_in: false } } })
    expect((await visit(world, '/auth/reset?token=x')).status).toBe(404)
  })
})
