// What a browser may send by itself, and from where.
import { describe, expect, it } from 'vitest'

import { Denial } from '../../src/denial.ts'
import type { Credential } from '../../src/gateway/credential.ts'
import { enforceSameSite, needsSameSite, siteOf } from '../../src/gateway/csrf.ts'

const ISSUER = 'https://api.example.com'
const APP = 'https://app.example.com'

const COOKIE: Credential = { kind: 'cookie', access: 'a', session: 's' }
const BEARER: Credential = { kind: 'bearer', token: 'a' }
const NONE: Credential = { kind: 'none' }

describe('the same-site check', () => {
  it.each([
    ['POST', {}, COOKIE, true],
    ['PUT', {}, COOKIE, true],
    ['PATCH', {}, COOKIE, true],
    ['DELETE', {}, COOKIE, true],
    ['PROPFIND', {}, COOKIE, true],
    ['GET', {}, COOKIE, false],
    ['HEAD', {}, COOKIE, false],
    ['OPTIONS', {}, COOKIE, false],
    ['GET', { Upgrade: 'websocket' }, COOKIE, true],
    ['GET', { Upgrade: 'h2c, WebSocket' }, COOKIE, true],
    ['GET', { Upgrade: 'h2c' }, COOKIE, false],
    ['POST', {}, BEARER, false],
    ['GET', { Upgrade: 'websocket' }, BEARER, false],
    ['POST', {}, NONE, false],
  ])('of %s with %j and %j is needed: %s', (method, headers, credential, needed) => {
    expect(needsSameSite(requestWith(headers, method), credential)).toBe(needed)
  })

  it.each([
    { 'Sec-Fetch-Site': 'same-origin' },
    { 'Sec-Fetch-Site': 'same-origin', Origin: ISSUER },
    { Origin: ISSUER },
    { Origin: APP },
    { Origin: APP, 'Sec-Fetch-Site': 'same-site' },
    { Origin: APP, 'Sec-Fetch-Site': 'cross-site' },
  ])('passes %j', (headers) => {
    expect(outcome(headers)).toBe('passed')
  })

  it.each([
    {},
    { 'Sec-Fetch-Site': 'none' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': '' },
    { 'Sec-Fetch-Site': 'SAME-ORIGIN' },
    { 'Sec-Fetch-Site': 'same-origin, cross-site' },
    { 'Sec-Fetch-Site': 'cross-site, same-origin' },
    { 'Sec-Fetch-Site': 'same-origin, same-origin' },
    { 'Sec-Fetch-Site': 'same-origin;x' },
    { Origin: 'null' },
    { Origin: 'null', 'Sec-Fetch-Site': 'none' },
    { Origin: '' },
    { Origin: '*' },
    { Origin: 'https://evil.example' },
    { Origin: 'http://api.example.com' },
    { Origin: 'https://api.example.com:8443' },
    { Origin: 'https://api.example.com/' },
    { Origin: 'https://API.example.com' },
    { Origin: 'https://api.example.com.evil.example' },
    { Origin: 'https://evilapi.example.com' },
    { Origin: `${ISSUER}, https://evil.example` },
    { Origin: `https://evil.example, ${ISSUER}` },
    { Origin: `${ISSUER} https://evil.example` },
    { Referer: `${ISSUER}/page` },
    { Host: 'api.example.com', 'X-Forwarded-Host': 'api.example.com' },
  ])('refuses %j', (headers: HeadersInit) => {
    expect(outcome(headers)).toBe('cross_site_request')
  })

  it('refuses headers that came twice, as the platform joins them', () => {
    const sites = new Headers([
      ['Sec-Fetch-Site', 'same-origin'],
      ['Sec-Fetch-Site', 'cross-site'],
    ])
    const origins = new Headers([
      ['Origin', ISSUER],
      ['Origin', 'https://evil.example'],
    ])

    expect(outcome(sites)).toBe('cross_site_request')
    expect(outcome(origins)).toBe('cross_site_request')
  })

  it('refuses the null origin even if it was listed', () => {
    expect(outcome({ Origin: 'null' }, ['null'])).toBe('cross_site_request')
  })
})

describe('the site of a request', () => {
  it.each([
    ['same', { 'Sec-Fetch-Site': 'same-origin' }],
    ['same', { Origin: APP }],
    ['unknown', {}],
    ['unknown', { Referer: `${ISSUER}/page` }],
    ['cross', { 'Sec-Fetch-Site': 'none' }],
    ['cross', { 'Sec-Fetch-Site': '' }],
    ['cross', { 'Sec-Fetch-Site': 'same-origin, cross-site' }],
    ['cross', { Origin: 'null' }],
    ['cross', { Origin: '' }],
    ['cross', { Origin: 'https://evil.example' }],
  ])('is %s with %j', (site, headers: HeadersInit) => {
    expect(siteOf(requestWith(headers), [ISSUER, APP])).toBe(site)
  })
})

function outcome(headers: HeadersInit, allowed = [ISSUER, APP]): string {
  try {
    enforceSameSite(requestWith(headers), allowed)
    return 'passed'
  } catch (error) {
    if (error instanceof Denial) return error.code
    throw error
  }
}

function requestWith(headers: HeadersInit, method = 'POST'): Request {
  return new Request('https://api.example.com/orders', { method, headers })
}
