import { once } from 'node:events'
import { createServer } from 'node:net'

import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'

import type { Answer } from '../support/gateway.ts'
import { startGateway, valuesOf } from '../support/gateway.ts'
import type { Seen } from '../support/upstream.ts'
import { GZIPPED, startUpstream } from '../support/upstream.ts'

/** Tells what it was sent, but for `/hang`, where it never answers. */
const SERVICE = `export default {
  async fetch(request) {
    if (request.url.endsWith('/hang')) await scheduler.wait(60_000)
    return Response.json({ url: request.url, headers: [...request.headers] })
  }
}`

const upstream = await startUpstream()
const gateway = await startGateway({
  services: { SERVICE },
  vars: {
    ROUTES: [
      { path: '/*', upstream: upstream.origin, access: 'public', allow_in_path: ['%2F', ';', '//'] },
      {
        path: '/private/*',
        upstream: upstream.origin,
        strip_prefix: '/private',
        revocation: 'expiry',
        headers: { 'X-User-Id': 'sub', 'X-Tenant': 'org.tenant' },
      },
      { path: '/token/*', upstream: upstream.origin, revocation: 'expiry', forward_token: true },
      { path: '/bare/*', upstream: upstream.origin, revocation: 'expiry', identity: ['assertion'] },
      { path: '/plain/*', upstream: upstream.origin, revocation: 'expiry', identity: ['headers'] },
      { path: '/impatient/*', upstream: upstream.origin, access: 'public', strip_prefix: '/impatient', timeout: '1s' },
      { path: '/dead/*', upstream: `http://127.0.0.1:${await closedPort()}`, access: 'public' },
      {
        path: '/service/*',
        upstream: 'https://service.internal:8443/v2',
        binding: 'SERVICE',
        strip_prefix: '/service',
        revocation: 'expiry',
      },
      {
        path: '/service/hang',
        upstream: 'https://service.internal',
        binding: 'SERVICE',
        access: 'public',
        timeout: '1s',
      },
    ],
  },
})

beforeEach(() => upstream.forget())

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function onlySeen(): Seen {
  const [seen, ...more] = upstream.seen
  if (seen === undefined || more.length > 0) throw new Error(`the upstream saw ${upstream.seen.length} requests`)
  return seen
}

function json({ body }: Answer): unknown {
  return JSON.parse(body.toString())
}

async function bearer(claims = {}): Promise<{ readonly Authorization: string }> {
  return { Authorization: `Bearer ${await gateway.token(claims)}` }
}

function get(target: string, headers: readonly string[] = []): Promise<string> {
  return gateway.raw(['GET ' + target + ' HTTP/1.1', 'Host: gateway.test', ...headers, '', ''].join('\r\n'))
}

const FORGED = `
  Gatehouse-Subject Gatehouse-Issuer Gatehouse-Session Gatehouse-Scope Gatehouse-Roles Gatehouse-Assertion
  Gatehouse-Control Gatehouse-New X-User-Id X-Tenant X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto
  X-Forwarded-Prefix X-Forwarded-User X-Forwarded Forwarded X-Real-IP True-Client-IP X-Client-IP X-Cluster-Client-IP
  X-Request-Id X-Original-URL X-Original-Host X-Rewrite-URL X-HTTP-Method X-HTTP-Method-Override X-Method-Override
  CF-IPCountry CF-Ray CF-Worker CF-Access-Jwt-Assertion Proxy Proxy-Connection Proxy-Authorization TE Trailer Keep-Alive
  Upgrade
`
  .trim()
  .split(/\s+/)

const SPELLINGS = [
  { spelling: 'as they are', spell: (name: string) => name },
  { spelling: 'in lower case', spell: (name: string) => name.toLowerCase() },
  { spelling: 'in upper case', spell: (name: string) => name.toUpperCase() },
  { spelling: 'with `_` for `-`', spell: (name: string) => name.replaceAll('-', '_') },
  { spelling: 'with `.` for `-`', spell: (name: string) => name.replaceAll('-', '.') },
  { spelling: 'with `_` and then `-`', spell: (name: string) => name.replace('-', '_').toUpperCase() },
]

/** On every request: what the runtime itself adds to whatever a Worker sends, and what the gateway says. */
const ALWAYS = ['cache-control', 'cf-worker', 'host', 'pragma', 'x-forwarded-host', 'x-forwarded-proto', 'x-request-id']
const IDENTITY = ['gatehouse-assertion', 'gatehouse-issuer', 'gatehouse-session', 'gatehouse-subject', 'x-user-id']

function namesOf({ headers }: Pick<Seen, 'headers'>): readonly string[] {
  return headers.map(([name]) => name.toLowerCase()).toSorted()
}

describe('headers in the name of the gateway', () => {
  it.each(SPELLINGS)('never pass on a public route, $spelling', async ({ spell }) => {
    await get(
      '/x',
      FORGED.flatMap((name) => [`${spell(name)}: forged`, `${spell(name)}: forged twice`]),
    )

    expect(namesOf(onlySeen())).toEqual(ALWAYS)
    expect(JSON.stringify(onlySeen().headers)).not.toContain('forged')
  })

  it.each(SPELLINGS)('never pass beside an identity, $spelling', async ({ spell }) => {
    const { Authorization } = await bearer()

    await get('/private/x', [`Authorization: ${Authorization}`, ...FORGED.map((name) => `${spell(name)}: forged`)])

    expect(namesOf(onlySeen())).toEqual([...ALWAYS, ...IDENTITY].toSorted())
    expect(JSON.stringify(onlySeen().headers)).not.toContain('forged')
  })

  it('are not dropped by a client that names them in Connection', async () => {
    const { Authorization } = await bearer()

    await get('/private/x', [
      'Connection: keep-alive, gatehouse-subject, x-user-id, X-Custom, x-forwarded-host',
      'X-Custom: 1',
      'X-Other: 2',
      `Authorization: ${Authorization}`,
    ])

    expect(valuesOf(onlySeen(), 'Gatehouse-Subject')).toEqual(['usr_1'])
    expect(valuesOf(onlySeen(), 'X-User-Id')).toEqual(['usr_1'])
    expect(valuesOf(onlySeen(), 'X-Forwarded-Host')).toEqual(['gateway.test'])
    expect(valuesOf(onlySeen(), 'X-Custom')).toEqual([])
    expect(valuesOf(onlySeen(), 'X-Other')).toEqual(['2'])
  })

  it('reach nobody where the request is refused', async () => {
    const refused = await get('/private/x', ['Gatehouse-Subject: root', 'X-User-Id: root'])

    expect(refused).toMatch(/^HTTP\/1\.1 401 /)
    expect(upstream.seen).toEqual([])
  })

  it('are refused when they are too large, and nothing is sent', async () => {
    const answer = await gateway.send('/x', { headers: { 'X-One': 'x'.repeat(17_000), 'X-Two': 'y'.repeat(17_000) } })

    expect(answer.status).toBe(431)
    expect(json(answer)).toMatchObject({ code: 'headers_too_large' })
    expect(upstream.seen).toEqual([])
  })
})

describe('an upstream', () => {
  it('is told where the request came from', async () => {
    await get('/x', ['CF-Connecting-IP: 192.0.2.7', 'X-Forwarded-For: 6.6.6.6'])

    expect(valuesOf(onlySeen(), 'X-Forwarded-For')).toEqual(['192.0.2.7'])
    expect(valuesOf(onlySeen(), 'X-Forwarded-Host')).toEqual(['gateway.test'])
    expect(valuesOf(onlySeen(), 'X-Forwarded-Proto')).toEqual(['http'])
    expect(valuesOf(onlySeen(), 'X-Request-Id')).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)])
  })

  it('is told the port that the client named', async () => {
    await gateway.raw('GET /x HTTP/1.1\r\nHost: Gateway.Test.:8787\r\n\r\n')

    expect(valuesOf(onlySeen(), 'X-Forwarded-Host')).toEqual(['gateway.test:8787'])
  })

  it('is told who it is, percent-encoded', async () => {
    const claims = { scope: 'orders:read b', roles: ['staff', 'a,b'], org: { tenant: 'Zoë & Co' } }

    await gateway.send('/private/x', { headers: await bearer(claims) })

    const told = Object.fromEntries(onlySeen().headers)
    expect(told).toMatchObject({
      'Gatehouse-Subject': 'usr_1',
      'Gatehouse-Issuer': 'https://gateway.test',
      'Gatehouse-Session': 'ses_1',
      'Gatehouse-Scope': 'orders:read b',
      'Gatehouse-Roles': 'staff,a%2Cb',
      'X-User-Id': 'usr_1',
      'X-Tenant': 'Zo%C3%AB%20%26%20Co',
    })
    expect(told).not.toHaveProperty('Authorization')
  })

  it('can verify who it is with a stock library and the published keys', async () => {
    await gateway.send('/bare/x', { headers: await bearer({ scope: 'orders:read', tenant: 'acme' }) })
    const jwks = JSON.parse((await gateway.send('/.well-known/jwks.json')).body.toString())

    const [assertion = ''] = valuesOf(onlySeen(), 'Gatehouse-Assertion')
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(jwks), {
      issuer: 'https://gateway.test',
      audience: `upstream:${upstream.origin}`,
      typ: 'gatehouse+jwt',
      requiredClaims: ['exp', 'iat', 'sub'],
    })
    expect(payload).toMatchObject({ sub: 'usr_1', sid: 'ses_1', scope: 'orders:read', tenant: 'acme' })
    expect(namesOf(onlySeen())).not.toContain('gatehouse-subject')
  })

  it('is told in headers alone where it wants no assertion', async () => {
    await gateway.send('/plain/x', { headers: await bearer() })

    expect(valuesOf(onlySeen(), 'Gatehouse-Subject')).toEqual(['usr_1'])
    expect(valuesOf(onlySeen(), 'Gatehouse-Assertion')).toEqual([])
  })

  it('gets the same assertion with the next request of that token', async () => {
    const headers = await bearer()
    await gateway.send('/bare/x', { headers })
    await gateway.send('/bare/y', { headers })

    const [first, second] = upstream.seen.map((seen) => valuesOf(seen, 'Gatehouse-Assertion')[0])
    expect(first).toMatch(/^eyJ/)
    expect(second).toBe(first)
  })

  it.each([
    { path: '/x', kept: false },
    { path: '/token/x', kept: true },
    { path: '/private/x', kept: false },
  ])('gets a token of the gateway where the route says so: $path', async ({ path, kept }) => {
    const headers = await bearer()

    await gateway.send(path, { headers })

    expect(valuesOf(onlySeen(), 'Authorization')).toEqual(kept ? [headers.Authorization] : [])
  })

  it.each([
    { cookie: 'a=1;  b="2 3" ;c;d=\xe9\xff', passed: ['a=1;  b="2 3" ;c;d=\xe9\xff'] },
    { cookie: 'a=1; __Host-gatehouse_session=x; b=2', passed: ['a=1; b=2'] },
    { cookie: '__Host-gatehouse_session=x; __Host-gatehouse_access=y', passed: [] },
  ])('gets the cookies that are not ours: $passed', async ({ cookie, passed }) => {
    await get('/x', [`Cookie: ${cookie}`])

    expect(valuesOf(onlySeen(), 'Cookie')).toEqual(passed)
  })

  it('gets other headers, each as one line (RFC 9110 §5.3)', async () => {
    await get('/x', [
      'X-CuStOm: a  b',
      'X-CuStOm: c',
      'X-Name: Zo\xc3\xab',
      '__proto__: x',
      'Accept-Encoding: identity',
    ])

    expect(onlySeen().headers).toEqual(
      expect.arrayContaining([
        ['x-custom', 'a  b, c'],
        ['x-name', 'Zo\xc3\xab'],
        ['Accept-Encoding', 'identity'],
      ]),
    )
  })

  it('gets what is no UTF-8 in its bytes and lines, and still nothing in the name of the gateway', async () => {
    await get('/x', ['X-CuStOm: a', 'X-CuStOm: \xe9\xff', 'X-Forwarded-For: 1.2.3.4', 'gatehouse-subject: \xe9'])

    expect(valuesOf(onlySeen(), 'X-Custom')).toEqual(['a', '\xe9\xff'])
    expect(valuesOf(onlySeen(), 'X-Forwarded-For')).not.toContain('1.2.3.4')
    expect(valuesOf(onlySeen(), 'Gatehouse-Subject')).toEqual([])
  })
})

describe('the path and query', () => {
  it.each([
    { sent: '/a/b?c=d&c=e', seen: null },
    { sent: '/a?', seen: null },
    { sent: '/', seen: null },
    { sent: '/?', seen: null },
    { sent: '/a?x=[]|^`{}\\', seen: null },
    { sent: '/a?x=%zz&y=%&z=%2e%2E', seen: null },
    { sent: '/a?x=../../y//z/..;/', seen: null },
    { sent: '/a?x=?y??', seen: null },
    { sent: '/a?x=%27%22%5b%20+', seen: null },
    { sent: '/a?x=%00%0d%0a', seen: null },
    { sent: "/a!$&'()*+,=:@-._~b", seen: null },
    { sent: '/a%2Fb;c=d//e', seen: null },
    { sent: '/%7Ea%41%c3%a9', seen: '/~aA%C3%A9' },
    { sent: "/a?x='", seen: '/a?x=%27' },
    { sent: '/a"b?c', seen: '/a%22b?c' },
  ])('reach the upstream as they were judged: $sent', async ({ sent, seen }) => {
    await get(sent)

    expect(onlySeen().target).toBe(seen ?? sent)
  })

  it('never lead to another upstream, whatever the request line and Host say', async () => {
    await gateway.raw('GET http://evil.test/x?y HTTP/1.1\r\nHost: gateway.test\r\n\r\n')

    expect(onlySeen().target).toBe('/x?y')
    expect(valuesOf(onlySeen(), 'Host')).toEqual([new URL(upstream.origin).host])
  })
})

describe('a body', () => {
  it.each(['POST', 'PUT', 'PATCH', 'DELETE'])('comes whole, with its length: %s', async (method) => {
    await gateway.send('/x', { method, body: 'hello', headers: { 'Content-Length': 5, 'Content-Type': 'text/x' } })

    expect(onlySeen()).toMatchObject({ method })
    expect(onlySeen().body()).toBe('hello')
    expect(valuesOf(onlySeen(), 'Content-Length')).toEqual(['5'])
    expect(valuesOf(onlySeen(), 'Content-Type')).toEqual(['text/x'])
  })

  it('of a megabyte comes and goes byte for byte', async () => {
    const body = Buffer.from(Array.from({ length: 1 << 20 }, (_, at) => (at * 7919) % 251))

    const answer = await gateway.send('/echo', { method: 'POST', body })

    expect(answer.body.equals(body)).toBe(true)
  })

  it.each(['GET', 'HEAD'])('is not sent with a %s, nor can it smuggle another request', async (method) => {
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n'

    await gateway.raw(
      `${method} /x HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    )
    await gateway.send('/y')

    expect(upstream.seen.map(({ target }) => target)).toEqual(['/x', '/y'])
    expect(valuesOf(upstream.seen[0] ?? { headers: [] }, 'Content-Length')).toEqual([])
  })

  it('comes without waiting for a 100 (RFC 9110 §10.1.1), which is not asked of the upstream', async () => {
    await gateway.raw(
      'POST /x HTTP/1.1\r\nHost: gateway.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
    )

    expect(onlySeen().body()).toBe('hello')
    expect(namesOf(onlySeen())).not.toContain('expect')
  })

  it('streams up and down: each part is echoed before the next is sent', async () => {
    const echoed: string[] = []
    const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    async function* parts(): AsyncGenerator<string> {
      yield 'one '
      await steps[0]?.promise
      yield 'two '
      await steps[1]?.promise
      yield 'three'
    }

    const answer = await gateway.open('/echo', { method: 'POST', body: parts() })
    for await (const chunk of answer) {
      echoed.push(String(chunk))
      steps[echoed.length - 1]?.resolve()
    }

    expect(echoed).toEqual(['one ', 'two ', 'three'])
  })

  it.each([
    { path: '/stream', type: 'text/plain', parts: ['one ', 'two ', 'three'] },
    { path: '/events', type: 'text/event-stream', parts: ['data: 1\n\n', 'data: 2\n\n'] },
  ])('streams down: each part is here before the next is made: $path', async ({ path, type, parts }) => {
    const received: string[] = []

    const answer = await gateway.open(path)
    for await (const chunk of answer) {
      received.push(String(chunk))
      if (received.length < parts.length) await gateway.send('/acknowledge')
    }

    expect(answer.headers['content-type']).toBe(type)
    expect(received).toEqual(parts)
  })
})

describe('an answer', () => {
  it('to HEAD has its length and no body', async () => {
    const answer = await gateway.raw('HEAD /gzip HTTP/1.1\r\nHost: gateway.test\r\n\r\n')

    expect(onlySeen().method).toBe('HEAD')
    expect(answer).toMatch(new RegExp(`\\r\\ncontent-length: ${GZIPPED.length}\\r\\n`, 'i'))
    expect(answer).toMatch(/\r\n\r\n$/)
  })

  it.each([
    { path: '/no-content', status: 204, etag: '"n"' },
    { path: '/not-modified', status: 304, etag: '"m"' },
  ])('without a body stays without: $status', async ({ path, status, etag }) => {
    const answer = await gateway.send(path)

    expect(answer).toMatchObject({ status, body: Buffer.alloc(0) })
    expect(valuesOf(answer, 'ETag')).toEqual([etag])
  })

  it('that redirects is not followed', async () => {
    const answer = await gateway.send('/redirect')

    expect(answer).toMatchObject({ status: 302, body: Buffer.from('moved') })
    expect(valuesOf(answer, 'Location')).toEqual(['http://127.0.0.1:1/else%20where?a=b#c'])
    expect(upstream.seen.length).toBe(1)
  })

  it('sets several cookies, line by line', async () => {
    const answer = await gateway.send('/cookies')

    expect(valuesOf(answer, 'Set-Cookie')).toEqual([
      'a=1; Path=/',
      'b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly',
    ])
  })

  it('that is compressed stays so, byte for byte', async () => {
    const answer = await gateway.send('/gzip', { headers: { 'Accept-Encoding': 'identity' } })

    expect(valuesOf(answer, 'Content-Encoding')).toEqual(['gzip'])
    expect(valuesOf(answer, 'Content-Length')).toEqual([String(GZIPPED.length)])
    expect(answer.body.equals(GZIPPED)).toBe(true)
  })

  it('says nothing in the name of the gateway', async () => {
    const answer = await gateway.send('/hostile')

    expect(answer.headers.filter(([name]) => /gatehouse/i.test(name))).toEqual([])
    expect(valuesOf(answer, 'Set-Cookie')).toEqual([
      'ours=no',
      'gatehouse_access = stolen',
      'gatehouse_session=stolen',
      'theirs=yes; Path=/',
    ])
    expect(answer.body.toString()).toBe('hostile')
  })

  it('leaves what was meant for one hop, and keeps its bytes', async () => {
    const answer = await get('/hop-by-hop')

    expect(answer).not.toMatch(/X-Named|Keep-Alive|Proxy-Connection/i)
    expect(answer).toContain('X-Kept: \xe9\r\n')
    expect(answer).toMatch(/\r\n\r\nok$/)
  })

  it('407 passes without a challenge for a proxy', async () => {
    const answer = await gateway.send('/status-407')

    expect(answer.status).toBe(407)
    expect(valuesOf(answer, 'Proxy-Authenticate')).toEqual([])
  })
})

describe('a WebSocket', () => {
  const open: WebSocket[] = []
  afterAll(() => open.forEach((socket) => socket.terminate()))

  async function connect(path: string, protocols: string[] = [], headers = {}): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}${path}`, protocols, {
      headers: { Host: 'gateway.test', ...headers },
    })
    open.push(socket)
    await once(socket, 'open')
    return socket
  }

  it('carries text and bytes both ways', async () => {
    const socket = await connect('/ws')

    socket.send('hello')
    const [text, isBinary] = await once(socket, 'message')
    socket.send(Buffer.from([0, 255, 1]))
    const [bytes] = await once(socket, 'message')

    expect([String(text), isBinary]).toEqual(['hello', false])
    expect(bytes).toEqual(Buffer.from([0, 255, 1]))
  })

  it('is closed at the client as the upstream closed it', async () => {
    const socket = await connect('/farewell')

    socket.send('hello')
    const [code, reason] = await once(socket, 'close')

    expect([code, String(reason)]).toEqual([4001, 'as you wish'])
  })

  it('is closed at the upstream as the client closed it', async () => {
    const socket = await connect('/ws')

    socket.close(4002, 'enough')
    await once(socket, 'close')

    await expect.poll(() => upstream.closes).toContain('4002 enough')
  })

  it('speaks the subprotocol that the upstream chose', async () => {
    const socket = await connect('/ws', ['chat', 'superchat'])

    expect(socket.protocol).toBe('chat')
    expect(valuesOf(onlySeen(), 'Sec-WebSocket-Protocol')).toEqual(['chat,superchat'])
  })

  it('brings its token as a subprotocol, which the upstream never sees', async () => {
    const token = `gatehouse.bearer.${await gateway.token()}`

    const socket = await connect('/private/ws', [token])
    socket.send('hello')
    const [echoed] = await once(socket, 'message')

    expect(socket.protocol).toBe(token)
    expect(String(echoed)).toBe('hello')
    expect(valuesOf(onlySeen(), 'Gatehouse-Subject')).toEqual(['usr_1'])
    expect(valuesOf(onlySeen(), 'Sec-WebSocket-Protocol')).toEqual([])
    expect(JSON.stringify(onlySeen().headers)).not.toContain(token)
  })

  it('brings its token beside another subprotocol, which is the one that is spoken', async () => {
    const socket = await connect('/private/ws', [`gatehouse.bearer.${await gateway.token()}`, 'chat'])

    expect(socket.protocol).toBe('chat')
    expect(valuesOf(onlySeen(), 'Sec-WebSocket-Protocol')).toEqual(['chat'])
  })

  it('does not open without the token that its route asks for', async () => {
    const refused = await connect('/private/ws').catch((error: unknown) => String(error))

    expect(refused).toContain('401')
    expect(upstream.seen).toEqual([])
  })
})

describe('an upstream behind a service binding', () => {
  it('gets the same request, at its own URL', async () => {
    const answer = await gateway.send('/service/x?y', { headers: { ...(await bearer()), 'X-Forwarded-For': 'forged' } })

    const seen = JSON.parse(answer.body.toString())
    expect(seen.url).toBe('https://service.internal:8443/v2/x?y')
    expect(Object.fromEntries(seen.headers)).toMatchObject({
      'gatehouse-subject': 'usr_1',
      'x-forwarded-host': 'gateway.test',
    })
    expect(answer.body.toString()).not.toMatch(/forged|"host","gateway\.test"|Bearer/)
  })
})

describe('an upstream that fails', () => {
  it('is 504 behind a service binding too', async () => {
    expect((await gateway.send('/service/hang')).status).toBe(504)
  })

  it.each(['/reset', '/garbage', '/status-600', '/status-101', '/dead/x'])('is 502: %s', async (path) => {
    const answer = await gateway.send(path)

    expect(answer.status).toBe(502)
    expect(valuesOf(answer, 'Content-Type')).toEqual(['application/problem+json'])
    expect(json(answer)).toMatchObject({ code: 'upstream_unreachable' })
  })

  it('in the middle of its answer does not look as if it had finished', async () => {
    await expect(gateway.send('/truncated')).rejects.toThrow('aborted')
  })

  it('tells the log why, under the request id of the answer', async () => {
    const answer = await gateway.send('/reset')

    const { request_id: requestId } = JSON.parse(answer.body.toString())
    const line = expect.poll(() => gateway.log.find((text) => text.includes(requestId)))
    await line.toMatch(/"code":"upstream_unreachable".*"fault":"Error"/)
  })

  it('is not sent a POST again that it may have seen', async () => {
    await gateway.send('/x')
    upstream.forget()

    const answer = await gateway.send('/reset', { method: 'POST', body: 'pay' })

    expect(answer.status).toBe(502)
    expect(upstream.seen.length).toBe(1)
  })

  it('is 504 when it does not answer in time', async () => {
    const answer = await gateway.send('/impatient/hang')

    expect(answer.status).toBe(504)
    expect(json(answer)).toMatchObject({ code: 'upstream_timeout' })
    expect(onlySeen().target).toBe('/hang')
  })
})
