// One credential or none, never a choice between two.
import { describe, expect, it } from 'vitest'

import { cookieNames } from '../../src/auth/cookies.ts'
import { Denial } from '../../src/denial.ts'
import { isWebSocketUpgrade, readCredential, withoutTokenProtocol } from '../../src/gateway/credential.ts'

type Kinds = ReadonlySet<'bearer' | 'cookie'>

const NAMES = cookieNames(false)
const COOKIES = `${NAMES.access}=a.b.c; ${NAMES.session}=s`
const BOTH: Kinds = new Set(['bearer', 'cookie'])
const BEARER: Kinds = new Set(['bearer'])
const COOKIE: Kinds = new Set(['cookie'])
const NEITHER: Kinds = new Set()

const COOKIE_CREDENTIAL = { kind: 'cookie', access: 'a.b.c', session: 's' }
const NONE = { kind: 'none' }

describe('an Authorization header', () => {
  it.each([
    ['Bearer a.b.c', 'a.b.c'],
    ['bearer a.b.c', 'a.b.c'],
    ['BEARER   a.b.c  ', 'a.b.c'],
    ['Bearer\ta.b.c', 'a.b.c'],
    ['Bearer', ''],
    ['Bearer ', ''],
    ['Bearer a b', 'a b'],
    ['Bearer Bearer a', 'Bearer a'],
    ['Bearer "a"', '"a"'],
  ])('%j carries the token %j and wins over cookies', (authorization, token) => {
    expect(read({ Authorization: authorization, Cookie: COOKIES })).toEqual({ kind: 'bearer', token })
  })

  it.each([
    'Basic YTpi',
    'BearerX a.b.c',
    'Bearer-a.b.c',
    'Bearer=a.b.c',
    'Bearer:a.b.c',
    'xBearer a.b.c',
    'Digest username="a", realm="b"',
    'Digest bearer="x", y="z"',
    'Negotiate Bearer a',
    '',
  ])('%j is no credential, so cookies may count', (authorization) => {
    expect(read({ Authorization: authorization })).toEqual(NONE)
    expect(read({ Authorization: authorization, Cookie: COOKIES })).toEqual(COOKIE_CREDENTIAL)
  })

  it.each([
    'Bearer a.b.c, Bearer d.e.f',
    'Bearer a.b.c,Bearer a.b.c',
    'Bearer a.b.c,',
    'Bearer ,a.b.c',
    'Bearer, a.b.c',
    'Bearer,',
    ',Bearer a.b.c',
    'bearer a, Basic YTpi',
    'Basic YTpi, Bearer a.b.c',
    'Basic YTpi,bearer a.b.c',
    'Basic YTpi, , BEARER\ta.b.c',
    'Basic YTpi, Bearer',
    'Digest a="b", Bearer a.b.c',
  ])('%j is refused', (authorization) => {
    expect(refusal(() => read({ Authorization: authorization }))).toBe('ambiguous_credential')
    expect(refusal(() => read({ Authorization: authorization, Cookie: COOKIES }))).toBe('ambiguous_credential')
  })

  it('that came twice is refused as the platform joins it', () => {
    const headers = new Headers([
      ['Authorization', 'Basic YTpi'],
      ['Authorization', 'Bearer a.b.c'],
    ])

    expect(refusal(() => read(headers))).toBe('ambiguous_credential')
  })
})

describe('cookies', () => {
  it.each([
    [COOKIES, COOKIE_CREDENTIAL],
    [`${NAMES.session}=s`, { kind: 'cookie', access: null, session: 's' }],
    [`${NAMES.access}=a.b.c`, { kind: 'cookie', access: 'a.b.c', session: null }],
    ['other=1', NONE],
  ])('%j are the credential %j', (cookie, credential) => {
    expect(read({ Cookie: cookie })).toEqual(credential)
  })

  it('are none where there is no header', () => {
    expect(read({})).toEqual(NONE)
  })

  it('that came twice are refused', () => {
    expect(refusal(() => read({ Cookie: `a=1, ${NAMES.session}=s` }))).toBe('ambiguous_credential')
  })

  it('are not looked at beside a bearer token, not even to refuse them', () => {
    const cookie = `${NAMES.session}=s; ${NAMES.session}=t`

    expect(read({ Authorization: 'Bearer a', Cookie: cookie })).toEqual({ kind: 'bearer', token: 'a' })
  })
})

describe('a kind that the route does not name', () => {
  it('is not looked at', () => {
    const headers = { Authorization: 'Bearer a', Cookie: COOKIES }

    expect(read(headers, COOKIE)).toEqual(COOKIE_CREDENTIAL)
    expect(read({ Cookie: COOKIES }, BEARER)).toEqual(NONE)
    expect(read(headers, NEITHER)).toEqual(NONE)
  })

  it('is not even refused', () => {
    expect(read({ Authorization: 'Bearer a, Bearer b', Cookie: COOKIES }, COOKIE)).toEqual(COOKIE_CREDENTIAL)
    expect(read({ Cookie: `${NAMES.session}=s, ${NAMES.session}=t` }, BEARER)).toEqual(NONE)
    expect(read({ Authorization: 'Bearer a, Bearer b' }, NEITHER)).toEqual(NONE)
  })
})

describe('a token as a WebSocket subprotocol', () => {
  it.each(['gatehouse.bearer.a.b.c', 'graphql-ws, gatehouse.bearer.a.b.c', 'gatehouse.bearer.a.b.c,graphql-ws'])(
    'is read from %j on an upgrade',
    (offered) => {
      expect(read(upgrade(offered))).toEqual({ kind: 'bearer', token: 'a.b.c' })
      expect(read({ ...upgrade(offered), Cookie: COOKIES })).toEqual({ kind: 'bearer', token: 'a.b.c' })
    },
  )

  it('counts nowhere else', () => {
    const offered = 'gatehouse.bearer.a.b.c'

    expect(read({ 'Sec-WebSocket-Protocol': offered })).toEqual(NONE)
    expect(read({ 'Sec-WebSocket-Protocol': offered, Upgrade: 'h2c' })).toEqual(NONE)
    expect(read({ ...upgrade(offered), Cookie: COOKIES }, COOKIE)).toEqual(COOKIE_CREDENTIAL)
  })

  it('is none in another subprotocol', () => {
    expect(read(upgrade('graphql-ws, xgatehouse.bearer.a, gatehouse.a'))).toEqual(NONE)
  })

  it('that is empty is a bad credential, not none', () => {
    expect(read(upgrade('gatehouse.bearer.'))).toEqual({ kind: 'bearer', token: '' })
  })

  it('that came twice, or beside Authorization, is refused', () => {
    const one = upgrade('gatehouse.bearer.a')

    expect(refusal(() => read(upgrade('gatehouse.bearer.a, gatehouse.bearer.b')))).toBe('ambiguous_credential')
    expect(refusal(() => read(upgrade('gatehouse.bearer.a, x, gatehouse.bearer.a')))).toBe('ambiguous_credential')
    expect(refusal(() => read({ ...one, Authorization: 'Bearer a' }))).toBe('ambiguous_credential')
    expect(refusal(() => read({ ...one, Authorization: 'Bearer' }))).toBe('ambiguous_credential')
    expect(read({ ...one, Authorization: 'Basic YTpi' })).toEqual({ kind: 'bearer', token: 'a' })
  })

  it.each([
    [null, null, null],
    ['graphql-ws', 'graphql-ws', null],
    ['a ,b', 'a ,b', null],
    ['gatehouse.bearer.t', null, 'gatehouse.bearer.t'],
    [' , gatehouse.bearer.t,', null, 'gatehouse.bearer.t'],
    ['gatehouse.bearer.t, graphql-ws', 'graphql-ws', null],
    ['a,gatehouse.bearer.t , b', 'a, b', null],
    ['gatehouse.bearer.t, gatehouse.bearer.u, a', 'a', null],
  ])('is taken out of %j: %j goes on, %j is the answer', (header, forwarded, answer) => {
    expect(withoutTokenProtocol(header)).toEqual({ forwarded, answer })
  })
})

describe('an upgrade', () => {
  it.each([
    ['websocket', true],
    ['WebSocket', true],
    ['h2c, websocket', true],
    ['websocket,h2c', true],
    ['h2c', false],
    ['', false],
  ])('to %j is one to a WebSocket: %s', (value, expected) => {
    expect(isWebSocketUpgrade(requestWith({ Upgrade: value }))).toBe(expected)
  })

  it('is not there without the header', () => {
    expect(isWebSocketUpgrade(requestWith({}))).toBe(false)
  })
})

function read(headers: HeadersInit, kinds: Kinds = BOTH) {
  return readCredential(requestWith(headers), kinds, NAMES)
}

function requestWith(headers: HeadersInit): Request {
  return new Request('https://api.example.com/orders?access_token=q', { headers })
}

function upgrade(offered: string): Record<string, string> {
  return { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Protocol': offered }
}

function refusal(run: () => unknown): string {
  try {
    run()
    return 'passed'
  } catch (error) {
    if (error instanceof Denial) return error.code
    throw error
  }
}
