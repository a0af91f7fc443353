import { afterEach, describe, expect, it, vi } from 'vitest'

import { cookieNames } from '../../src/auth/cookies.ts'
import { Denial } from '../../src/denial.ts'
import type { Forwarding } from '../../src/gateway/upstream.ts'
import { forward, receive } from '../../src/gateway/upstream.ts'
import { identityOf } from '../support/identity.ts'
import { routeOf } from '../support/route.ts'

/** What the upstream is sent, and what it answers. */
function fakeUpstream(answer: () => Response | Promise<Response> = () => new Response('ok')): {
  readonly calls: Request[]
  readonly findFetcher: Forwarding['findFetcher']
} {
  const calls: Request[] = []
  const fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    calls.push(new Request(input, init))
    return answer()
  }
  return { calls, findFetcher: (name) => (name === 'ORDERS' ? { fetch } : null) }
}

const BOUND = { origin: 'https://origin.example.com', path: '/', binding: 'ORDERS' } as const

function forwarding(changes: Partial<Forwarding>): Forwarding {
  const request = changes.request ?? new Request('https://gateway.test/orders')
  return {
    request,
    head: request,
    url: 'https://origin.example.com/orders',
    route: routeOf('/*', { upstream: BOUND }),
    identity: null,
    assertion: null,
    control: null,
    requestId: 'req_1',
    clientAddress: '192.0.2.1',
    host: 'gateway.test',
    takesApiKeys: false,
    keepAuthorization: false,
    issuer: 'https://gateway.test',
    identityHeaderNames: new Set(),
    cookies: cookieNames(false),
    findFetcher: fakeUpstream().findFetcher,
    ...changes,
  }
}

async function sent(changes: Partial<Forwarding>): Promise<Request> {
  const { calls, findFetcher } = fakeUpstream()
  await forward(forwarding({ findFetcher, ...changes }))
  const [call, ...more] = calls
  if (call === undefined || more.length > 0) throw new Error('not sent once')
  return call
}

async function answered(answer: Response): Promise<Response> {
  return throughAndBack(fakeUpstream(() => answer))
}

async function throughAndBack(changes: Partial<Forwarding>): Promise<Response> {
  const whole = forwarding(changes)
  return receive(await forward(whole), whole).response
}

async function refused(changes: Partial<Forwarding>): Promise<string> {
  const error: unknown = await throughAndBack(changes).catch((reason: unknown) => reason)
  return error instanceof Denial ? error.code : `no denial: ${String(error)}`
}

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('what an upstream is told', () => {
  it('is whose request it is, where it came from and its id', async () => {
    const { headers, url } = await sent({ identity: identityOf({ roles: ['staff'] }), assertion: 'a.b.c' })

    expect(url).toBe('https://origin.example.com/orders')
    expect(Object.fromEntries(headers)).toEqual({
      'gatehouse-assertion': 'a.b.c',
      'gatehouse-issuer': 'https://gateway.test',
      'gatehouse-roles': 'staff',
      'gatehouse-session': 'ses_1',
      'gatehouse-subject': 'usr_1',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-host': 'gateway.test',
      'x-forwarded-proto': 'https',
      'x-request-id': 'req_1',
    })
  })

  it('is nothing of an identity where there is none, whatever the client sent', async () => {
    const request = new Request('http://gateway.test/', {
      headers: { 'Gatehouse-Subject': 'root', 'X-Forwarded-For': '6.6.6.6', 'X-Request-Id': 'mine' },
    })

    const { headers } = await sent({ request, clientAddress: null })

    expect(Object.fromEntries(headers)).toEqual({
      'x-forwarded-host': 'gateway.test',
      'x-forwarded-proto': 'http',
      'x-request-id': 'req_1',
    })
  })

  it('cannot be dropped by naming it in Connection (CVE-2024-45410)', async () => {
    const request = new Request('http://gateway.test/', {
      headers: { Connection: 'gatehouse-subject, x-forwarded-for, x-user' },
    })
    const route = routeOf('/*', { upstream: BOUND, headers: [{ name: 'X-User', claim: 'sub' }] })

    const { headers } = await sent({ request, route, identity: identityOf({ claims: { sub: 'usr_1' } }) })

    expect(headers.get('Gatehouse-Subject')).toBe('usr_1')
    expect(headers.get('X-Forwarded-For')).toBe('192.0.2.1')
    expect(headers.get('X-User')).toBe('usr_1')
  })

  it('does not come from the client where a claim is absent (Kong 3.14)', async () => {
    const request = new Request('http://gateway.test/', { headers: { 'X-User': 'root' } })
    const route = routeOf('/*', { upstream: BOUND, headers: [{ name: 'X-User', claim: 'nick' }] })

    const { headers } = await sent({
      request,
      route,
      identity: identityOf(),
      identityHeaderNames: new Set(['x-user']),
    })

    expect(headers.has('X-User')).toBe(false)
  })

  it('is told anew of each request of one identity', async () => {
    const about = { identity: identityOf(), route: routeOf('/*', { upstream: BOUND }) }
    await sent({ ...about, assertion: 'a.b.c', control: 'random' })

    const { headers } = await sent({ ...about, clientAddress: null })

    const told = ['X-Forwarded-For', 'Gatehouse-Assertion', 'Gatehouse-Control'].filter((name) => headers.has(name))
    expect(told).toEqual([])
  })

  it('is all of it or the request is not sent', async () => {
    const { calls, findFetcher } = fakeUpstream()
    const route = routeOf('/*', { upstream: BOUND, headers: [{ name: 'no header name', claim: 'sub' }] })
    const identity = identityOf({ claims: { sub: 'usr_1' } })

    expect(await refused({ findFetcher, route, identity })).toBe('upstream_unreachable')

    expect(calls).toEqual([])
  })
})

describe('a request on its way', () => {
  it('is not cached and its redirects are not followed', async () => {
    const { method, redirect, cache, body } = await sent({})

    expect({ method, redirect, cache, body }).toEqual({
      method: 'GET',
      redirect: 'manual',
      cache: 'no-store',
      body: null,
    })
  })

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('takes its body along as a stream: %s', async (method) => {
    const posted = { method, body: 'hello' }
    const request = new Request('https://gateway.test/', posted)

    const passed = await sent({ request })

    expect(passed.method).toBe(method)
    expect(request.body?.locked).toBe(false)
    expect(await passed.text()).toBe('hello')
  })

  it('goes through the global fetch where the route names no binding', async () => {
    const fetch = vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response('global'))

    const answer = await throughAndBack({ route: routeOf('/*') })

    expect(await answer.text()).toBe('global')
    expect(fetch).toHaveBeenCalledOnce()
  })

  it('goes nowhere when the binding is not there', async () => {
    const route = routeOf('/*', { upstream: { ...BOUND, binding: 'OTHER' } })

    expect(await refused({ route })).toBe('misconfigured')
  })
})

describe('a WebSocket', () => {
  it.each([
    { upgrade: 'websocket', method: 'GET', sent: 'websocket' },
    { upgrade: 'WebSocket', method: 'GET', sent: null },
    { upgrade: 'websocket, h2c', method: 'GET', sent: null },
    { upgrade: 'h2c', method: 'GET', sent: null },
    { upgrade: 'websocket', method: 'POST', sent: null },
  ])('is the only thing upgraded to: $method $upgrade', async ({ upgrade, method, sent: kept }) => {
    const request = new Request('https://gateway.test/', { method, headers: { Upgrade: upgrade } })

    expect((await sent({ request })).headers.get('Upgrade')).toBe(kept)
  })

  it.each([
    { offered: 'chat, gatehouse.bearer.a.b.c', passed: 'chat' },
    { offered: 'gatehouse.bearer.a.b.c', passed: null },
    { offered: 'chat,superchat', passed: 'chat,superchat' },
  ])('does not show the upstream the token: $offered', async ({ offered, passed }) => {
    const request = new Request('https://gateway.test/', {
      headers: { Upgrade: 'websocket', 'Sec-WebSocket-Protocol': offered },
    })

    expect((await sent({ request })).headers.get('Sec-WebSocket-Protocol')).toBe(passed)
  })

  it('keeps its subprotocols to itself where Connection names them', async () => {
    const headers = { Connection: 'Upgrade, Sec-WebSocket-Protocol', 'Sec-WebSocket-Protocol': 'chat' }
    const request = new Request('https://gateway.test/', { headers })

    expect((await sent({ request })).headers.has('Sec-WebSocket-Protocol')).toBe(false)
  })

  it.each([
    { offered: 'gatehouse.bearer.a.b.c', protocol: 'gatehouse.bearer.a.b.c' },
    { offered: 'chat, gatehouse.bearer.a.b.c', protocol: null },
    { offered: 'chat', protocol: null },
  ])('is answered with the token protocol where it was the only one: $offered', async ({ offered, protocol }) => {
    const [client] = Object.values(new WebSocketPair())
    const upstream = fakeUpstream(() => new Response(null, { status: 101, webSocket: client ?? null }))
    const request = new Request('https://gateway.test/', {
      headers: { Upgrade: 'websocket', 'Sec-WebSocket-Protocol': offered },
    })

    const answer = await throughAndBack({ ...upstream, request })

    expect(answer.status).toBe(101)
    expect(answer.webSocket).toBe(client)
    expect(answer.headers.get('Sec-WebSocket-Protocol')).toBe(protocol)
  })

  it('that the upstream declines gets the upstream answer as it is', async () => {
    const declined = new Response('no', { status: 403 })
    const request = new Request('https://gateway.test/', {
      headers: { Upgrade: 'websocket', 'Sec-WebSocket-Protocol': 'gatehouse.bearer.a.b.c' },
    })

    expect(await throughAndBack({ ...fakeUpstream(() => declined), request })).toBe(declined)
  })
})

describe('an answer', () => {
  it.each([
    { Connection: 'keep-alive', 'Keep-Alive': 'timeout=5' },
    { Connection: 'Upgrade, keep-alive', Upgrade: 'h2c', 'Keep-Alive': 'timeout=5' },
  ])('with nothing to remove is given back as it is: %o', async (hop) => {
    const answer = new Response('ok', { headers: { 'Set-Cookie': 'a=1', 'X-Custom': '1', ...hop } })

    expect(await answered(answer)).toBe(answer)
  })

  it.each(['Gatehouse-Subject', 'gatehouse_session', 'GATEHOUSE.X', 'Proxy-Authenticate', 'Proxy-Connection'])(
    'comes without %s',
    async (name) => {
      const answer = await answered(new Response('ok', { status: 407, headers: { [name]: 'x', 'X-Custom': '1' } }))

      expect([...answer.headers.keys()].toSorted()).toEqual(['content-type', 'x-custom'])
      expect(answer.status).toBe(407)
      expect(await answer.text()).toBe('ok')
    },
  )

  it('comes without what Connection names', async () => {
    const answer = await answered(new Response(null, { headers: { Connection: 'close, X-Hop', 'X-Hop': '1' } }))

    expect(answer.headers.has('X-Hop')).toBe(false)
  })

  it('sets none of our cookies, and its own line by line', async () => {
    const headers = new Headers()
    for (const line of [
      'a=1, 2; Path=/',
      '__Host-gatehouse_session=x; Secure',
      'b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
    ])
      headers.append('Set-Cookie', line)

    const answer = await answered(new Response('ok', { headers }))

    expect(answer.headers.getSetCookie()).toEqual(['a=1, 2; Path=/', 'b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT'])
  })
})

describe('an upstream that fails', () => {
  it('is unreachable when the connection breaks, and is not asked again', async () => {
    const { calls, findFetcher } = fakeUpstream(() => Promise.reject(new Error('Network connection lost.')))

    expect(await refused({ findFetcher })).toBe('upstream_unreachable')
    expect(calls.length).toBe(1)
  })

  it.each([
    { status: 101, webSocket: null },
    { status: 199, webSocket: null },
    { status: 600, webSocket: null },
  ])('is unreachable when its answer cannot be used: $status', async (odd) => {
    const answer = new Proxy(new Response('odd'), {
      get: (target, name) => (name in odd ? Reflect.get(odd, name) : Reflect.get(target, name)),
    })

    expect(await refused(fakeUpstream(() => answer))).toBe('upstream_unreachable')
  })

  it('is given up on when its headers do not come in time', async () => {
    vi.useFakeTimers()
    const route = routeOf('/*', { upstream: BOUND, timeout: 7 })

    const outcome = refused({ route, findFetcher: findHanging })
    const early = await Promise.race([outcome, vi.advanceTimersByTimeAsync(6999).then(() => 'waiting')])
    await vi.advanceTimersByTimeAsync(1)

    expect(early).toBe('waiting')
    expect(await outcome).toBe('upstream_timeout')
  })

  it.each([
    { what: 'its headers are there', answer: () => new Response('ok') },
    { what: 'the connection has broken', answer: () => Promise.reject(new Error('Network connection lost.')) },
  ])('is not given up on once $what', async ({ answer }) => {
    vi.useFakeTimers()
    await Promise.allSettled([forward(forwarding(fakeUpstream(answer)))])

    expect(vi.getTimerCount()).toBe(0)
  })
})

function findHanging(): Pick<Fetcher, 'fetch'> {
  return { fetch: () => new Promise<never>(() => undefined) }
}
