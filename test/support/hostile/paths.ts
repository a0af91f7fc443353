// Request targets that two servers read in two ways, and the ones that only look like it.

import * as fc from 'fast-check'

import type { Credential, Everybody, Hostile, Outcome } from './request.ts'
import { hostile, NOBODY } from './request.ts'

const REFUSED: readonly Outcome[] = ['400 ambiguous_path']

/** Refused in any path, by the advisory or the family that it comes from. `>` stands between where it seems to be and where it leads. */
const CROSSINGS: Readonly<Record<string, readonly string[]>> = {
  'CVE-2026-33494, CVE-2021-27306 (dot segments)': [
    '/../',
    '/./../',
    '/x/../../',
    '/%2e%2e/',
    '/%2E%2E/',
    '/.%2e/',
    '/%2e./',
    '/x/%2e%2e/%2e%2e/',
    '/..//',
    '//../',
    '/./',
    '/.././',
  ],
  'dot segments with parameters (Tomcat)': [
    '/..;/',
    '/..;x=y/',
    '/%2e%2e;/',
    '/.;/../',
    '/..;jsessionid=1/',
    '/..%3b/',
    '/..%3B/',
    '/;x/../',
    '/..;%2F',
    '/;%2F..%2F',
  ],
  'CVE-2021-29492 (encoded slash and backslash)': [
    '/..%2f',
    '/..%2F',
    '%2f..%2f',
    '%2F%2E%2E%2F',
    '%2F../',
    '/..%5c',
    '%5C..%5C',
    '/..%5C..%2f',
    '/%2e%2e%2f',
    '/%2e%2e%5c',
    '/.%2F..%2F',
  ],
  backslash: ['\\..\\', '/..\\', '\\../', '/%2e%2e\\', '\\', '/x\\y/'],
  'GHSA-pxq7-h93f-9jrg (encoded fragment and query)': [
    '/secret%23/',
    '%23/../',
    '/%2523/',
    '%3f/',
    '/x%3F/',
    '%3Fx=/',
    '/%253F/',
    '/..%23/',
  ],
  'double and triple encoding': [
    '/%252e%252e/',
    '/%252E%252E%252F',
    '%252f..%252f',
    '/..%252f',
    '/..%255c',
    '/%25252e%25252e/',
    '/..%25%32%66',
    '/%25%32%65%25%32%65/',
    '/%%32%65%%32%65/',
    '/..%2%66',
    '/%252e%252e%3b/',
    '/%2541/',
  ],
  'CVE-2021-32637 (malformed encoding)': [
    '/%/',
    '/%2/',
    '/%zz/',
    '/%2g/',
    '/%-1/',
    '/%u002e%u002e/',
    '/..%u2215',
    '/%+2/',
    '/%%/',
  ],
  'overlong and broken UTF-8': [
    '/%c0%ae%c0%ae/',
    '/..%c0%af',
    '/..%C1%9C',
    '/%e0%80%ae%e0%80%ae/',
    '/..%E0%80%AF',
    '/..%f0%80%80%af',
    '/%ff/',
    '/%fe%fe/',
    '/%ed%a0%80/',
    '/%f4%90%80%80/',
    '/%80/',
    '/%C3/',
  ],
  'control characters': [
    '/%00/',
    '/..%00/',
    '/x%00',
    '/%0d%0aGatehouse-Subject:forged/',
    '/%09/',
    '/..%09/',
    '/%7f/',
    '/%1b/',
    '/%c2%85/',
  ],
  'blanks behind dots': ['/..%20/', '/.%20/', '/..%20%20/', '/../%20/../'],
}

const FROM = ['/public', '/optional', '/files', '/odd', '/t/acme', '/x']
const TO = ['admin/x', 'orders/1', 't/globex/x', 'auth/session', 'public/x']

/** Every crossing from every route, to each of the others in turn, by everybody in turn. */
export function crossings({ user, admin, browser }: Everybody): readonly Hostile[] {
  const senders = [NOBODY, user, admin, browser]
  const rows = Object.entries(CROSSINGS).flatMap(([name, all]) => all.map((crossing) => ({ name, crossing })))
  return rows.flatMap(({ name, crossing }, row) =>
    FROM.map((from, column) => {
      const target = `${from}${crossing}${pick(TO, row + column)}`
      return hostile({ name, target, may: REFUSED, credential: pick(senders, row + column) })
    }),
  )
}

interface Spelling {
  readonly target: string
  readonly by: 'nobody' | 'user' | 'admin'
  readonly may: readonly Outcome[]
}

const PASSED = ['passed']
const ASKED = ['401 credential_required']

/** Other spellings of one path, and oddities that a route has opened: let in where the one path is. */
const SPELLINGS: readonly Spelling[] = [
  { target: '/admin/x', by: 'admin', may: PASSED },
  { target: '/admin', by: 'nobody', may: ASKED },
  { target: '/admin/', by: 'nobody', may: ASKED },
  { target: '/ADMIN/x', by: 'nobody', may: ASKED },
  { target: '/aDmIn/x', by: 'user', may: ['403 insufficient_role'] },
  { target: '/%61dmin/x', by: 'nobody', may: ASKED },
  { target: '/%41%44%4D%49%4E/x', by: 'nobody', may: ASKED },
  { target: '/%61%64%6d%69%6e', by: 'admin', may: PASSED },
  { target: '/admin/%7Ex%2dy%5f%2E', by: 'admin', may: PASSED },
  { target: '/admin/%c3%a9%3a', by: 'admin', may: PASSED },
  { target: '/admin?/../public', by: 'nobody', may: ASKED },
  { target: '/admin/x?y=/public/', by: 'nobody', may: ASKED },
  { target: '/public/x?/../admin', by: 'nobody', may: PASSED },
  { target: '/public?next=//evil.test/%2e%2e;/\\', by: 'nobody', may: PASSED },
  { target: '/public/?%00%0d%0a&%zz&%', by: 'nobody', may: PASSED },
  { target: "/public/x?e='f'", by: 'nobody', may: PASSED },
  { target: '/public/x?[]{}|^`~', by: 'nobody', may: PASSED },
  { target: '/public/x??', by: 'nobody', may: PASSED },
  { target: '/public?', by: 'nobody', may: PASSED },
  { target: '/public/100%25', by: 'nobody', may: PASSED },
  { target: '/public/%25/x', by: 'nobody', may: PASSED },
  { target: '/public/...', by: 'nobody', may: PASSED },
  { target: '/public/..x/x../.x.', by: 'nobody', may: PASSED },
  { target: '/public/%20/x', by: 'nobody', may: PASSED },
  { target: '/public/"[]^{|}', by: 'nobody', may: PASSED },
  { target: "/public/!$&'()*+,=:@", by: 'nobody', may: PASSED },
  { target: '/public/..%ef%bc%8fadmin', by: 'nobody', may: PASSED },
  { target: '/public/%e2%80%ae', by: 'nobody', may: PASSED },
  { target: '/public/__proto__/constructor', by: 'nobody', may: PASSED },
  { target: '/%ef%bd%81dmin/x', by: 'nobody', may: PASSED },
  { target: '/publicadmin', by: 'nobody', may: PASSED },
  { target: '/admin.json', by: 'nobody', may: PASSED },
  { target: '/admin%20/x', by: 'nobody', may: PASSED },
  { target: '/', by: 'nobody', may: PASSED },
  { target: '/?', by: 'nobody', may: PASSED },
  { target: '/public/x#/../admin', by: 'nobody', may: PASSED },
  { target: '/public#y', by: 'nobody', may: PASSED },
  { target: '/files/a%2Fb', by: 'nobody', may: PASSED },
  { target: '/files/a%2fb%2Fc/', by: 'nobody', may: PASSED },
  { target: '/files/%2F', by: 'nobody', may: PASSED },
  { target: '/files%2Fa', by: 'nobody', may: REFUSED },
  { target: '/files/a;b', by: 'nobody', may: REFUSED },
  { target: '/files/a%5Cb', by: 'nobody', may: REFUSED },
  { target: '/files/a//b', by: 'nobody', may: REFUSED },
  { target: '/odd/a;b=c/d%2Fe%5Cf//g', by: 'nobody', may: PASSED },
  { target: '/files/inner/x', by: 'nobody', may: ASKED },
  { target: '/files/INNER/a%2Fb', by: 'admin', may: REFUSED },
  { target: '/files/inner%2Fx', by: 'nobody', may: REFUSED },
  { target: '/files/inner%2f', by: 'nobody', may: REFUSED },
  { target: '/files/%2Finner/x', by: 'nobody', may: REFUSED },
  { target: '/files/x%2Finner/x', by: 'nobody', may: PASSED },
  { target: '/odd/deep/x', by: 'admin', may: PASSED },
  { target: '/odd/deep;x/y', by: 'nobody', may: REFUSED },
  { target: '/odd/deep%5Cx', by: 'nobody', may: REFUSED },
  { target: '/odd//deep/x', by: 'nobody', may: REFUSED },
  { target: '/odd/;x/deep/y', by: 'nobody', may: REFUSED },
  { target: '/odd/%2F/%5C;x//deep', by: 'nobody', may: REFUSED },
  { target: '/odd/d;x/eep', by: 'nobody', may: PASSED },
  { target: '/odd;x/admin', by: 'nobody', may: REFUSED },
  { target: '/odd//', by: 'nobody', may: PASSED },
  { target: '//odd/x', by: 'nobody', may: REFUSED },
  { target: '//admin/x', by: 'nobody', may: REFUSED },
  { target: '//evil.test/public/x', by: 'nobody', may: REFUSED },
  { target: '/admin%2Fx', by: 'nobody', may: REFUSED },
  { target: '/admin;x/y', by: 'nobody', may: REFUSED },
  { target: '/admin;/../public', by: 'nobody', may: REFUSED },
  { target: '/admin%5Cx', by: 'nobody', may: REFUSED },
  { target: '/admin\\x', by: 'nobody', may: REFUSED },
  { target: '/t/acme/x', by: 'user', may: PASSED },
  { target: '/T/%61cme', by: 'user', may: PASSED },
  { target: '/t/ACME/x', by: 'user', may: ['403 claim_mismatch'] },
  { target: '/t/globex/x', by: 'user', may: ['403 claim_mismatch'] },
  { target: '/t/acme%20/x', by: 'user', may: ['403 claim_mismatch'] },
  { target: '/t/acme%2F/x', by: 'user', may: REFUSED },
  { target: '/t/acme;x/y', by: 'user', may: REFUSED },
  { target: '/t//acme', by: 'user', may: REFUSED },
  { target: '/t/:tenant/x', by: 'user', may: ['403 claim_mismatch'] },
  { target: '/t/__proto__/x', by: 'user', may: ['403 claim_mismatch'] },
  { target: '/auth/session', by: 'nobody', may: ASKED },
  { target: '/AUTH/session', by: 'nobody', may: ['401 credential_required', '404 no_route'] },
  { target: '/auth', by: 'admin', may: ['404 no_route'] },
  { target: '/%61uth/nothing', by: 'admin', may: ['404 no_route'] },
  { target: '/auth/refresh', by: 'admin', may: ['405 method_not_allowed'] },
  { target: '/auth/health/', by: 'nobody', may: ['own 200'] },
  { target: '/.well-known/jwks.json', by: 'nobody', may: ['own 200'] },
  { target: '/.WELL-KNOWN/jwks.json/', by: 'nobody', may: ['own 200'] },
  { target: '/auth;x/session', by: 'nobody', may: REFUSED },
  { target: '/auth%2Fsession', by: 'nobody', may: REFUSED },
  { target: '/authx', by: 'nobody', may: PASSED },
]

export function spellings({ user, admin }: Everybody): readonly Hostile[] {
  const by = { nobody: NOBODY, user, admin }
  return SPELLINGS.map(({ target, by: name, may }) => hostile({ name: 'spelling', target, may, credential: by[name] }))
}

/** Every byte, in a path and in a query. */
export function rawBytes(): readonly Hostile[] {
  const bytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((byte) => byte !== '\n')
  return bytes.flatMap((byte) =>
    ['/public/', '/public/x?'].map((start) => {
      const target = `${start}${byte}/y`
      const isPlain = /[\w!"#$%&'()*+,:=?@[\]^{|}~-]/.test(byte) && !`${start}${byte}`.endsWith('/%')
      const may = isPlain || (start.endsWith('?') && /[ -~]/.test(byte)) ? ['passed'] : REFUSED
      return hostile({ name: `byte ${byte.charCodeAt(0)}`, target, may: [...may, ...beforeTheWorker(target)] })
    }),
  )
}

/**
 * workerd's own parser takes no control character, no byte that is not UTF-8, and a few characters that no URL may have
 * (RFC 3986 §2) for a request target; there is no request then that a Worker could be given.
 */
function beforeTheWorker(target: string): readonly Outcome[] {
  const [path = '', ...query] = target.split('#')[0]?.split('?') ?? []
  const isHttp = !/[\0-\x20\x7f-\xff]/.test(target) && !/[<>`]/.test(path) && !/["<>]/.test(query.join('?'))
  return isHttp ? [] : ['workerd 400']
}

/** Whatever may come of a target that was put together by chance. */
const ANY_PATH: readonly Outcome[] = [
  'passed',
  'own 200',
  '400 ambiguous_path',
  '401 credential_required',
  '401 invalid_token',
  '403 insufficient_scope',
  '403 insufficient_role',
  '403 claim_mismatch',
  '404 no_route',
  '405 method_not_allowed',
]

export function generatedPaths(
  { user, admin, guest, browser }: Everybody,
  seed: number,
  count: number,
  starts = STARTS,
): readonly Hostile[] {
  const senders = [NOBODY, user, admin, guest, browser]
  return fc
    .sample(fc.tuple(anyTarget(starts), fc.constantFrom<Credential>(...senders)), { seed, numRuns: count })
    .map(([target, credential]) =>
      hostile({ name: 'generated', target, may: [...ANY_PATH, ...beforeTheWorker(target)], credential }),
    )
}

const STARTS = [
  '/public',
  '/optional',
  '/orders',
  '/admin',
  '/t/acme',
  '/t/globex',
  '/files',
  '/files/inner',
  '/odd',
  '/odd/deep',
  '/legacy',
  '/auth',
  '',
]
const PIECES = `
  / / / // . .. %2e %2E %2f %2F %5c %5C ; ;x=y %3b \\ % %25 %252e 2 f A b ~ ! %41 %61 %7e %c3%a9 %C3 %00 %0d%0a "
  [ | ^ \` { : @ %3A %3f %23 # ? ?a=b & = admin orders public ADMIN %61dmin t acme session auth files odd inner deep %20 + ' $ *
`
  .trim()
  .split(/\s+/)

function anyTarget(starts: readonly string[]): fc.Arbitrary<string> {
  const pieces = fc.array(fc.constantFrom(...PIECES), { maxLength: 7 })
  return fc
    .tuple(fc.constantFrom(...starts), fc.constantFrom('/', '/', '/', ''), pieces)
    .map(([start, slash, rest]) => `${start}${slash}${rest.join('')}`)
    .map((target) => (target.startsWith('/') ? target : `/${target}`))
}

export function pick<T>(all: readonly T[], at: number): T {
  const one = all[at % all.length]
  if (one === undefined) throw new RangeError('nothing to pick from')
  return one
}
