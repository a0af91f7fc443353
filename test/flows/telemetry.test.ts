// What a gateway tells of requests: data points where METRICS is bound, and one log line a refusal.

import { describe, expect, it } from 'vitest'

import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'
import type { World, WorldOptions } from '../support/world.ts'

interface Point {
  readonly indexes: readonly string[]
  readonly blobs: readonly string[]
  readonly doubles: readonly number[]
}

const ROUTES = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/open/*', upstream: UPSTREAM, access: 'public' },
  { path: '/staff/*', upstream: UPSTREAM, roles: ['boss'], methods: ['GET', 'POST'] },
  { path: '/cors/*', upstream: UPSTREAM, cors: { origins: ['https://app.example.com'] } },
  { path: '/watch/*', upstream: UPSTREAM, access: 'observe' },
]

async function countedWorld(options: WorldOptions = {}) {
  const points: Point[] = []
  const METRICS = { writeDataPoint: (point: Point) => void points.push(point) }
  const world = await createWorld({ routes: ROUTES, ...options, bindings: { METRICS } })
  return { world, points }
}

const PREFLIGHT = { Origin: 'https://app.example.com', 'Access-Control-Request-Method': 'PUT' }

/** What is asked, and the point that it makes: route, outcome, kind of method, status, the upstream's status. */
const requests = [
  ['passes a public route', ['ROUTES[1]', 'passed', 'read', 200, 200], (world: World) => world.send('/open/x')],
  [
    'passes a public route with a write',
    ['ROUTES[1]', 'passed', 'write', 200, 200],
    (world: World) => world.send('/open/x', { method: 'POST', body: 'x' }),
  ],
  ['brings no credential', ['ROUTES[0]', 'credential_required', 'read', 401, 0], (world: World) => world.send('/x')],
  ['brings a bad token', ['ROUTES[0]', 'invalid_token', 'read', 401, 0], (world: World) => world.bearer('x.y.z', '/x')],
  ['has an ambiguous path', ['none', 'ambiguous_path', 'read', 400, 0], (world: World) => world.send('/a//b')],
  [
    'has a method that is not allowed',
    ['none', 'method_not_allowed', 'write', 405, 0],
    (world: World) => world.send('/staff/x', { method: 'DELETE' }),
  ],
  [
    'brings no credential to a route with CORS',
    ['ROUTES[3]', 'credential_required', 'read', 401, 0],
    (world: World) => world.send('/cors/x'),
  ],
  [
    'lacks a role',
    ['ROUTES[2]', 'insufficient_role', 'read', 403, 0],
    async (world: World) => world.bearer((await world.signInForTokens()).access, '/staff/x'),
  ],
  [
    'is a preflight',
    ['ROUTES[3]', 'answered', 'read', 204, 0],
    (world: World) => world.send('/cors/x', { method: 'OPTIONS', headers: PREFLIGHT }),
  ],
  ['is only observed', ['ROUTES[4]', 'passed', 'read', 200, 200], (world: World) => world.send('/watch/x')],
  [
    "asks one of the gateway's own URLs",
    ['own', 'answered', 'read', 200, 0],
    (world: World) => world.send('/.well-known/jwks.json'),
  ],
  [
    "is refused by one of the gateway's own URLs",
    ['own', 'credential_required', 'read', 401, 0],
    (world: World) => world.send('/auth/session'),
  ],
] as const

describe('a data point', () => {
  it.each(requests)('tells of a request that %s', async (_, expected, send) => {
    const { world, points } = await countedWorld()
    await send(world)
    const [route, outcome, method, status, upstream] = expected
    expect(points).toEqual([{ indexes: [route], blobs: [route, outcome, method], doubles: [status, upstream] }])
  })

  it("tells of the upstream's own errors as passed", async () => {
    const { world, points } = await countedWorld({ upstream: () => new Response(null, { status: 500 }) })
    await world.send('/open/x')
    expect(points[0]).toMatchObject({ blobs: ['ROUTES[1]', 'passed', 'read'], doubles: [500, 500] })
  })

  it('tells of an upstream that cannot be reached', async () => {
    const { world, points } = await countedWorld({
      upstream: () => {
        throw new TypeError('no way')
      },
    })
    await world.send('/open/x')
    expect(points[0]).toMatchObject({ blobs: ['ROUTES[1]', 'upstream_unreachable', 'read'], doubles: [502, 0] })
  })

  it('is written after the answer, not before', async () => {
    const { world, points } = await countedWorld({
      upstream: () => Response.json({ written: points.length }),
    })
    const answer = await world.send('/open/x')
    expect([await answer.json(), points.length]).toEqual([{ written: 0 }, 1])
  })

  it('that cannot be written changes no answer', async () => {
    const METRICS = {
      writeDataPoint: () => {
        throw new Error('sesame')
      },
    }
    const world = await createWorld({ routes: ROUTES, bindings: { METRICS } })
    const answer = await world.send('/open/x')
    expect(answer.status).toBe(200)
    expect(world.logged).toMatchObject([{ event: 'fault', reason: 'metrics' }])
    expect(JSON.stringify(world.logged)).not.toContain('sesame')
  })

  it('has nothing of the request but its route, whatever the request is full of', async () => {
    const { world, points } = await countedWorld()
    const { access } = await world.signInForTokens()
    const headers = { Cookie: 'sesame=1', 'X-Sesame': 'sesame', 'CF-Connecting-IP': '192.0.2.7' }
    await world.bearer(access, '/sesame/sesame?sesame=1', { headers })
    const text = JSON.stringify(points)
    expect(points).toHaveLength(1)
    expect(['sesame', '192.0.2.7', 'usr_', 'ses_', access].filter((secret) => text.includes(secret))).toEqual([])
  })
})

describe('a gateway without METRICS', () => {
  it('gives nothing to waitUntil for a request that passes', async () => {
    const world = await createWorld({ routes: ROUTES })
    const { default: worker } = await import('../../src/index.ts')
    const given: unknown[] = []
    const context = {
      waitUntil: (work: unknown) => void given.push(work),
      passThroughOnException: () => undefined,
      props: {},
    }
    const request = new Request<unknown, IncomingRequestCfProperties>(`${ISSUER}/open/x`)
    const { status } = await worker.fetch(request, world.env, Object.assign(Object.create(null), context))
    expect([status, given]).toEqual([200, []])
  })

  it('does not serve where METRICS is something else', async () => {
    const world = await createWorld({ routes: ROUTES, bindings: { METRICS: { get: () => null } } })
    const { status } = await world.send('/open/x')
    expect(status).toBe(503)
    expect(world.logged).toMatchObject([{ problems: ['METRICS must be an Analytics Engine binding'] }])
  })
})

const FIELDS = new Set(
  'event request_id code status reason route method issuer subject session fault at problems count'.split(' '),
)

describe('the log', () => {
  it('has one line a refusal, of the fields on the list and no others', async () => {
    const { world } = await countedWorld()
    const refusals = requests.filter(([, [, outcome]]) => outcome !== 'passed' && outcome !== 'answered')
    for (const [, , send] of refusals) await send(world)
    const lines = world.logged.filter(({ event }) => event === 'denial' || event === 'fault')
    const routed = refusals.map(([, [route, outcome]]) => [route.startsWith('ROUTES') ? route : undefined, outcome])
    expect(lines.map(({ route, code }) => [route, code])).toEqual(routed)
    expect(lines.flatMap((line) => Object.keys(line)).filter((name) => !FIELDS.has(name))).toEqual([])
  })

  it('has no line for a request that passes', async () => {
    const { world } = await countedWorld()
    await world.send('/open/x')
    expect(world.logged).toEqual([])
  })
})
