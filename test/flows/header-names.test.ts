import { describe, expect, it } from 'vitest'

import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const ACCESS = ['required', 'optional', 'public', 'observe'] as const
const routes = [
  ...ACCESS.map((access) => ({ path: `/${access}`, upstream: UPSTREAM, access, headers: { 'X-User-Id': 'sub' } })),
  { path: '/legacy', upstream: UPSTREAM, access: 'public', allow_headers: ['X_LEGACY', 'x~legacy.two'] },
]

/** Every token character in place of `-` (RFC 9110 §5.6.2). */
const SEPARATORS = "!#$%&'*+^`|~_.".split('')

/** What the gateway sets or removes: names of servers, frameworks and gateways in the field. */
const NAMES = `
  Gatehouse-Subject Gatehouse-Issuer Gatehouse-Roles Gatehouse-Scope Gatehouse-Session Gatehouse-Assertion
  Gatehouse-Control X-User-Id X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Prefix X-Forwarded-User
  X-Original-URL X-Rewrite-URL X-HTTP-Method-Override X-Method-Override X-Real-IP X-Request-Id CF-Ray CF-IPCountry
  True-Client-IP Client-IP X-Client-IP X-Cluster-Client-IP X-Originating-IP Remote-User X-Remote-User X-Remote-IP
  X-Remote-Addr Remote-Addr X-Host Front-End-Https X-Accel-Redirect X-Accel-Mapping X-Auth-Request-User
  X-Auth-Request-Email X-Authenticated-User X-Authenticated-Groups X-Sendfile-Type X-SSL-Client-Verify SSL-Client-Cert
  X-Client-Cert X-Amzn-Oidc-Data X-Goog-Authenticated-User-Email X-MS-CLIENT-PRINCIPAL-ID X-ARR-ClientCert
  X-WebAuth-User X-Middleware-Subrequest X-Script-Name Script-Name Fastly-Client-IP Proxy-Authorization Host
  Content-Length Transfer-Encoding Set-Cookie
`
  .trim()
  .split(/\s+/)

/** The environment that a CGI server makes of headers: every byte that is not a letter or digit is `_` (lighttpd, busybox). */
function cgi(headers: Headers): ReadonlyMap<string, readonly string[]> {
  const variables = new Map<string, string[]>()
  for (const [name, value] of headers) {
    const variable = `HTTP_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`
    variables.set(variable, [...(variables.get(variable) ?? []), value])
  }
  return variables
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`
}

async function variablesOf(
  world: World,
  path: string,
  headers: Headers,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const before = world.seen.length
  const response = await world.send(path, { headers })
  expect(response.status).toBe(200)
  return cgi(world.seen[before]?.headers ?? new Headers())
}

const FORGED = 'forged'

describe('a header name that another server folds to one of the gateway', () => {
  it.each(ACCESS)('reaches no upstream, with any token character for `-`: %s', async (access) => {
    const world = await createWorld({ routes })
    const { access: token } = await world.signInForTokens()
    for (const separator of ['-', ...SEPARATORS]) {
      const forged = new Headers({ Authorization: `Bearer ${token}` })
      for (const name of NAMES) {
        forged.set(name.replaceAll('-', separator), FORGED)
        forged.set(name.replace('-', separator), FORGED)
      }
      const variables = await variablesOf(world, `/${access}`, forged)
      const believed = [...variables].filter(([, values]) => values.includes(FORGED)).map(([name]) => name)
      expect({ separator, believed }).toEqual({ separator, believed: [] })
    }
  })

  it('reaches no upstream with a value that is not UTF-8 beside it', async () => {
    const world = await createWorld({ routes })
    const headers = new Headers({ 'X-Bytes': '\uFFFD', 'Gatehouse~Subject': FORGED, 'Remote-User': FORGED })
    const variables = await variablesOf(world, '/public', headers)
    expect([...variables.keys()].filter((name) => /SUBJECT|REMOTE/.test(name))).toEqual([])
  })

  it('reaches no upstream with a preflight', async () => {
    const world = await createWorld({ routes })
    const headers = { Origin: 'https://a.example', 'Access-Control-Request-Method': 'GET', 'X|Real|IP': FORGED }
    await world.send('/required', { method: 'OPTIONS', headers })
    expect([...(world.seen[0]?.headers ?? [])].flat()).not.toContain(FORGED)
  })
})

describe('`allow_headers`', () => {
  it('lets the names that it lists through on its route, in any case, and on no other', async () => {
    const world = await createWorld({ routes })
    const headers = new Headers({ x_legacy: '1', 'X~Legacy.Two': '2', x_other: '3' })
    await world.send('/legacy', { headers })
    await world.send('/public', { headers })
    const passed = world.seen.map((seen) => [...seen.headers].filter(([, value]) => /^[123]$/.test(value)))
    expect(passed).toEqual([
      [
        ['x_legacy', '1'],
        ['x~legacy.two', '2'],
      ],
      [],
    ])
  })
})

async function forwarded(world: World, path: string, headers: Record<string, string>): Promise<readonly string[]> {
  const before = world.seen.length
  await world.send(path, { headers })
  const seen = world.seen[before]?.headers ?? new Headers()
  return ['Authorization', 'X-API-Key', 'Cookie', 'Sec-WebSocket-Protocol'].flatMap((name) => seen.get(name) ?? [])
}

describe('a credential of the gateway itself', () => {
  const open = [
    { path: '/public', upstream: UPSTREAM, access: 'public' },
    { path: '/observe', upstream: UPSTREAM, access: 'observe' },
    { path: '/keys', upstream: UPSTREAM, access: 'optional', credentials: ['api-key'] },
    { path: '/forwards', upstream: UPSTREAM, access: 'public', forward_token: true },
  ]
  const foreign = `e30.${Buffer.from('{"iss":"https://other.example/"}').toString('base64url')}.c2ln`

  it.each(['/public', '/observe', '/keys'])('reaches no upstream that needs none: %s', async (path) => {
    const world = await createWorld({ routes: open })
    const { access, refresh } = await world.signInForTokens()
    const expired = `e30.${Buffer.from(JSON.stringify({ iss: ISSUER, exp: 1 })).toString('base64url')}.c2ln`
    const values = [
      `Bearer ${access}`,
      `bEaReR  ${access}`,
      `DPoP ${access}`,
      `Token token="${access}"`,
      access,
      `Basic YQ==, Bearer ${access}`,
      basic(`${access}:`),
      basic(`user:${access}`),
      `Bearer%20${access}`,
      `Bearer ${refresh}`,
      refresh,
      basic(`x:${refresh}`),
      `Bearer ${expired}`,
      'Bearer gth_key_whatever',
    ]
    for (const value of values) {
      expect(await forwarded(world, path, { Authorization: value })).toEqual([])
      expect(await forwarded(world, path, { 'X-API-Key': value })).toEqual([])
    }
    expect(await forwarded(world, path, { 'Sec-WebSocket-Protocol': `gatehouse.bearer.${access}` })).toEqual([])
  })

  it.each(['/public', '/observe'])("stays where it is the upstream's own: %s", async (path) => {
    const world = await createWorld({ routes: open })
    for (const value of [`Bearer ${foreign}`, 'Basic dTpw', 'Bearer opaque', 'Digest username="gth"'])
      expect(await forwarded(world, path, { Authorization: value })).toEqual([value])
  })

  it('goes upstream where `forward_token` says so, but a session token and an API key never do', async () => {
    const world = await createWorld({ routes: open })
    const { access, refresh } = await world.signInForTokens()
    expect(await forwarded(world, '/forwards', { Authorization: `Bearer ${access}` })).toEqual([`Bearer ${access}`])
    for (const secret of [refresh, 'gth_key_whatever'])
      expect(await forwarded(world, '/forwards', { Authorization: `Bearer ${secret}` })).toEqual([])
  })
})
