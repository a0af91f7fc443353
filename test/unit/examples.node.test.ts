// The examples as newcomers run them: each in a process of its own, before a key set that this test serves.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { SignJWT, exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Example } from '../support/example.ts'
import { runExample } from '../support/example.ts'

const ISSUER_KEYS = await generateKeyPair('ES256')
const FOREIGN_KEYS = await generateKeyPair('ES256')

const published = { keys: [{ ...(await exportJWK(ISSUER_KEYS.publicKey)), kid: 'one', alg: 'ES256' }] }

const jwks = createServer((_, response) => {
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(published))
})
jwks.listen(0, '127.0.0.1')
await once(jwks, 'listening')
afterAll(() => jwks.close())

const gateway = `http://localhost:${portOf(jwks.address())}`

interface Forgery {
  readonly key?: CryptoKey
  readonly kid?: string
  readonly typ?: string
  readonly issuer?: string
  readonly audience?: string
  readonly expires?: string | null
  readonly subject?: string | null
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not a port')
  return address.port
}

/** A subject as assertions name it (RFC 9493 §3.2.3). */
function namesOf(subject: string) {
  return { sub: subject, sub_id: { format: 'iss_sub', iss: gateway, sub: subject } }
}

/** An assertion for `origin` that is good but for what `forgery` says. */
function assertion(origin: string, forgery: Forgery = {}): Promise<string> {
  const { key = ISSUER_KEYS.privateKey, kid = 'one', typ = 'gatehouse+jwt', issuer = gateway } = forgery
  const { audience = `upstream:${origin}`, expires = '60s', subject = 'usr_demo' } = forgery
  const jwt = new SignJWT({ roles: ['member'], ...(subject === null ? {} : namesOf(subject)) })
    .setProtectedHeader({ alg: 'ES256', kid, typ })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt()
  return (expires === null ? jwt : jwt.setExpirationTime(expires)).sign(key)
}

const FORGERIES: readonly [string, Forgery][] = [
  ['signed by another key', { key: FOREIGN_KEYS.privateKey }],
  ['of an unknown key', { kid: 'two' }],
  ['that has expired', { expires: '-1s' }],
  ['that never expires', { expires: null }],
  ['for another upstream', { audience: 'upstream:http://localhost:1' }],
  ["with the gateway's own audience", { audience: gateway }],
  ['of another issuer', { issuer: 'http://localhost:1' }],
  ['that is an access token', { typ: 'at+jwt' }],
  ['that says no typ of ours', { typ: 'JWT' }],
  ['of nobody', { subject: null }],
]

describe('the Express upstream', () => {
  let example: Example
  beforeAll(async () => {
    example = await runExample('express-upstream.mjs', gateway)
  })
  afterAll(() => example.stop())

  function hello(headers: Record<string, string>): Promise<Response> {
    return fetch(`${example.origin}/hello`, { headers })
  }

  it('answers whom the gateway has signed for', async () => {
    const response = await hello({ 'Gatehouse-Assertion': await assertion(example.origin) })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ hello: 'usr_demo', roles: ['member'] })
  })

  it.each(FORGERIES)('refuses an assertion %s', async (_, forgery) => {
    const response = await hello({ 'Gatehouse-Assertion': await assertion(example.origin, forgery) })
    expect(response.status).toBe(401)
  })

  it('refuses an assertion whose signature was cut off and whose alg is none', async () => {
    const [, payload] = (await assertion(example.origin)).split('.')
    const header = Buffer.from('{"alg":"none","typ":"gatehouse+jwt"}').toString('base64url')
    const response = await hello({ 'Gatehouse-Assertion': `${header}.${payload}.` })
    expect(response.status).toBe(401)
  })

  it('believes no plain header', async () => {
    const response = await hello({ 'Gatehouse-Subject': 'usr_demo' })
    expect(response.status).toBe(401)
  })
})

describe('the demo API', () => {
  let example: Example
  beforeAll(async () => {
    example = await runExample('demo-api.mjs', gateway)
  })
  afterAll(() => example.stop())

  it.each([
    ['/public/hello', 200, { hello: 'world' }],
    ['/orders', 200, { for: 'usr_demo' }],
    ['/orders/1001?x=1', 200, { item: 'Lantern' }],
    ['/orders/9', 404, { error: 'nothing here' }],
    ['/prices', 200, { prices: expect.any(Array) }],
    ['/admin/report', 200, { revenue: 5550 }],
    ['/elsewhere', 404, { error: 'nothing here' }],
    ['//', 404, { error: 'nothing here' }],
  ])('answers %s with %i', async (path, status, body) => {
    const response = await fetch(example.origin + path, { headers: { 'Gatehouse-Subject': 'usr_demo' } })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject(body)
  })

  it.each([
    ['/', 'text/html'],
    ['/public/demo.css', 'text/css'],
    ['/public/demo.js', 'text/javascript'],
    ['/public/gatehouse.js', 'text/javascript'],
  ])('serves %s of the demo page as %s, and lets nothing else into it', async (path, type) => {
    const response = await fetch(example.origin + path)
    expect([response.status, response.headers.get('Content-Type')]).toEqual([200, `${type}; charset=utf-8`])
    expect(response.headers.get('Content-Security-Policy')).toMatch(/^default-src 'none';/)
    expect(response.headers.get('X-Content-Type-Options')).toBe('nosniff')
  })

  it('shows who the gateway says is asking, and that the gateway has signed it', async () => {
    const headers = { 'Gatehouse-Subject': 'usr_demo', 'Gatehouse-Assertion': await assertion(example.origin) }
    const response = await fetch(`${example.origin}/me`, { headers })
    expect(await response.json()).toMatchObject({
      headers: { 'gatehouse-subject': 'usr_demo' },
      assertion: { verified: true, claims: { sub: 'usr_demo' } },
    })
  })

  it.each(FORGERIES)('says so of an assertion %s', async (_, forgery) => {
    const headers = { 'Gatehouse-Assertion': await assertion(example.origin, forgery) }
    const response = await fetch(`${example.origin}/me`, { headers })
    expect(await response.json()).toMatchObject({ assertion: { verified: false } })
  })

  const post = (path: string, body: string, type: string, headers: Record<string, string> = {}) =>
    fetch(example.origin + path, {
      method: 'POST',
      body,
      redirect: 'manual',
      headers: { 'Content-Type': type, 'Gatehouse-Control': 'c"1', ...headers },
    })

  it.each([
    ['application/json', `{"name":"grace","password":"grace's secret"}`, 200, null],
    ['application/x-www-form-urlencoded', 'name=grace&password=grace%27s+secret', 303, '/me'],
  ])('signs in by %s, and echoes the control, quoted', async (type, body, status, location) => {
    const response = await post('/login', body, type)
    expect([response.status, response.headers.get('Location')]).toEqual([status, location])
    expect(response.headers.get('Gatehouse-Session')).toBe(
      'open;sub="grace";roles="member";scope="orders:read";control="c\\"1"',
    )
  })

  it.each([
    '{"name":"grace","password":"wrong"}',
    `{"name":"nobody","password":"grace's secret"}`,
    '{"name":"","password":""}',
    '{"name":["grace"],"password":1}',
    '{}',
    'null',
    'garbage',
  ])('signs nobody in by %s', async (body) => {
    const response = await post('/login', body, 'application/json')
    expect([response.status, response.headers.get('Gatehouse-Session')]).toEqual([401, null])
  })

  it('signs out, and changes who asks', async () => {
    const headers = { 'Gatehouse-Subject': 'gr%22ace' }
    const out = await post('/logout', '', 'application/json', headers)
    expect(out.headers.get('Gatehouse-Session')).toBe('end;control="c\\"1"')
    const changed = await post('/promote', '', 'application/json', headers)
    expect(changed.headers.get('Gatehouse-Session')).toBe('change;sub="gr\\"ace";roles="member admin";control="c\\"1"')
  })

  it('sends events as they happen', async () => {
    const abort = new AbortController()
    const response = await fetch(`${example.origin}/orders/events`, { signal: abort.signal })
    const first = await response.body?.getReader().read()
    abort.abort()
    expect(response.headers.get('Content-Type')).toBe('text/event-stream')
    expect(Buffer.from(first?.value ?? []).toString()).toContain('event: order\ndata: {"id":"1001"')
  })
})
