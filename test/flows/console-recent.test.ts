// What writes on the console needs a recent sign-in, and nothing is lost on the way to one.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { administrator, everything } from '../support/admin.ts'
import { CONSOLE, createConsoleWorld, operate, sendForm } from '../support/console.ts'
import type { Operator } from '../support/console.ts'
import { pageProblems } from '../support/html.ts'
import { NAVIGATION, read } from '../support/visitor.ts'
import type { World, WorldOptions } from '../support/world.ts'
import { cookieHeader, PASSWORD, user } from '../support/world.ts'

interface Scene {
  readonly world: World
  readonly operator: Operator
}

/** An administrator who signed in to the console that many seconds ago. */
async function operateAfter(seconds: number, options: WorldOptions = {}): Promise<Scene> {
  const world = await createConsoleWorld(options)
  const operator = await operate(world)
  await operator.see('/users')
  await env.DB.prepare('UPDATE sessions SET auth_time = auth_time - ?1').bind(seconds).run()
  return { world, operator }
}

const PAGE = `/users/${user.id}`

async function signInAgain(world: World, cookie: string, returnTo: string, password = PASSWORD): Promise<Response> {
  const form = { email: administrator.email, password, return_to: returnTo }
  return sendForm(world, '/sign-in', form, { Cookie: cookie })
}

async function valueOf(response: Response, name: string): Promise<string | undefined> {
  const { elements } = await read(response)
  return elements.find(({ attributes }) => attributes['name'] === name)?.attributes['value']
}

describe('a write whose sign-in is older than max_auth_age', () => {
  it.each([
    ['disable', {}],
    ['enable', {}],
    ['end-all', {}],
    ['end', { session: 'ses_0000000000000000000000' }],
  ])('leads to the sign-in page with its aim, and does nothing: %s', async (name, more) => {
    const { operator } = await operateAfter(905)
    const before = await everything()
    const answer = await operator.send(PAGE, { do: name, ...more })
    expect(answer.status).toBe(303)
    const location = new URL(answer.headers.get('Location') ?? '', CONSOLE)
    expect([location.origin, location.pathname]).toEqual([CONSOLE, '/sign-in'])
    const query = new URLSearchParams({ do: name, ...more }).toString()
    expect(location.searchParams.get('return_to')).toBe(`${PAGE}?${query}`)
    expect(await everything()).toEqual(before)
  })

  it('is asked to confirm after the sign-in, which opens another session in place of the old', async () => {
    const { world, operator } = await operateAfter(905)
    const asked = (await operator.send(PAGE, { do: 'disable' })).headers.get('Location') ?? ''
    const page = await operator.see(asked)
    const { html, text } = await read(page)
    expect(pageProblems(html, [])).toEqual([])
    expect(text).toContain('needs a recent sign-in')
    const returnTo = (await valueOf(await operator.see(asked), 'return_to')) ?? ''
    const wrong = await signInAgain(world, operator.cookie, returnTo, 'wrong')
    expect([wrong.status, await valueOf(wrong, 'return_to')]).toEqual([401, returnTo])
    const answer = await signInAgain(world, operator.cookie, returnTo)
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, `${PAGE}?do=disable`])
    const headers = { ...NAVIGATION, Cookie: cookieHeader(answer) }
    const confirm = await read(await world.send(`${CONSOLE}${PAGE}?do=disable`, { headers }))
    expect(pageProblems(confirm.html, [])).toEqual([])
    expect(confirm.text).toContain('nothing has been done yet')
    expect((await operator.see('/users')).headers.get('Location')).toBe('/sign-in')
    const disabledAt = env.DB.prepare('SELECT disabled_at AS at FROM users WHERE id = ?1').bind(user.id)
    expect(await disabledAt.first('at')).toBeNull()
    const done = await sendForm(world, PAGE, { do: 'disable' }, { Cookie: cookieHeader(answer) })
    expect(done.headers.get('Location')).toBe(`${PAGE}?done=disable`)
    expect(await disabledAt.first('at')).not.toBeNull()
  })

  it('is 401 with max_age for what no person waits for', async () => {
    const { operator } = await operateAfter(905)
    const before = await everything()
    const headers = { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' }
    const answer = await operator.send(PAGE, { do: 'disable' }, headers)
    expect([answer.status, await answer.json()]).toMatchObject([
      401,
      { code: 'insufficient_user_authentication', max_age: 900 },
    ])
    expect(await everything()).toEqual(before)
  })

  it.each([
    ['15m', 880, `${PAGE}?done=end-all`],
    ['15m', 905, '/sign-in?'],
    ['1m', 65, '/sign-in?'],
    ['2h', 7190, `${PAGE}?done=end-all`],
  ])('is decided by max_auth_age = %s after %i seconds', async (age, seconds, location) => {
    const { operator } = await operateAfter(seconds, { vars: { ADMIN: { max_auth_age: age } } })
    const answer = await operator.send(PAGE, { do: 'end-all' })
    expect(answer.headers.get('Location')?.startsWith(location)).toBe(true)
  })

  it('is refused where its form has other members, whatever they are called', async () => {
    const { operator } = await operateAfter(905)
    expect((await operator.send(PAGE, { do: 'disable', password: PASSWORD })).status).toBe(400)
  })

  it.each(['/', '/users', PAGE, '/audit', `${PAGE}?do=disable`])('does not keep from reading %s', async (path) => {
    const { operator } = await operateAfter(905)
    const before = await everything()
    expect((await operator.see(path)).status).toBe(200)
    expect(await everything()).toEqual(before)
  })

  it('does not keep from signing out', async () => {
    const { operator } = await operateAfter(905)
    expect((await operator.send('/sign-out', {})).headers.get('Location')).toBe('/sign-in')
  })

  it('is not made younger by a rotation of its cookie', async () => {
    const { world, operator } = await operateAfter(905)
    await env.DB.prepare('UPDATE sessions SET rotated_at = rotated_at - 3700').run()
    const rotated = await operator.send(PAGE, { do: 'disable' })
    const Cookie = cookieHeader(rotated)
    expect(Cookie).toMatch(/gth_a_.*\.2\./)
    expect((await sendForm(world, PAGE, { do: 'disable' }, { Cookie })).headers.get('Location')).toContain('/sign-in?')
  })
})

/** Where a browser would go that reads the header as the URL Standard says. */
const targetOf = (location: string | null) => new URL(location ?? '', `${CONSOLE}/sign-in`)

describe('return_to of the console’s sign-in', () => {
  it.each([
    'https://evil.example/',
    '//evil.example/',
    '/\\evil.example/',
    '\\\\evil.example',
    'javascript:alert(1)',
    '/\t/evil.example',
    ' //evil.example',
    `${CONSOLE}.evil.example/users`,
    `${CONSOLE}@evil.example/`,
    'https:evil.example',
    '/\n/evil.example',
    'users',
    '',
    `/${'x'.repeat(2100)}`,
  ])('leads nowhere else: %j', async (returnTo) => {
    const world = await createConsoleWorld()
    const shown = await world.send(`${CONSOLE}/sign-in?${new URLSearchParams({ return_to: returnTo }).toString()}`, {
      headers: NAVIGATION,
    })
    expect(await valueOf(shown, 'return_to')).toBeUndefined()
    const answer = await signInAgain(world, '', returnTo)
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/'])
  })

  it.each([
    '/users',
    `${PAGE}?do=disable`,
    '/audit?target=a',
    `${CONSOLE}/users`,
    '/users/../..//evil.example',
    '/%2F/evil.example',
  ])('stays on the console: %s', async (returnTo) => {
    const answer = await signInAgain(await createConsoleWorld(), '', returnTo)
    expect(targetOf(answer.headers.get('Location')).origin).toBe(CONSOLE)
  })

  it('that comes twice counts as none', async () => {
    const world = await createConsoleWorld()
    const shown = await world.send(`${CONSOLE}/sign-in?return_to=/users&return_to=/audit`, { headers: NAVIGATION })
    expect(await valueOf(shown, 'return_to')).toBeUndefined()
  })
})

describe('the last administrator on the console', () => {
  it('is not disabled, and the page says why', async () => {
    const { operator } = await operateAfter(0)
    const before = await everything()
    const answer = await operator.send(`/users/${administrator.id}`, { do: 'disable' })
    const { html, text } = await read(answer)
    expect(answer.status).toBe(409)
    expect(text).toContain('This is the last enabled administrator.')
    expect(pageProblems(html, [])).toEqual([])
    expect(await everything()).toEqual(before)
  })
})
