// CORS by configuration, whatever the upstream says.
import { describe, expect, it } from 'vitest'

import { isPreflight, preflightResponse, withCors } from '../../src/gateway/cors.ts'
import { corsOf, routeOf } from '../support/route.ts'

const URL_ASKED = 'https://api.example.com/orders'
const APP = 'https://app.example.com'

const FOREIGN_ORIGINS = [
  'https://evil.example',
  'http://app.example.com',
  'https://app.example.com:8443',
  'https://app.example.com.evil.example',
  'https://evilapp.example.com',
  'https://APP.example.com',
  'https://app.example.com/',
  'https://app.example.com, https://evil.example',
  'null',
  '*',
]

describe('a preflight', () => {
  it.each([
    [true, 'OPTIONS', { Origin: APP, 'Access-Control-Request-Method': 'PUT' }],
    [false, 'GET', { Origin: APP, 'Access-Control-Request-Method': 'PUT' }],
    [false, 'OPTIONS', { 'Access-Control-Request-Method': 'PUT' }],
    [false, 'OPTIONS', { Origin: APP }],
  ])('is told from other requests: %s for %s with %j', (expected, method, headers) => {
    expect(isPreflight(new Request(URL_ASKED, { method, headers }))).toBe(expected)
  })

  it('is answered with what the route and its `cors` say', async () => {
    const route = routeOf('/orders', { methods: ['GET', 'HEAD', 'POST'] })
    const response = preflightResponse(preflight(APP), route, corsOf({ headers: ['content-type', 'x-trace'] }))

    expect(response.status).toBe(204)
    expect(await response.text()).toBe('')
    expect(Object.fromEntries(response.headers)).toEqual({
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'content-type, x-trace',
      'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-allow-origin': APP,
      'access-control-max-age': '600',
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    })
  })

  it.each(FOREIGN_ORIGINS)('from %s learns nothing', (origin) => {
    const response = preflightResponse(preflight(origin), routeOf('/orders'), corsOf({ headers: ['x-trace'] }))

    expect(response.status).toBe(204)
    expect(Object.fromEntries(response.headers)).toEqual({
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    })
  })

  it.each([
    ['PROPFIND', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, PROPFIND'],
    ['PUT', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'],
    ['PUT, EVIL', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'],
  ])('for %s on a route of all methods is answered with names, never a star', (asked, methods) => {
    const response = preflightResponse(preflight(APP, asked), routeOf('/orders'), corsOf())

    expect(response.headers.get('Access-Control-Allow-Methods')).toBe(methods)
  })

  it('for a method that the route does not know is not told that it is allowed', () => {
    const response = preflightResponse(preflight(APP, 'DELETE'), routeOf('/orders', { methods: ['GET'] }), corsOf())

    expect(response.headers.get('Access-Control-Allow-Methods')).toBe('GET')
  })
})

describe('an answer with `cors`', () => {
  it('has the gateway’s headers in place of all of the upstream’s', () => {
    const upstream = new Response('body', {
      status: 418,
      statusText: 'Teapot',
      headers: {
        'Access-Control-Allow-Origin': '*',
        'access-control-allow-private-network': 'true',
        'ACCESS-CONTROL-EXPOSE-HEADERS': 'x-secret',
        'Access-Control-Max-Age': '86400',
        'X-Kept': 'yes',
      },
    })

    const response = withCors(upstream, from(APP), corsOf({ expose: ['x-total', 'x-page'] }))

    expect(response.status).toBe(418)
    expect(response.statusText).toBe('Teapot')
    expect(Object.fromEntries(response.headers)).toEqual({
      'access-control-allow-credentials': 'true',
      'access-control-allow-origin': APP,
      'access-control-expose-headers': 'x-total, x-page',
      'content-type': 'text/plain;charset=UTF-8',
      vary: 'Origin',
      'x-kept': 'yes',
    })
  })

  it.each(FOREIGN_ORIGINS)('for %s loses the upstream’s headers and gets none', (origin) => {
    const headers = { 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true' }
    const response = withCors(new Response(null, { headers }), from(origin), corsOf())

    expect(Object.fromEntries(response.headers)).toEqual({ vary: 'Origin' })
  })

  it('without an Origin still varies by it', () => {
    const response = withCors(new Response(null), new Request(URL_ASKED), corsOf())

    expect(Object.fromEntries(response.headers)).toEqual({ vary: 'Origin' })
  })

  it('for every origin has no credentials, even if they were configured', () => {
    const response = withCors(new Response(null), from('https://any.example'), corsOf({ origins: ['*'] }))

    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*')
    expect(response.headers.has('Access-Control-Allow-Credentials')).toBe(false)
  })

  it('has no credentials where they are off', () => {
    const response = withCors(new Response(null), from(APP), corsOf({ credentials: false }))

    expect(response.headers.get('Access-Control-Allow-Origin')).toBe(APP)
    expect(response.headers.has('Access-Control-Allow-Credentials')).toBe(false)
  })

  it.each([
    [[], 'Origin'],
    [['Accept-Encoding'], 'Accept-Encoding, Origin'],
    [['Accept-Encoding', 'Cookie'], 'Accept-Encoding, Cookie, Origin'],
    [['origin'], 'origin'],
    [['Cookie,ORIGIN'], 'Cookie,ORIGIN'],
    [['*'], '*'],
    [['X-Origin'], 'X-Origin, Origin'],
  ])('with Vary %j varies by %s', (before, after) => {
    const headers = new Headers(before.map((value): [string, string] => ['Vary', value]))

    expect(withCors(new Response(null, { headers }), from(APP), corsOf()).headers.get('Vary')).toBe(after)
  })

  it('keeps several cookies apart', () => {
    const headers = new Headers([
      ['Set-Cookie', 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT'],
      ['Set-Cookie', 'b=2'],
    ])

    const response = withCors(new Response(null, { headers }), from(APP), corsOf())

    expect(response.headers.getSetCookie()).toEqual(['a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'b=2'])
  })

  it.each([204, 205, 304])('may have status %i and no body', (status) => {
    expect(withCors(new Response(null, { status }), from(APP), corsOf()).status).toBe(status)
  })

  it('leaves the response that it was given as it was', () => {
    const given = new Response(null, { headers: { 'Access-Control-Allow-Origin': '*' } })
    withCors(given, from(APP), corsOf())

    expect(Object.fromEntries(given.headers)).toEqual({ 'access-control-allow-origin': '*' })
  })

  it('that opens a WebSocket is passed on as it is', () => {
    const { 0: client, 1: server } = new WebSocketPair()
    const opened = new Response(null, { status: 101, webSocket: client })

    expect(withCors(opened, from(APP), corsOf())).toBe(opened)
    server.accept()
    server.close()
  })
})

function preflight(origin: string, method = 'POST'): Request {
  return new Request(URL_ASKED, {
    method: 'OPTIONS',
    headers: { Origin: origin, 'Access-Control-Request-Method': method },
  })
}

function from(origin: string): Request {
  return new Request(URL_ASKED, { headers: { Origin: origin } })
}
