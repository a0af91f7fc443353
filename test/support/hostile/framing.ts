// Request lines, hosts, header lines, lengths and sizes. What workerd's own parser refuses never meets the Worker:
// each such case names the answer that it may have, and there is no such case without a name here.

import type { Everybody, Hostile, Outcome, Parts } from './request.ts'
import { hostile } from './request.ts'

const PASSED: readonly Outcome[] = ['passed']
const AMBIGUOUS: readonly Outcome[] = ['400 ambiguous_path']
const NO_METHOD: readonly Outcome[] = ['405 method_not_allowed']
/** RFC 9112 §3, §5.1, §5.2, §6.3: not a message, so there is no request that a Worker could be given. */
const NOT_HTTP: readonly Outcome[] = ['workerd 400']
/** RFC 9110 §9.1: a method that workerd does not know. */
const NO_SUCH_METHOD: readonly Outcome[] = ['workerd 501']
/** A Worker has no handler for tunnels; workerd says so itself. */
const NO_TUNNELS: readonly Outcome[] = ['workerd 500', 'workerd 501', 'workerd 400']
const TOO_LARGE: readonly Outcome[] = ['431 headers_too_large']
/** Above its own bound of half a megabyte, or of 64 KiB for a request line. */
const FAR_TOO_LARGE: readonly Outcome[] = ['workerd 431', 'workerd 414', 'closed']

function raw(name: string, bytes: string, may: readonly Outcome[], parts: Partial<Parts> = {}): Hostile {
  return hostile({ name, may, text: (id) => bytes.replaceAll('{case}', `X-Case: ${id}`), ...parts })
}

const END = '\r\nHost: gateway.test\r\n{case}\r\n\r\n'

/** RFC 9112 §3. */
export function requestLines(everybody: Everybody): readonly Hostile[] {
  const lines: readonly (readonly [line: string, may: readonly Outcome[], parts?: Partial<Parts>])[] = [
    ['GET http://evil.test/public/x HTTP/1.1', PASSED, { target: 'http://evil.test/public/x' }],
    ['GET HTTPS://EVIL.test:99/public/x HTTP/1.1', PASSED, { target: 'HTTPS://EVIL.test:99/public/x' }],
    ['GET http://gateway.test/admin/x HTTP/1.1', ['401 credential_required']],
    ['GET http://evil.test/public/../admin/x HTTP/1.1', AMBIGUOUS],
    ['GET http://evil.test/public/%2e%2e/admin/x HTTP/1.1', AMBIGUOUS],
    [
      'GET http://inside.gateway.test/public/x HTTP/1.1',
      ['passed', '401 credential_required'],
      { target: 'http://inside.gateway.test/public/x' },
    ],
    [
      'GET http://user@evil.test/public/x HTTP/1.1',
      ['passed', ...AMBIGUOUS],
      { target: 'http://user@evil.test/public/x' },
    ],
    ['GET http://evil.test HTTP/1.1', PASSED, { target: 'http://evil.test/' }],
    ['GET http:///public/x HTTP/1.1', [...NOT_HTTP, ...AMBIGUOUS]],
    ['GET file:///public/x HTTP/1.1', NOT_HTTP],
    ['GET javascript:alert(1) HTTP/1.1', PASSED, { target: '/' }],
    ['GET * HTTP/1.1', AMBIGUOUS],
    ['OPTIONS * HTTP/1.1', AMBIGUOUS],
    ['GET public/x HTTP/1.1', NOT_HTTP],
    ['GET ?x HTTP/1.1', NOT_HTTP],
    ['GET #x HTTP/1.1', NOT_HTTP],
    ['GET evil.test:80 HTTP/1.1', PASSED, { target: '/' }],
    ['GET  /public/x HTTP/1.1', NOT_HTTP],
    ['GET /public/x  HTTP/1.1', NOT_HTTP],
    ['GET /public/x y HTTP/1.1', NOT_HTTP],
    ['GET\t/public/x\tHTTP/1.1', NOT_HTTP],
    ['GET /public/x', NOT_HTTP],
    ['GET /public/x HTTP/0.9', NOT_HTTP],
    ['GET /public/x HTTP/2.0', NOT_HTTP],
    ['GET /public/x HTTP/9.9', NOT_HTTP],
    ['GET /public/x HTTP/1.1 x', NOT_HTTP],
    ['GET /public/x http/1.1', NOT_HTTP],
    ['GET /public/x HTTP/1.0', PASSED],
    ['\r\nGET /public/x HTTP/1.1', PASSED],
    ['CONNECT gateway.test:443 HTTP/1.1', NO_TUNNELS],
    ['CONNECT /public/x HTTP/1.1', NO_TUNNELS],
    ['CONNECT /admin/x HTTP/1.1', NO_TUNNELS],
    ['get /public/x HTTP/1.1', NO_SUCH_METHOD],
    ['Get /admin/x HTTP/1.1', NO_SUCH_METHOD],
    ['FOO /public/x HTTP/1.1', NO_SUCH_METHOD],
    ['GETX /public/x HTTP/1.1', NO_SUCH_METHOD],
    ['G\xc9T /public/x HTTP/1.1', [...NOT_HTTP, ...NO_SUCH_METHOD]],
    ['TRACE /public/x HTTP/1.1', NO_METHOD],
    ['TRACE /admin/x HTTP/1.1', NO_METHOD],
    ['TRACE /public/../x HTTP/1.1', AMBIGUOUS],
    ['hello', NOT_HTTP],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', NOT_HTTP],
    ['\x05\x01\x00', NOT_HTTP],
    ['PRI * HTTP/2.0\r\n\r\nSM', ['closed', ...NOT_HTTP]],
  ]
  return [
    ...lines.map(([line, may, parts]) => raw(`request line ${line.slice(0, 60)}`, `${line}${END}`, may, parts)),
    hostile({ name: 'HEAD', method: 'HEAD', may: PASSED }),
    hostile({ name: 'HEAD', method: 'HEAD', target: '/admin/x', may: ['401'] }),
    hostile({ name: 'HEAD', method: 'HEAD', target: '/public/../admin', may: ['400'] }),
    ...['PROPFIND', 'PURGE', 'LOCK', 'REPORT', 'SEARCH', 'UNSUBSCRIBE', 'MKCOL', 'ACL', 'QUERY'].flatMap((method) => [
      hostile({ name: 'a rare method', method, may: ['passed', 'workerd 501'] }),
      hostile({ name: 'a rare method', method, target: '/admin/x', may: ['401 credential_required', 'workerd 501'] }),
      hostile({
        name: 'a rare method',
        method,
        target: '/cookie/x',
        may: ['403 cross_site_request', 'workerd 501'],
        credential: everybody.browser,
      }),
    ]),
  ]
}

/** CVE-2026-48794 and its like: a host's rules hold in all of its spellings, and no Host leads elsewhere. */
export function hosts(everybody: Everybody): readonly Hostile[] {
  const asked: readonly Outcome[] = ['401 credential_required']
  const rows: readonly (readonly [host: string, may: readonly Outcome[]])[] = [
    ['inside.gateway.test', asked],
    ['INSIDE.gateway.TEST', asked],
    ['inside.gateway.test.', asked],
    ['inside.gateway.test:80', asked],
    ['inside.gateway.test:', asked],
    ['InSide.Gateway.Test.:65535', asked],
    ['inside.gateway.test..', AMBIGUOUS],
    ['.inside.gateway.test', AMBIGUOUS],
    ['inside%2egateway.test', AMBIGUOUS],
    ['inside.gateway.test%00', AMBIGUOUS],
    ['inside.gateway.test, gateway.test', AMBIGUOUS],
    ['gateway.test inside.gateway.test', AMBIGUOUS],
    ['x@inside.gateway.test', AMBIGUOUS],
    ['x:y@inside.gateway.test', AMBIGUOUS],
    ['inside.gateway.test@gateway.test', AMBIGUOUS],
    ['inside.gateway.test?', AMBIGUOUS],
    ['inside.gateway.test#', AMBIGUOUS],
    ['inside.gateway.test\\', AMBIGUOUS],
    ['inside.gateway.test:x', AMBIGUOUS],
    ['inside.gateway.test:-1', AMBIGUOUS],
    ['inside.gateway.test:80:80', AMBIGUOUS],
    ['[::1', AMBIGUOUS],
    ['::1', AMBIGUOUS],
    ['g\xc3\xa9teway.test', AMBIGUOUS],
    ['"gateway.test"', AMBIGUOUS],
    ['<script>', AMBIGUOUS],
    ['gateway.test;x', AMBIGUOUS],
    ['*', AMBIGUOUS],
    ['gateway.test/public', AMBIGUOUS],
    ['gateway.test/?x', AMBIGUOUS],
    ['', NOT_HTTP],
    ['g\xe9teway.test', NOT_HTTP],
    ['xinside.gateway.test', PASSED],
    ['inside.gateway.test.evil.test', PASSED],
    ['evil.test', PASSED],
    ['127.0.0.1', PASSED],
    ['[::1]', PASSED],
    ['[::1]:8787', PASSED],
    ['localhost', PASSED],
    ['gateway.test:99999', PASSED],
    ['x'.repeat(250), PASSED],
    ['x'.repeat(5000), AMBIGUOUS],
  ]
  return [
    ...rows.map(([host, may]) => hostile({ name: `host ${host.slice(0, 40)}`, host, may })),
    ...rows
      .slice(0, 6)
      .map(([host]) => hostile({ name: `host ${host}`, host, may: ['passed'], credential: everybody.admin })),
    ...rows
      .slice(0, 6)
      .map(([host]) =>
        hostile({ name: `host ${host}`, host, may: ['403 insufficient_role'], credential: everybody.user }),
      ),
    ...['gateway.test', 'evil.test'].flatMap((host) => [
      hostile({ name: `Host twice, ${host}`, lines: [`Host: ${host}`], may: AMBIGUOUS }),
      hostile({ name: `Host twice, ${host}`, lines: [`host: ${host}`], host: 'inside.gateway.test', may: AMBIGUOUS }),
    ]),
    raw('no Host', 'GET /public/x HTTP/1.1\r\n{case}\r\n\r\n', NOT_HTTP),
    raw('no Host in HTTP/1.0', 'GET /public/x HTTP/1.0\r\n{case}\r\n\r\n', NOT_HTTP),
    raw('absolute target without Host', 'GET http://gateway.test/public/x HTTP/1.1\r\n{case}\r\n\r\n', NOT_HTTP),
    hostile({ name: 'AUTH_PATH on another host', host: 'evil.test', target: '/auth/session', may: PASSED }),
    hostile({
      name: 'AUTH_PATH on another host',
      host: 'gateway.test.evil.test',
      target: '/auth/sign-in',
      method: 'POST',
      may: PASSED,
    }),
    hostile({ name: 'AUTH_PATH in capitals', host: 'GATEWAY.TEST.:1', target: '/auth/session', may: asked }),
  ]
}

/** RFC 9110 §5.5, RFC 9112 §5: lines that are no header lines, and values that no server should be handed. */
export function headerLines(everybody: Everybody): readonly Hostile[] {
  const rows: readonly (readonly [lines: string, may: readonly Outcome[]])[] = [
    ['X-Ok : x', NOT_HTTP],
    ['X-Ok\t: x', NOT_HTTP],
    [' X-Ok: x', NOT_HTTP],
    ['X-Ok: x\r\n y', NOT_HTTP],
    ['X-Ok: x\r\n\tGatehouse-Subject: forged', NOT_HTTP],
    ['X-Ok', NOT_HTTP],
    [': x', NOT_HTTP],
    ['X Ok: x', NOT_HTTP],
    ['X(Ok): x', NOT_HTTP],
    ['X-Ok\0: x', NOT_HTTP],
    ['X-Ok\xe9: x', NOT_HTTP],
    ['"X-Ok": x', NOT_HTTP],
    ['Gatehouse-Subject\x0b: forged', NOT_HTTP],
    ['X-Ok: a\0b', NOT_HTTP],
    ['X-Ok: a\rb', NOT_HTTP],
    ['X-Ok: a\rGatehouse-Subject: forged', NOT_HTTP],
    ['X-Ok: a\nGatehouse-Subject: forged', PASSED],
    ['X-Ok: a\n\rGatehouse-Subject: forged', NOT_HTTP],
    ['X-Ok: a\tb', PASSED],
    ['X-Ok: \xff\xfe\x80', PASSED],
    ['X-Ok: \xc3\xa9', PASSED],
    ['X-Ok:', PASSED],
    ['X-Ok:\t \t', PASSED],
    ...[1, 2, 7, 8, 11, 12, 14, 27, 31, 127].map(
      (code) => [`X-Ok: a${String.fromCharCode(code)}b`, ['400 invalid_request']] as const,
    ),
  ]
  return [
    ...rows.flatMap(([line, may]) => [
      hostile({ name: `line ${JSON.stringify(line)}`, lines: [line], may }),
      hostile({
        name: `line ${JSON.stringify(line)}`,
        lines: [line],
        may,
        target: '/orders/1',
        credential: everybody.user,
      }),
    ]),
    raw('bare LF', 'GET /public/x HTTP/1.1\nHost: gateway.test\n{case}\n\n', PASSED),
    raw('bare CR', 'GET /public/x HTTP/1.1\rHost: gateway.test\r{case}\r\r', NOT_HTTP, { isCutOff: true }),
  ]
}

const POST = 'POST /public/x HTTP/1.1\r\nHost: gateway.test\r\n{case}\r\n'
const ADMIN = 'GET /admin/x HTTP/1.1\r\nHost: gateway.test\r\n{case}\r\n'
const SMUGGLED = 'GET /admin/x HTTP/1.1\r\nHost: gateway.test\r\n{case}\r\nGatehouse-Subject: forged\r\n\r\n'

function passed(arrives: string): Partial<Parts> {
  return { method: 'POST', arrives }
}

/** RFC 9112 §6: one length, or none. What a Worker is given never begins another request at the upstream. */
export function lengths({ admin }: Everybody): readonly Hostile[] {
  const bad = ['+2', '-1', '0x2', '2, 2', '2,3', '2 2', '2.0', '1e1', '', 'two', '99999999999999999999', '\xb2'].map(
    (length) => raw(`Content-Length ${length}`, `${POST}Content-Length: ${length}\r\n\r\nhi`, NOT_HTTP),
  )
  const codings = [
    'xchunked',
    'chunked, identity',
    'gzip',
    '\x0bchunked',
    'chunked;q=1',
    '"chunked"',
    'chunked chunked',
    '',
  ].map((coding) =>
    raw(`Transfer-Encoding ${coding}`, `${POST}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`, [
      ...NOT_HTTP,
      'workerd 501',
    ]),
  )
  const chunks = (text: string) => `${POST}Transfer-Encoding: chunked\r\n\r\n${text}`
  /** The upstream has begun to get the body by the time that the client's turns out to be broken. */
  const broken: readonly Outcome[] = ['502 upstream_unreachable', 'closed', 'passed', ...NOT_HTTP]
  const cut = { method: 'POST', arrives: null, isCutOff: true }
  return [
    ...bad,
    ...codings,
    raw(
      'Content-Length twice, equal',
      `${POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`,
      [...PASSED, ...NOT_HTTP],
      passed('hi'),
    ),
    raw('Content-Length twice, different', `${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!`, NOT_HTTP),
    raw(
      'CL.TE',
      `${POST}Content-Length: ${SMUGGLED.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
      [...PASSED, ...NOT_HTTP, '401 credential_required'],
      passed(''),
    ),
    raw(
      'TE.CL',
      `${POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
      [...PASSED, ...NOT_HTTP],
      passed('hi'),
    ),
    raw(
      'TE twice',
      `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
      [...PASSED, ...NOT_HTTP],
      passed(''),
    ),
    raw('TE in capitals', `${POST}transfer-encoding: CHUNKED\r\n\r\n2\r\nhi\r\n0\r\n\r\n`, PASSED, passed('hi')),
    raw('TE with `_`', `${POST}Transfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi`, PASSED, passed('hi')),
    raw('chunk extension', chunks('2;a=b\r\nhi\r\n0\r\n\r\n'), [...PASSED, ...NOT_HTTP], passed('hi')),
    raw(
      'trailers',
      chunks('2\r\nhi\r\n0\r\nGatehouse-Subject: forged\r\nHost: evil.test\r\n\r\n'),
      [...PASSED, ...NOT_HTTP],
      passed('hi'),
    ),
    raw(
      'a GET with a body that is a request',
      `GET /public/x HTTP/1.1\r\nHost: gateway.test\r\n{case}\r\nContent-Length: ${SMUGGLED.length + 8}\r\n\r\n${SMUGGLED}`,
      PASSED,
      { arrives: '', isCutOff: true },
    ),
    raw('two requests at once', `GET /public/x HTTP/1.1${END}${SMUGGLED}`, ['passed', '401 credential_required']),
    raw(
      'another request after a good one',
      `${ADMIN}${admin.lines.join('\r\n')}\r\n\r\n${SMUGGLED}`,
      [...PASSED, '401 credential_required'],
      { target: '/admin/x', credential: admin },
    ),
    raw('chunk size zz', chunks('zz\r\nhi\r\n0\r\n\r\n'), broken, cut),
    raw('chunk size -1', chunks('-1\r\nhi\r\n0\r\n\r\n'), broken, cut),
    raw('chunk size of 20 digits', chunks('fffffffffffffffffff\r\nhi\r\n0\r\n\r\n'), broken, cut),
    raw('chunk without its end', chunks('2\r\nhiGET / HTTP/1.1\r\n\r\n'), broken, cut),
    raw('chunks that break off', chunks('5\r\nhi'), broken, cut),
    raw('a body that breaks off', `${POST}Content-Length: 10\r\n\r\nhi`, broken, cut),
    raw(
      'a head that breaks off',
      'GET /public/x HTTP/1.1\r\nHost: gateway.test\r\n{case}\r\nX-',
      ['closed', ...NOT_HTTP],
      { isCutOff: true },
    ),
    raw('nothing', '', ['closed'], { isCutOff: true }),
  ]
}

const KIB = 1024

function repeat(count: number, line: (at: number) => string): readonly string[] {
  return Array.from({ length: count }, (_, at) => line(at))
}

/** DESIGN §11 `headers_too_large`: 32 KiB of names and values, whoever asks and however they are cut. */
export function sizes(everybody: Everybody): readonly Hostile[] {
  const large: Readonly<Record<string, readonly string[]>> = {
    '33 KiB in one': [`X-Ok: ${'x'.repeat(33 * KIB)}`],
    '63 KiB in one': [`X-Ok: ${'x'.repeat(63 * KIB)}`],
    '65 KiB in one': [`X-Ok: ${'x'.repeat(65 * KIB)}`],
    '128 KiB in one': [`X-Ok: ${'x'.repeat(128 * KIB)}`],
    '34 KiB in two': [`X-Ok: ${'x'.repeat(17 * KIB)}`, `X-Ok2: ${'x'.repeat(17 * KIB)}`],
    '100 KiB in a hundred': repeat(100, (at) => `X-Ok${at}: ${'x'.repeat(KIB)}`),
    '40 KiB of one name': repeat(400, () => `X-Ok: ${'x'.repeat(100)}`),
    '40 KiB that would be removed': repeat(40, (at) => `Gatehouse-${at}: ${'forged'.repeat(170)}`),
    '40 KiB named in Connection': [`Connection: ${'x-forged,'.repeat(4600)}`],
    'a name of 33 KiB': [`X-${'o'.repeat(33 * KIB)}: x`],
    'a cookie of 40 KiB': [`Cookie: a=${'x'.repeat(40 * KIB)}`],
  }
  return [
    ...Object.entries(large).flatMap(([name, lines]) => [
      hostile({ name, lines, may: TOO_LARGE }),
      hostile({ name, lines, may: TOO_LARGE, target: '/orders/1', credential: everybody.user }),
      hostile({ name, lines, may: ['401 credential_required', ...TOO_LARGE], target: '/orders/1' }),
    ]),
    hostile({ name: '30 KiB of headers', lines: [`X-Ok: ${'x'.repeat(30 * KIB)}`], may: PASSED }),
    hostile({ name: '2,500 headers', lines: repeat(2500, (at) => `X-Ok${at}: x`), may: ['passed', ...TOO_LARGE] }),
    hostile({
      name: '1,500 forged headers',
      lines: repeat(1500, (at) => `Gatehouse-${at}: x`),
      may: ['passed', ...TOO_LARGE],
    }),
    hostile({ name: '2 MiB of headers', lines: [`X-Ok: ${'x'.repeat(2 * KIB * KIB)}`], may: FAR_TOO_LARGE }),
    hostile({ name: 'a target of 15 KiB', target: `/public/${'x'.repeat(15 * KIB)}`, may: PASSED }),
    hostile({ name: 'a target of 5,000 segments', target: `/public${'/x'.repeat(5000)}`, may: PASSED }),
    hostile({ name: 'a target of 5,000 dot segments', target: `/public${'/..'.repeat(5000)}`, may: AMBIGUOUS }),
    hostile({ name: 'a target of 4,000 slashes', target: `/odd${'/'.repeat(4000)}x`, may: PASSED }),
    hostile({ name: 'a target of 5,000 slashes', target: `/odd${'/'.repeat(5000)}x`, may: AMBIGUOUS }),
    hostile({ name: 'a target of 15 KiB', target: `/public/${'%41'.repeat(5 * KIB)}`, may: PASSED }),
    hostile({ name: 'a target of 60 KiB', target: `/public/${'%41'.repeat(20 * KIB)}`, may: TOO_LARGE }),
    hostile({ name: 'a target of 70 KiB', target: `/public/${'x'.repeat(70 * KIB)}`, may: FAR_TOO_LARGE }),
    hostile({ name: 'a query of 15 KiB', target: `/public/x?${'x&'.repeat(7 * KIB)}`, may: PASSED }),
    hostile({ name: 'a query of 60 KiB', target: `/public/x?${'x&'.repeat(30 * KIB)}`, may: TOO_LARGE }),
    hostile({
      name: 'an odd path of 400 oddities',
      target: `/odd/${'a;x%2F'.repeat(400)}`,
      may: ['passed', ...AMBIGUOUS],
    }),
  ]
}
