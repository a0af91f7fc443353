import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import type { JsonObject } from '../../src/json.ts'
import { createWorld, PASSWORD, UPSTREAM, user } from '../support/world.ts'
import type { World } from '../support/world.ts'

const routes = [
  { path: '/marker/deny/*', upstream: UPSTREAM },
  { path: '/marker/allow/*', upstream: UPSTREAM, on_outage: 'allow' },
  { path: '/expiry/deny/*', upstream: UPSTREAM, revocation: 'expiry' },
  { path: '/session/deny/*', upstream: UPSTREAM, revocation: 'session' },
]

const hang = (): Promise<never> => new Promise(() => undefined)
const fail = (): Promise<never> => Promise.reject(new Error('down'))

const failAfterCommit = async (statements: D1PreparedStatement[]): Promise<never> => {
  await env.DB.batch(statements)
  throw new Error('Network connection lost.')
}

const slowly = async (statements: D1PreparedStatement[]): Promise<unknown> => {
  await new Promise((resolve) => setTimeout(resolve, 100))
  return env.DB.batch(statements)
}

/** How a KV read can go wrong. */
const KV = {
  up: {},
  'down by throwing': { get: fail },
  'down by hanging': { get: hang },
  'that throws at once': {
    get: () => {
      throw new TypeError('KV GET failed: 429 Too Many Requests')
    },
  },
  'with a wrong type': { get: async () => ({ version: 1 }) },
  'with text that is no version': { get: async () => '12junk' },
  'with an empty text': { get: async () => '' },
  'with a negative version': { get: async () => '-1' },
  'with no marker': { get: async () => null },
  'with a newer marker': { get: async () => '9999999999999' },
} satisfies Record<string, JsonObject>

/** How D1 can go wrong. */
const D1 = {
  up: {},
  'down by throwing': { batch: fail },
  'down by hanging': { batch: hang },
  'with an empty answer': { batch: async () => [] },
  'with a wrong row': { batch: async () => [{ results: [{ id: 7 }] }] },
  'with half a row': { batch: async () => [{ results: [{ id: 'ses_x', user_id: user.id, alive: 1 }] }] },
} satisfies Record<string, JsonObject>

interface Case {
  readonly kv: keyof typeof KV
  readonly d1: keyof typeof D1
  /** Status on each of the routes. */
  readonly expected: readonly number[]
}

const ok = 200
const cases: readonly Case[] = [
  { kv: 'up', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'up', d1: 'down by throwing', expected: [ok, ok, ok, 503] },
  { kv: 'up', d1: 'down by hanging', expected: [ok, ok, ok, 503] },
  { kv: 'up', d1: 'with an empty answer', expected: [ok, ok, ok, 401] },
  { kv: 'up', d1: 'with a wrong row', expected: [ok, ok, ok, 503] },
  { kv: 'up', d1: 'with half a row', expected: [ok, ok, ok, 503] },
  { kv: 'down by throwing', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'down by hanging', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'that throws at once', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'with a wrong type', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'with text that is no version', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'with an empty text', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'with a negative version', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'with no marker', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'with a newer marker', d1: 'up', expected: [ok, ok, ok, ok] },
  { kv: 'down by throwing', d1: 'down by throwing', expected: [503, ok, ok, 503] },
  { kv: 'down by hanging', d1: 'down by throwing', expected: [503, ok, ok, 503] },
  { kv: 'down by throwing', d1: 'down by hanging', expected: [503, ok, ok, 503] },
  { kv: 'with a wrong type', d1: 'down by throwing', expected: [503, ok, ok, 503] },
  { kv: 'with text that is no version', d1: 'with a wrong row', expected: [503, ok, ok, 503] },
  { kv: 'with no marker', d1: 'down by throwing', expected: [503, ok, ok, 503] },
  { kv: 'with no marker', d1: 'with half a row', expected: [503, ok, ok, 503] },
  { kv: 'with no marker', d1: 'with an empty answer', expected: [401, 401, ok, 401] },
  { kv: 'with a newer marker', d1: 'down by throwing', expected: [503, 503, ok, 503] },
  { kv: 'with a newer marker', d1: 'down by hanging', expected: [503, 503, ok, 503] },
  { kv: 'with a newer marker', d1: 'with an empty answer', expected: [401, 401, ok, 401] },
]

describe('a request with a good token, KV and D1', () => {
  it.each(cases.map((entry) => [entry.kv, entry.d1, entry.expected] as const))(
    'KV %s, D1 %s: %j',
    { timeout: 20_000 },
    async (kv, d1, expected) => {
      const world = await createWorld({ routes })
      const { access } = await world.signInForTokens()
      const headers = { Authorization: `Bearer ${access}` }
      const responses = await Promise.all(
        routes.map(({ path }) => {
          const isolate = { ...world.env, MARKERS: faulty(world, 'MARKERS', KV[kv]), DB: faulty(world, 'DB', D1[d1]) }
          return world.sendIn(isolate, path.replace('*', 'x'), { headers })
        }),
      )
      expect(responses.map(({ status }) => status)).toEqual(expected)
      expect(world.seen).toHaveLength(expected.filter((status) => status === ok).length)
      for (const response of responses.filter(({ status }) => status === 503)) {
        expect(response.headers.get('Retry-After')).toMatch(/^\d+$/)
        expect(response.headers.getSetCookie()).toEqual([])
      }
    },
  )
})

function faulty(world: World, name: string, fault: JsonObject): unknown {
  return Object.assign({}, world.env[name], fault)
}

describe('D1 down', () => {
  it.each([
    ['POST', '/auth/sign-in'],
    ['POST', '/auth/sign-out'],
    ['POST', '/auth/sign-out-everywhere'],
    ['POST', '/auth/refresh'],
    ['GET', '/auth/sessions'],
    ['DELETE', '/auth/sessions/ses_0000000000000000000000'],
    ['GET', '/auth/session'],
  ])('%s %s is 503, and clears no cookie', async (method, path) => {
    const world = await createWorld({ routes })
    const cookie = await world.signInForCookies()
    const body = JSON.stringify({ email: user.email, password: PASSWORD })
    const isolate = { ...world.env, DB: faulty(world, 'DB', { batch: fail }) }
    const response = await world.sendIn(isolate, path, {
      method,
      headers: { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin', 'Content-Type': 'application/json' },
      ...(path === '/auth/sign-in' ? { body } : {}),
    })
    expect(response.status).toBe(503)
    expect(response.headers.getSetCookie()).toEqual([])
  })

  it('a cookie whose access token is absent is 503, and the session lives on', async () => {
    const world = await createWorld({ routes })
    const [session = ''] = (await world.signInForCookies()).split('; ')
    const isolate = { ...world.env, DB: faulty(world, 'DB', { batch: fail }) }
    const response = await world.sendIn(isolate, '/marker/deny/x', { headers: { Cookie: session } })
    expect(response.status).toBe(503)
    expect(response.headers.getSetCookie()).toEqual([])
    expect((await world.send('/marker/deny/x', { headers: { Cookie: session } })).status).toBe(200)
  })

  it('after the commit, before the answer: signing out is 503, is done, and is safe to repeat', async () => {
    const world = await createWorld({ routes })
    const { access } = await world.signInForTokens()
    const isolate = { ...world.env, DB: faulty(world, 'DB', { batch: failAfterCommit }) }
    const headers = { Authorization: `Bearer ${access}` }
    expect((await world.sendIn(isolate, '/auth/sign-out', { method: 'POST', headers })).status).toBe(503)
    expect((await world.send('/session/deny/x', { headers })).status).toBe(401)
    expect((await world.send('/auth/sign-out', { method: 'POST', headers })).status).toBe(200)
  })
})

describe('KV down', () => {
  it('signing in and out work all the same, and the cron publishes later', async () => {
    const world = await createWorld({ routes })
    const isolate = { ...world.env, MARKERS: faulty(world, 'MARKERS', { get: fail, put: fail }) }
    const post = (path: string, body: JsonObject, headers: Record<string, string> = {}) =>
      world.sendIn(isolate, path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json', ...headers },
      })
    const signedIn = await post('/auth/sign-in', { email: user.email, password: PASSWORD, transport: 'token' })
    expect(signedIn.status).toBe(200)
    const { refresh_token } = await signedIn.json<{ refresh_token: string }>()
    expect(await (await post('/auth/sign-out', { refresh_token })).json()).toMatchObject({ ended: 1 })
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBeNull()
    await world.runCron()
    const row = await env.DB.prepare('SELECT token_version AS version FROM users').first<{ version: number }>()
    expect(await env.MARKERS.get(`marker:${user.id}`)).toBe(String(row?.version))
  })
})

describe('health', () => {
  it('is 200 where both answer, 503 where one does not, and asks at most every five seconds', async () => {
    const world = await createWorld({ routes })
    expect((await world.send('/auth/health')).status).toBe(200)
    world.count()
    expect((await world.send('/auth/health')).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
    const noKv = { ...world.env, MARKERS: faulty(world, 'MARKERS', { get: fail }) }
    expect((await world.sendIn(noKv, '/auth/health')).status).toBe(503)
    const noD1 = { ...world.env, DB: faulty(world, 'DB', { batch: fail }) }
    expect((await world.sendIn(noD1, '/auth/health')).status).toBe(503)
  })
})

describe('health of an isolate that has just started', () => {
  it('is known to nobody before D1 and KV have answered: parallel calls ask too', async () => {
    const world = await createWorld({ routes })
    const isolate = { ...world.env, DB: faulty(world, 'DB', { batch: slowly }) }
    const responses = await Promise.all([1, 2, 3].map(() => world.sendIn(isolate, '/auth/health')))
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
  })
})

describe('a configuration that is wrong', () => {
  it.each([
    ['an unknown key', { SPEED: 'high' }],
    ['a missing secret', { SIGNING_KEYS: undefined }],
    ['a session key that is too short', { SESSION_KEYS: 'c2hvcnQ' }],
    ['a key that is public', { SIGNING_KEYS: '{"keys":[{"kty":"EC","crv":"P-256","kid":"a","alg":"ES256"}]}' }],
    ['no D1', { DB: undefined }],
    ['no KV', { MARKERS: undefined }],
    ['no routes', { ROUTES: undefined }],
  ])('%s: every request is 503, and only the log says why', async (_, vars) => {
    const world = await createWorld({ routes, bindings: vars })
    for (const path of ['/marker/deny/x', '/auth/health', '/.well-known/jwks.json']) {
      const response = await world.send(path)
      expect(response.status).toBe(503)
      expect(Object.keys(await response.json<JsonObject>()).toSorted()).toEqual([
        'code',
        'request_id',
        'status',
        'title',
        'type',
      ])
    }
    expect(world.seen).toEqual([])
    expect(world.logged[0]).toMatchObject({ event: 'misconfigured', problems: [expect.any(String)] })
  })
})
