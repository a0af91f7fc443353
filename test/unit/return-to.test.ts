import { describe, expect, it } from 'vitest'

import { parseReturnTo } from '../../src/auth/return-to.ts'

const site = { issuer: 'https://api.example.com', webOrigins: ['https://app.example.com'] }

describe('return_to', () => {
  it.each([
    ['/', '/'],
    ['/orders/7?page=2&q=a%20b#top', '/orders/7?page=2&q=a%20b#top'],
    ['https://api.example.com', '/'],
    ['https://api.example.com/orders?x=1', '/orders?x=1'],
    ['https://app.example.com', 'https://app.example.com/'],
    ['https://app.example.com/home', 'https://app.example.com/home'],
    ['/orders?next=//evil.example', '/orders?next=//evil.example'],
  ])('may be %s', (text, expected) => {
    expect(parseReturnTo(site, text)).toBe(expected)
  })

  it.each([
    '',
    'orders',
    '//evil.example',
    '///evil.example',
    String.raw`/\evil.example`,
    String.raw`\\evil.example`,
    String.raw`/orders\..\..`,
    '/\t/evil.example',
    '/\n/evil.example',
    ' /orders',
    '/orders ',
    '/é',
    '/orders\u0000',
    'https:evil.example',
    'https:/evil.example',
    'https://evil.example',
    'https://evil.example/https://app.example.com/',
    'https://app.example.com.evil.example/',
    'https://app.example.com@evil.example/',
    'https://app.example.com:evil@evil.example/',
    'https://app.example.com:8443/',
    'https://app.example.com//evil.example',
    'https://APP.example.com/',
    'http://app.example.com/',
    'https://evilapp.example.com/',
    'https://app.example.com?x',
    String.raw`https://app.example.com\@evil.example`,
    'javascript:alert(1)',
    'data:text/html,x',
    'null',
    `/${'a'.repeat(2048)}`,
    null,
    undefined,
    7,
    ['/orders'],
  ])('may not be %j', (text) => {
    expect(parseReturnTo(site, text)).toBeNull()
  })
})
