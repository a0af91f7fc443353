import { describe, expect, it } from 'vitest'

import { cookieNames } from '../../src/auth/cookies.ts'
import { Denial } from '../../src/denial.ts'
import type { HeaderRules } from '../../src/gateway/request-headers.ts'
import { connectionNames, inTheirBytes, passRequestHeaders } from '../../src/gateway/request-headers.ts'

const RULES: HeaderRules = {
  keepAuthorization: false,
  issuer: 'https://gateway.test',
  route: { forwardToken: false, allowHeaders: new Set() },
  takesApiKeys: false,
  identityHeaderNames: new Set(['x-user-id']),
  cookies: cookieNames(false),
}

const REMOVED = `
  Keep-Alive TE Trailer Transfer-Encoding Upgrade Connection Expect Host Content-Length Proxy Proxy-Connection
  Proxy-Authorization Proxy-Authenticate Proxy-Anything X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto
  X-Forwarded-Prefix X-Forwarded Forwarded X-Real-IP True-Client-IP X-Client-IP X-Cluster-Client-IP
  X-Request-Id X-Original-URL X-Original-Host X-Rewrite-URL X-HTTP-Method X-HTTP-Method-Override
  X-Method-Override CF-Connecting-IP CF-IPCountry CF-Ray Gatehouse-Subject Gatehouse-Assertion
  Gatehouse-Whatever-Comes X-User-Id Set-Cookie __proto__
`
  .trim()
  .split(/\s+/)

const SPELLINGS = [
  { spelling: 'as it is', spell: (name: string) => name },
  { spelling: 'in lower case', spell: (name: string) => name.toLowerCase() },
  { spelling: 'in upper case', spell: (name: string) => name.toUpperCase() },
  { spelling: 'with `_` for `-`', spell: (name: string) => name.replaceAll('-', '_') },
  { spelling: 'with `.` for `-`', spell: (name: string) => name.replaceAll('-', '.') },
  { spelling: 'with one `_` for `-`', spell: (name: string) => name.replace('-', '_') },
]

const KEPT = `
  Accept Accept-Encoding Accept-Language Cache-Control Content-Type If-None-Match Origin Range Referer
  Sec-Fetch-Site User-Agent X-Custom X-User X-User-Ids Cfx X-Correlation-Id Idempotency-Key Traceparent Via
  CDN-Loop X-Forward X-Realm My-Gatehouse-Subject Originals
`
  .trim()
  .split(/\s+/)

describe('what a client says in the name of a gateway', () => {
  for (const { spelling, spell } of SPELLINGS) {
    it.each(REMOVED)(`is removed, ${spelling}: %s`, (name) => {
      const passed = cleaned(new Headers([[spell(name), 'value']]), RULES)

      expect([...passed]).toEqual([])
    })
  }

  it.each(KEPT)('leaves others: %s', (name) => {
    const passed = cleaned(new Headers([[name, 'value']]), RULES)

    expect([...passed]).toEqual([[name.toLowerCase(), 'value']])
  })

  it('is removed in every line of several', () => {
    const client = new Headers([
      ['X-Forwarded-For', '1.1.1.1'],
      ['x-forwarded-for', '2.2.2.2'],
      ['X_Forwarded_For', '3.3.3.3'],
    ])

    expect([...cleaned(client, RULES)]).toEqual([])
  })
})

describe('a header that a route fills from a claim', () => {
  it.each(['Authorization', 'X-API-Key'])('is removed even where clients may send one: %s', (name) => {
    const client = new Headers([
      [name, 'forged'],
      [name.replace('-', '_'), 'forged'],
    ])
    const rules = { ...RULES, keepAuthorization: true, identityHeaderNames: new Set([name.toLowerCase()]) }

    expect([...cleaned(client, rules)]).toEqual([])
  })
})

describe('a header that Connection names (RFC 9110 §7.6.1)', () => {
  it('is removed, in any case and place of the list', () => {
    const client = new Headers({ Connection: 'keep-alive, X-ONE ,x-two', 'X-One': '1', 'X-Two': '2', 'X-Three': '3' })

    expect([...cleaned(client, RULES)]).toEqual([['x-three', '3']])
  })

  it('is found in the second Connection line too', () => {
    const client = new Headers([
      ['Connection', 'x-one'],
      ['Connection', 'x-two'],
    ])

    expect([...connectionNames(client)]).toEqual(['x-one', 'x-two'])
  })
})

describe('Authorization', () => {
  it.each([
    { keepAuthorization: true, value: 'Bearer a' },
    { keepAuthorization: false, value: null },
  ])('stays where the upstream is to have it: $keepAuthorization', ({ keepAuthorization, value }) => {
    const passed = cleaned(new Headers({ Authorization: 'Bearer a' }), { ...RULES, keepAuthorization })

    expect(passed.get('Authorization')).toBe(value)
  })
})

describe('a Cookie header', () => {
  const session = '__Host-gatehouse_session=gth_c_x'
  it.each([
    { cookie: 'a=1;  b="2" ;c', passed: 'a=1;  b="2" ;c' },
    { cookie: session, passed: null },
    { cookie: `a=1; ${session}; b=2`, passed: 'a=1; b=2' },
    { cookie: `${session}; __Host-gatehouse_access=x`, passed: null },
    { cookie: `a=é; ${session}`, passed: 'a=é' },
  ])('keeps the cookies of others: $cookie', ({ cookie, passed }) => {
    expect(cleaned(new Headers({ Cookie: cookie }), RULES).get('Cookie')).toBe(passed)
  })
})

describe('a control character in a value (RFC 9110 §5.5)', () => {
  const codes = Array.from({ length: 256 }, (_, code) => code).filter((code) => ![0, 10, 13].includes(code))

  it('is refused, and nothing else is', () => {
    const refused = codes.filter((code) => {
      const client = new Headers({ a: `x${String.fromCharCode(code)}y` })
      return codeOf(() => cleaned(client, RULES)) === 'invalid_request'
    })

    expect(refused).toEqual([...codes.filter((code) => code < 32 && code !== 9), 127])
  })

  it('is refused in a header that would be removed', () => {
    expect(codeOf(() => cleaned(new Headers({ cf: '\x01' }), RULES))).toBe('invalid_request')
  })
})

describe('a value that is no UTF-8', () => {
  const client = new Headers([
    ['X-Custom', 'a'],
    ['X-Custom', '\uFFFD'],
    ['Cookie', 'a=1; __Host-gatehouse_session=x'],
    ['Gatehouse-Subject', 'usr_1'],
    ['X-Forwarded-For', '1.1.1.1'],
    ['X-Name', 'Zoë'],
  ])

  it('is not passed as a text', () => {
    expect(passRequestHeaders(client, RULES).isFaithful).toBe(false)
    expect(passRequestHeaders(new Headers({ 'X-Custom': 'é' }), RULES).isFaithful).toBe(true)
  })

  it('stays in a copy of all headers, of which the rest is as if there were none', () => {
    const { passed } = passRequestHeaders(client, RULES)

    const headers = inTheirBytes(client, passed, { 'Gatehouse-Subject': 'usr_2' })

    expect([...headers]).toEqual([
      ['cookie', 'a=1'],
      ['gatehouse-subject', 'usr_2'],
      ['x-custom', 'a, \uFFFD'],
      ['x-name', 'Zoë'],
    ])
  })
})

/** What is left of a client's headers. */
function cleaned(client: Headers, rules: HeaderRules): Headers {
  return new Headers(passRequestHeaders(client, rules).passed)
}

function codeOf(act: () => unknown): string | null {
  try {
    act()
    return null
  } catch (error) {
    return error instanceof Denial ? error.code : String(error)
  }
}
