// Bodies for the gateway's own URLs: no JSON, JSON with two readings, other types, other encodings, and far too much.

import * as fc from 'fast-check'

import { ISSUER } from '../gateway.ts'
import type { Credential, Hostile, Outcome } from './request.ts'
import { hostile } from './request.ts'
import { EMAIL, PASSWORD } from './world.ts'

const BAD: readonly Outcome[] = ['400 invalid_request']
const TOO_LARGE: readonly Outcome[] = ['413 too_large']
const JSON_TYPE = 'Content-Type: application/json'
const FORM_TYPE = 'Content-Type: application/x-www-form-urlencoded'
const HERE = `Origin: ${ISSUER}`
const GUESS = 'a-guessed-password-that-nobody-may-see'
const CLIENT: Credential = { name: 'nobody', lines: [], who: null, secrets: [GUESS] }

const URLS = ['/auth/sign-in', '/auth/sign-up', '/auth/sign-out', '/auth/sign-out-everywhere']
/** Of those, what can be looked at. */
const PAGES: ReadonlySet<string> = new Set(['/auth/sign-in', '/auth/sign-up'])

/** What no URL of ours takes, in bytes (as Latin-1). */
const NO_OBJECT: readonly string[] = [
  '{',
  '}',
  'null',
  'true',
  '1',
  '-0',
  '1e999',
  '"x"',
  '[]',
  '[{}]',
  '{}{}',
  '{},',
  '{"email":}',
  '{"email"}',
  '{email:"a@b.c"}',
  "{'email':'a@b.c'}",
  '{"email":"a@b.c",}',
  '{"email":"a@b.c"/**/}',
  '{"email":NaN}',
  '{"email":Infinity}',
  '{"email":0x10}',
  '{"email":01}',
  '{"email":"a\nb"}',
  '{"email":"a\0b"}',
  '{"email":"\\x41"}',
  '{"email":"\\ud8"}',
  '\xef\xbb\xbf{}',
  '\0',
  '\xff\xfe{\0}\0',
  '\xfe\xff\0{\0}',
  '{"email":"\xff"}',
  '{"email":"\xc0\x80"}',
  '{"email":"\xed\xa0\x80"}',
  '{"email":"\xf4\x90\x80\x80"}',
  '\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03',
  '['.repeat(16_000),
  '{"a":'.repeat(3000),
  `${'['.repeat(8000)}${']'.repeat(8000)}`,
  `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`,
  `{"email":${'['.repeat(33)}${']'.repeat(33)}}`,
  '"'.repeat(16_000),
  '\\'.repeat(16_000),
]

/** Objects, each with one thing that is not to be guessed at. */
const ODD_OBJECTS: readonly string[] = [
  '{"email":"a@b.c","email":"d@e.f","password":"x"}',
  '{"email":"a@b.c","\\u0065mail":"d@e.f","password":"x"}',
  '{"refresh_token":"x","refresh_token":"y"}',
  '{"__proto__":{"email":"a@b.c"}}',
  '{"__proto__":"x"}',
  '{"constructor":"x"}',
  '{"constructor":{"prototype":{"x":1}}}',
  '{"toString":"x","email":"a@b.c"}',
  '{"hasOwnProperty":"x"}',
  '{"":""}',
  '{"Email":"a@b.c","Password":"x"}',
  '{"email ":"a@b.c"}',
  '{"roles":"admin"}',
  '{"sub":"root"}',
  '{"user":{"email":"a@b.c"}}',
  ...['null', '1', '1e400', '-1', '0.1', 'true', '[]', '["a@b.c"]', '{}', '{"$ne":""}', '{"length":1}'].flatMap(
    (value) => [
      `{"email":${value},"password":"${GUESS}"}`,
      `{"email":"a@b.c","password":${value}}`,
      `{"email":"a@b.c","password":"${GUESS}","transport":${value}}`,
      `{"refresh_token":${value}}`,
    ],
  ),
  `{"email":"\\ud800@b.c","password":"${GUESS}"}`,
  '{"email":"a@b.c","password":"\\ud800"}',
  '{"email":"a@b.c","password":"\\udc00\\ud800"}',
  '{"refresh_token":"\\udfff"}',
]

/** For sign-in and sign-up alone. */
const ODD_FORMS: readonly string[] = [
  '{}',
  '',
  `{"password":"${GUESS}"}`,
  '{"email":"a@b.c"}',
  ...['', ' ', 'a', 'a@', '@b.c', 'a@@b.c', 'a@b@c.d', 'a b@c.d', 'a@b.c\\n', 'a@b.c\\u0000', 'a\\r\\nBcc: x@b.c'].map(
    (email) => `{"email":"${email}","password":"${GUESS}"}`,
  ),
  `{"email":"${'a'.repeat(400)}@b.c","password":"${GUESS}"}`,
  ...['', 'TOKEN', 'token ', 'cookies', 'bearer', '__proto__'].map(
    (transport) => `{"email":"a@b.c","password":"${GUESS}","transport":"${transport}"}`,
  ),
]

const TYPES: readonly string[] = [
  'Content-Type:',
  'Content-Type: text/plain',
  'Content-Type: text/json',
  'Content-Type: application/json5',
  'Content-Type: application/jsonp',
  'Content-Type: application/problem+json',
  'Content-Type: application/json, text/plain',
  'Content-Type: multipart/form-data; boundary=x',
  'Content-Type: application/xml',
  'Content-Type: application/json application/json',
  'Content-Type: */*',
  `Content-Type: ${'x'.repeat(2000)}`,
  'X-Ok: no type',
]

const FORMS: readonly string[] = [
  'email=a@b.c&email=d@e.f',
  'email=%zz',
  'email=%',
  'email=%ff&password=x',
  'email=%ed%a0%80',
  'email[]=a@b.c',
  'email.x=a',
  '__proto__=x',
  'constructor=x',
  'a=b',
  '&&&',
  '=',
  'email',
  '%65mail=a@b.c&email=a@b.c',
  'email=a@b.c;password=x',
  'x'.repeat(16_000),
  '&'.repeat(16_000),
]

export function bodies(): readonly Hostile[] {
  return [
    ...URLS.flatMap((target) => [
      ...[...NO_OBJECT, ...ODD_OBJECTS].map((body) => post(target, body, [JSON_TYPE])),
      ...TYPES.map((type) => post(target, '{"email":"a@b.c"}', [type])),
      ...FORMS.map((body) => post(target, body, [FORM_TYPE])),
    ]),
    ...['/auth/sign-in', '/auth/sign-up'].flatMap((target) => ODD_FORMS.map((body) => post(target, body, [JSON_TYPE]))),
    ...tooLarge(),
    ...withoutABody(),
    ...fewGuesses(),
  ]
}

function post(target: string, body: string, lines: readonly string[], may = BAD): Hostile {
  const name = `${lines.join(' | ').slice(0, 60)} ${JSON.stringify(body.slice(0, 60))}`
  return hostile({ name, method: 'POST', target, body, lines: [HERE, ...lines], may, credential: CLIENT })
}

/** 16 KiB are enough, however they are announced. */
function tooLarge(): readonly Hostile[] {
  const [mebibyte, chunk] = [1 << 20, 'x'.repeat(4096)]
  const chunked = `${`1000\r\n${chunk}\r\n`.repeat(256)}0\r\n\r\n`
  return URLS.flatMap((target) => [
    post(target, 'x'.repeat(16_385), [JSON_TYPE], TOO_LARGE),
    post(target, `{"email":"${'x'.repeat(17_000)}"}`, [JSON_TYPE], TOO_LARGE),
    post(target, 'x'.repeat(mebibyte), [JSON_TYPE], TOO_LARGE),
    post(target, chunked, [JSON_TYPE, 'Transfer-Encoding: chunked'], TOO_LARGE),
    post(target, chunked, ['Transfer-Encoding: chunked'], TOO_LARGE),
    post(target, 'hi', [JSON_TYPE, 'Content-Length: 20000000'], TOO_LARGE),
  ])
}

function withoutABody(): readonly Hostile[] {
  const none: readonly Outcome[] = ['405 method_not_allowed']
  const elsewhere = ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].flatMap((method) =>
    URLS.filter((target) => method !== 'GET' || !PAGES.has(target)).map((target) =>
      hostile({ name: 'another method', method, target, may: none, lines: [HERE] }),
    ),
  )
  const malformed = [
    'x',
    'gth_r_',
    `gth_r_ses_${'A'.repeat(22)}.1.${'A'.repeat(43)}`,
    `gth_c_ses_${'A'.repeat(22)}.1.${'A'.repeat(43)}`,
  ]
  return [
    ...elsewhere,
    ...malformed.map((token) =>
      post('/auth/sign-out', JSON.stringify({ refresh_token: token }), [JSON_TYPE], ['401 session_ended']),
    ),
    post('/auth/sign-out', '{}', [JSON_TYPE], ['own 200']),
    post('/auth/sign-out', '', [], ['own 200']),
    post('/auth/sign-out-everywhere', '{}', [JSON_TYPE], ['401 credential_required']),
    post('/auth/sign-out-everywhere', '', [], ['401 credential_required']),
    post('/auth/nothing', '{}', [JSON_TYPE], ['404 no_route']),
    post('/auth/sign-in/x', '{}', [JSON_TYPE], ['404 no_route']),
  ]
}

function guess(email: string, transport = 'token'): string {
  return JSON.stringify({ email, password: GUESS, transport })
}

/** These do reach the password hash, so there are few. */
function fewGuesses(): readonly Hostile[] {
  const wrong: readonly Outcome[] = ['401 invalid_sign_in']
  const cross = (line: string) =>
    hostile({
      name: `signing in for cookies, ${line}`,
      method: 'POST',
      target: '/auth/sign-in',
      lines: [JSON_TYPE, line],
      body: guess(EMAIL, 'cookie'),
      may: ['403 cross_site_request'],
      credential: CLIENT,
    })
  return [
    post('/auth/sign-in', guess(EMAIL), [JSON_TYPE], wrong),
    post('/auth/sign-in', guess("'or'1'='1@example.com"), [JSON_TYPE], [...wrong, ...BAD]),
    post('/auth/sign-in', guess('nobody@example.com'), [`${JSON_TYPE}; charset=utf-16`], [...wrong, ...BAD]),
    post('/auth/sign-up', JSON.stringify({ email: EMAIL, password: `${PASSWORD} too` }), [JSON_TYPE], wrong),
    cross('X-Ok: from nowhere'),
    cross('Origin: https://evil.test'),
    cross('Sec-Fetch-Site: cross-site'),
  ]
}

/** Any JSON at all, and any bytes at all. */
export function generatedBodies(seed: number, count: number): readonly Hostile[] {
  const json = fc.json({ maxDepth: 4 }).map(utf8)
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((each) => Buffer.from(each).toString('latin1'))
  const members = fc
    .dictionary(fc.constantFrom('email', 'password', 'transport', '__proto__', 'x'), fc.jsonValue({ maxDepth: 2 }))
    .filter((object) => typeof object['email'] !== 'string' || typeof object['password'] !== 'string')
    .map((object) => utf8(JSON.stringify(object)))
  const request = fc.tuple(
    fc.constantFrom(...URLS.slice(0, 2)),
    fc.oneof(json, bytes, members),
    fc.constantFrom(JSON_TYPE, FORM_TYPE),
  )
  return fc.sample(request, { seed, numRuns: count }).map(([target, body, type]) => post(target, body, [type]))
}

function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}
