// RFC 6750, bearer token usage: where a token may be, and what a challenge says.
import { describe, expect, it } from 'vitest'

import { createWorld, UPSTREAM } from '../support/world.ts'

const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/open', upstream: UPSTREAM, access: 'optional' },
  { path: '/write', upstream: UPSTREAM, scopes: ['orders:read', 'orders:write'] },
]

async function createSignedIn() {
  const world = await createWorld({ routes })
  const { access } = await world.signInForTokens()
  const authorize = (Authorization: string, path = '/x') => world.send(path, { headers: { Authorization } })
  return { ...world, access, authorize }
}

/** RFC 9110 §11.6.1: one challenge, its scheme and its parameters. */
function parseChallenge(response: Response): { scheme: string; parameters: readonly (readonly [string, string])[] } {
  const header = response.headers.get('WWW-Authenticate') ?? ''
  const [, scheme = '', rest = ''] = /^([A-Za-z]+)(?: (.+))?$/.exec(header) ?? []
  const parameters = [...rest.matchAll(/([a-z_]+)="([^"\\]*)"(?:, |$)/g)]
  if (parameters.map(([text]) => text).join('') !== rest) throw new Error(`no challenge: ${header}`)
  return { scheme, parameters: parameters.map(([, name = '', value = '']) => [name, value]) }
}

describe('RFC 6750 §2.1: the Authorization header', () => {
  it.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])('§2.1: the scheme has no case: %s', async (scheme) => {
    const { access, authorize } = await createSignedIn()
    expect((await authorize(`${scheme} ${access}`)).status).toBe(200)
  })

  it('§2.1: one space or more are between scheme and token', async () => {
    const { access, authorize } = await createSignedIn()
    expect((await authorize(`Bearer   ${access}`)).status).toBe(200)
    expect((await authorize(`Bearer${access}`)).status).toBe(401)
  })

  it.each<[string, (token: string) => string]>([
    ['nothing', () => 'Bearer'],
    ['two tokens', (token) => `Bearer ${token} ${token}`],
    ['a parameter in its place', (token) => `Bearer token="${token}"`],
    ['a token in quotes', (token) => `Bearer "${token}"`],
    ['a token and padding', (token) => `Bearer ${token}=`],
    ['something behind the token', (token) => `Bearer ${token};x`],
  ])('§2.1: exactly one token follows, and %s is refused', async (_, header) => {
    const { access, authorize, seen } = await createSignedIn()
    const response = await authorize(header(access))
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'invalid_token' })
    expect(seen).toEqual([])
  })

  it.each<[string, (token: string) => string]>([
    ['twice', (token) => `Bearer ${token}, Bearer ${token}`],
    ['beside another scheme', (token) => `Basic dTpw, Bearer ${token}`],
    ['and something else', (token) => `Bearer ${token}, Basic dTpw`],
  ])('§3.1: a token that comes %s is a malformed request', async (_, header) => {
    const { access, authorize, seen } = await createSignedIn()
    const response = await authorize(header(access), '/open')
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'ambiguous_credential' })
    expect(seen).toEqual([])
  })
})

describe('RFC 6750 §2.2 and §2.3: other places', () => {
  it('§2.2: a token in a form is never read', async () => {
    const { access, send, seen } = await createSignedIn()
    const response = await send('/x', formOf(access))
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer')
    expect(seen).toEqual([])
  })

  it('§2.2: a form that holds one passes as it is, without an identity, where nobody must be known', async () => {
    const { access, send, seen } = await createSignedIn()
    expect((await send('/open', formOf(access))).status).toBe(200)
    expect(seen.map(({ body }) => body)).toEqual([`access_token=${access}`])
    expect(seen[0]?.headers.has('Gatehouse-Subject')).toBe(false)
  })

  it('§2.3: a token in the query is never read', async () => {
    const { access, send, seen } = await createSignedIn()
    const response = await send(`/x?access_token=${access}`)
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer')
    expect(seen).toEqual([])
  })

  it('§2.3: a query that holds one passes as it is, without an identity, where nobody must be known', async () => {
    const { access, send, seen } = await createSignedIn()
    expect((await send(`/open?access_token=${access}`)).status).toBe(200)
    expect(seen.map(({ url }) => url)).toEqual([`${UPSTREAM}/open?access_token=${access}`])
    expect(seen[0]?.headers.has('Gatehouse-Subject')).toBe(false)
  })
})

describe('RFC 6750 §3: the challenge', () => {
  it.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['another scheme', { Authorization: 'Basic dTpw' }],
    ['a scheme that begins alike', { Authorization: 'BearerToken abc' }],
    ['cookies that are not ours', { Cookie: 'session=abc' }],
  ])('§3.1: says no error to who sent %s', async (_, headers) => {
    const { send } = await createSignedIn()
    const response = await send('/x', { headers })
    expect(response.status).toBe(401)
    expect(parseChallenge(response)).toEqual({ scheme: 'Bearer', parameters: [] })
  })

  it('§3.1: says invalid_token, and nothing else, of a token that is refused', async () => {
    const { access, authorize } = await createSignedIn()
    const response = await authorize(`Bearer ${access.slice(0, -6)}AAAAAA`)
    expect(response.status).toBe(401)
    expect(parseChallenge(response)).toEqual({ scheme: 'Bearer', parameters: [['error', 'invalid_token']] })
  })

  it('§3.1: says insufficient_scope with the scope that is needed, in a 403', async () => {
    const { access, authorize } = await createSignedIn()
    const response = await authorize(`Bearer ${access}`, '/write')
    expect(response.status).toBe(403)
    expect(parseChallenge(response)).toEqual({
      scheme: 'Bearer',
      parameters: [
        ['error', 'insufficient_scope'],
        ['scope', 'orders:read orders:write'],
      ],
    })
  })

  it('§3: is in every 401, once, in characters that §3 allows', async () => {
    const { access, authorize, send, post } = await createSignedIn()
    const answers = [
      await send('/x'),
      await authorize('Bearer x'),
      await authorize('Bearer x', '/auth/session'),
      await send('/auth/session'),
      await post('/auth/sign-in', { email: 'ada@example.com', password: 'wrong', transport: 'token' }),
      await authorize(`Bearer ${access}`, '/x'),
    ]
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 200])
    for (const answer of answers.slice(0, -1)) {
      expect(answer.headers.get('WWW-Authenticate')).toMatch(/^Bearer(?: [\x21\x23-\x5b\x5d-\x7e" ]+)?$/)
      expect(parseChallenge(answer).scheme).toBe('Bearer')
    }
    expect(answers.at(-1)?.headers.has('WWW-Authenticate')).toBe(false)
  })

  it('§5.3: an answer that refuses a token is not stored', async () => {
    const { authorize } = await createSignedIn()
    expect((await authorize('Bearer x')).headers.get('Cache-Control')).toBe('no-store')
  })
})

function formOf(token: string) {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  return { method: 'POST', body: `access_token=${token}`, headers }
}
