// RFC 9457, problem details: every denial has one form, and every bad token one answer.
import { describe, expect, it } from 'vitest'

import type { DenialCode } from '../../src/denial.ts'
import { Denial, denialResponse } from '../../src/denial.ts'
import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import type { Members } from '../support/forge.ts'
import {
  flipUnusedBits,
  forge,
  hmacSigner,
  issuerPayload,
  makeKey,
  ownPayload,
  segment,
  unsigned,
  withSegment,
} from '../support/forge.ts'
import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'

const STATUSES: Readonly<Record<DenialCode, number>> = {
  invalid_request: 400,
  ambiguous_path: 400,
  ambiguous_credential: 400,
  credential_required: 401,
  invalid_token: 401,
  invalid_sign_in: 401,
  session_ended: 401,
  insufficient_user_authentication: 401,
  cross_site_request: 403,
  insufficient_scope: 403,
  insufficient_role: 403,
  claim_mismatch: 403,
  no_route: 404,
  method_not_allowed: 405,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  rate_limited: 429,
  headers_too_large: 431,
  upstream_unreachable: 502,
  invalid_session_control: 502,
  misconfigured: 503,
  unavailable: 503,
  issuer_unavailable: 503,
  upstream_timeout: 504,
}

const denials = Object.entries(STATUSES).map(([code, status]) => ({ code, status }))

function isCode(code: string): code is DenialCode {
  return Object.hasOwn(STATUSES, code)
}

function denialOf(code: string, reason: string): Response {
  if (!isCode(code)) throw new Error(`no code ${code}`)
  return denialResponse(new Denial(code, { reason, members: { missing: ['x'] } }), 'request-1')
}

async function problemOf(response: Response): Promise<JsonObject> {
  const problem: unknown = await response.json()
  if (!isObject(problem)) throw new TypeError('no problem')
  return problem
}

describe('RFC 9457 §3: the members of a problem', () => {
  it.each(denials)('§3: $code is application/problem+json of status $status', async ({ code, status }) => {
    const response = denialOf(code, 'the reason')
    expect(response.headers.get('Content-Type')).toBe('application/problem+json')
    expect(response.status).toBe(status)
    const { title, ...rest } = await problemOf(response)
    expect(title).toMatch(/^[A-Z][^\n]{9,79}\.$/)
    expect(rest).toEqual({ type: `urn:gatehouse:${code}`, status, code, request_id: 'request-1', missing: ['x'] })
  })

  it.each(denials)('§5: $code tells nothing of the reason, neither in the body nor in a header', async ({ code }) => {
    const response = denialOf(code, 'the-very-reason')
    expect(JSON.stringify([...response.headers])).not.toContain('the-very-reason')
    expect(await response.text()).not.toContain('the-very-reason')
  })

  it.each(denials)('§4: $code is not stored, and says when to come back where that helps', async ({ code, status }) => {
    const { headers } = denialOf(code, '')
    expect(headers.get('Cache-Control')).toBe('no-store')
    expect(headers.has('Retry-After')).toBe(status === 429 || status === 503)
    expect(headers.get('WWW-Authenticate') !== null).toBe(status === 401 || code === 'insufficient_scope')
  })

  it('§3.1.1 and §3.1.3: a type has one title, and no two types share one', async () => {
    const titles = await Promise.all(denials.map(async ({ code }) => (await problemOf(denialOf(code, '')))['title']))
    expect(new Set(titles).size).toBe(denials.length)
  })
})

const key = await makeKey('ES256', 'k1')
const second = await makeKey('RS256', 'k2')
const stranger = await makeKey('ES256', 'k1')
const SESSION_KEY = Buffer.alloc(32, 7).toString('base64url')
const SECRET = 'a shared secret of thirty-two bytes!'
const OTHER = 'https://old.example.com'

/** Text in the claims of every token, so that a claim that is logged shows. */
const MARK = 'canary-in-the-token'

const now = () => Math.floor(Date.now() / 1000)
const claims = (changes: Members = {}) =>
  ownPayload(now(), { iss: ISSUER, aud: ISSUER, sub: `usr_${MARK}`, jti: MARK, ...changes })
const own = (changes: Members = {}, header: Members = {}) => forge(key, claims(changes), header)
const elsewhere = (changes: Members = {}, header: Members = {}) =>
  forge(hmacSigner(SECRET), issuerPayload(now(), { iss: OTHER, aud: ISSUER, sub: MARK, ...changes }), {
    typ: undefined,
    ...header,
  })

const BROKEN: readonly (readonly [name: string, reason: string, make: () => string | Promise<string>])[] = [
  ['no token', 'malformed:segments', () => MARK],
  ['two segments', 'malformed:segments', async () => (await own()).split('.').slice(0, 2).join('.')],
  ['five segments', 'malformed:segments', async () => `${await own()}.AAAA.AAAA`],
  ['too long', 'malformed:length', () => own({ pad: 'x'.repeat(8200) })],
  ['padding', 'malformed:signature', async () => `${await own()}==`],
  [
    'another spelling of the same bytes',
    'malformed:signature',
    async () => withSegment(await own(), 2, flipUnusedBits),
  ],
  ['a header that is no JSON', 'malformed:header', () => forge(key, claims(), `{"${MARK}`)],
  [
    'a header with alg twice',
    'malformed:header',
    () => forge(key, claims(), '{"alg":"ES256","alg":"none","kid":"k1"}'),
  ],
  ['a payload that is a list', 'malformed:payload', () => forge(key, `["${MARK}"]`)],
  ['a payload with sub twice', 'malformed:payload', () => forge(key, `{"iss":"${ISSUER}","sub":"a","sub":"${MARK}"}`)],
  ['crit', 'malformed:crit', () => own({}, { crit: ['b64'], b64: false })],
  ['a key of its own', 'malformed:jwk', () => own({}, { jwk: stranger.publicJwk })],
  ['the address of a key', 'malformed:jku', () => own({}, { jku: `https://evil.test/${MARK}` })],
  ['a kid that is a number', 'malformed:kid', () => own({}, { kid: 7 })],
  ['no issuer', 'malformed:iss', () => own({ iss: undefined })],
  ['an unknown issuer', 'issuer', () => own({ iss: `https://${MARK}.test` })],
  ['no kid', 'kid', () => own({}, { kid: undefined })],
  ['an unknown kid', 'kid', () => own({}, { kid: MARK })],
  ['alg none', 'algorithm', () => unsigned(claims(), { kid: 'k1' }, 'AAAA')],
  ['our public key as a secret', 'algorithm', () => forge(hmacSigner(second.publicPem, 'k2'), claims())],
  ['another key of the same kid', 'signature', () => forge(stranger, claims())],
  ['another payload', 'signature', async () => withSegment(await own(), 1, () => segment(claims({ sub: 'root' })))],
  ['another type of token', 'claim:typ', () => own({}, { typ: 'gatehouse+jwt' })],
  ['no type', 'claim:typ', () => own({}, { typ: undefined })],
  ['another audience', 'claim:aud', () => own({ aud: `https://${MARK}.test` })],
  ['the past', 'claim:expired', () => own({ exp: now() - 10 })],
  ['no end', 'claim:exp', () => own({ exp: undefined })],
  ['an end that is a text', 'claim:exp', () => own({ exp: `${now() + 900}` })],
  ['the future', 'claim:iat', () => own({ iat: now() + 60 })],
  ['not yet', 'claim:nbf', () => own({ nbf: now() + 60 })],
  ['no subject', 'claim:sub', () => own({ sub: '' })],
  ['a subject with a line break', 'claim:sub', () => own({ sub: `${MARK}\r\nX: y` })],
  ['scopes that are a list', 'claim:scope', () => own({ scope: [MARK] })],
  ['roles that are a text', 'claim:roles', () => own({ roles: MARK })],
  ['no session', 'claim:sid', () => own({ sid: undefined })],
  ['a version that is a text', 'claim:ver', () => own({ ver: '1' })],
  ['a session that is over', 'session over', () => own()],
  [
    'an old secret',
    'signature',
    () => forge(hmacSigner(`${SECRET}!`), issuerPayload(now(), { iss: OTHER, aud: ISSUER })),
  ],
  ['another issuer’s type', 'claim:typ', () => elsewhere({}, { typ: 'id+jwt' })],
  ['another issuer’s audience', 'claim:aud', () => elsewhere({ aud: OTHER })],
  ['another issuer’s life', 'claim:lifetime', () => elsewhere({ exp: now() + 8 * 86_400 })],
]

function createBrokenWorld() {
  return createWorld({
    routes: [{ path: '/*', upstream: UPSTREAM, issuers: ['self', OTHER] }],
    vars: {
      SIGNING_KEYS: JSON.stringify({ keys: [key.privateJwk, second.privateJwk] }),
      SESSION_KEYS: SESSION_KEY,
      ISSUERS: [
        {
          issuer: OTHER,
          secret: 'OLD_JWT',
          audience: [ISSUER],
          accept_until: '2099-01-01',
          types: [''],
          subject_prefix: '',
        },
      ],
      OLD_JWT: SECRET,
    },
  })
}

/** All that a client gets, but for the id of the request. */
async function answerOf(response: Response) {
  const { request_id: id, ...problem } = await problemOf(response)
  return { id: String(id), answer: { status: response.status, headers: [...response.headers], problem } }
}

describe('RFC 9457 §5: one answer for every bad token', () => {
  it('§5: has tokens that are broken in at least 25 ways, and are good when they are not', async () => {
    const world = await createBrokenWorld()
    expect(BROKEN.length).toBeGreaterThanOrEqual(25)
    expect((await world.bearer(await elsewhere(), '/x')).status).toBe(200)
    expect(world.seen).toHaveLength(1)
  })

  it.each(BROKEN)('§5: is given to %s, and the log has the reason: %s', async (_, reason, make) => {
    const world = await createBrokenWorld()
    const token = await make()

    const { id, answer } = await answerOf(await world.bearer(token, '/x'))

    expect(answer).toEqual({
      status: 401,
      headers: [
        ['cache-control', 'no-store'],
        ['content-type', 'application/problem+json'],
        ['www-authenticate', 'Bearer error="invalid_token"'],
        ['x-content-type-options', 'nosniff'],
      ],
      problem: {
        type: 'urn:gatehouse:invalid_token',
        title: 'The credential is not valid.',
        status: 401,
        code: 'invalid_token',
      },
    })
    expect(world.logged).toHaveLength(1)
    expect(world.logged[0]).toMatchObject({ event: 'denial', request_id: id, code: 'invalid_token', reason })
    expect(world.seen).toEqual([])
  })

  it('§5: each under a request id of its own', async () => {
    const world = await createBrokenWorld()
    const answers = [await world.bearer('a', '/x'), await world.bearer('a', '/x'), await world.bearer('b', '/x')]
    const ids = await Promise.all(answers.map(async (response) => (await answerOf(response)).id))
    expect(new Set(ids).size).toBe(3)
  })

  it('§5: and no log line holds a token, a part of one, what it claims, or a secret of ours', async () => {
    const world = await createBrokenWorld()
    const tokens = await Promise.all(BROKEN.map(async ([, , make]) => make()))
    for (const token of tokens) await world.bearer(token, '/x')

    const lines = JSON.stringify(world.logged)
    const parts = tokens.flatMap((token) => token.split('.')).filter((part) => part.length > 8)
    const ours = [SECRET, SESSION_KEY, ...[key, second].map(({ privateJwk }) => String(privateJwk['d']))]

    expect(world.logged).toHaveLength(BROKEN.length)
    expect([MARK, ...parts, ...ours].filter((text) => lines.includes(text))).toEqual([])
  })
})

describe('RFC 9457 §3: through the gateway', () => {
  const routes = [
    { path: '/*', upstream: UPSTREAM },
    { path: '/read', upstream: UPSTREAM, methods: ['GET'], access: 'public' },
    { path: '/down', upstream: UPSTREAM, access: 'public' },
    { path: '/limited', upstream: UPSTREAM, access: 'public', rate_limit: 'API_LIMIT' },
  ]
  const options = {
    routes,
    upstream: refuseConnection,
    bindings: { API_LIMIT: { limit: async () => ({ success: false }) } },
  }

  it.each<[DenialCode, string, RequestInit<IncomingRequestCfProperties>]>([
    ['ambiguous_path', '/a%2Fb', {}],
    ['ambiguous_credential', '/x', { headers: { Authorization: 'Bearer a, Bearer b' } }],
    ['credential_required', '/x', {}],
    ['invalid_token', '/x', { headers: { Authorization: 'Bearer a' } }],
    ['method_not_allowed', '/read', { method: 'PUT' }],
    ['method_not_allowed', '/read', { method: 'TRACE' }],
    ['rate_limited', '/limited', {}],
    ['upstream_unreachable', '/down', {}],
    ['no_route', 'https://other.example.com/.well-known/nothing', {}],
    [
      'invalid_request',
      '/auth/sign-in',
      { method: 'POST', body: '{', headers: { 'Content-Type': 'application/json' } },
    ],
  ])('§3: %s is the answer to %s', async (code, path, init) => {
    const world = await createWorld(code === 'no_route' ? { routes: [{ path: '/only', upstream: UPSTREAM }] } : options)
    const response = await world.send(path, init)
    expect(response.headers.get('Content-Type')).toBe('application/problem+json')
    expect(response.status).toBe(STATUSES[code])
    const problem = await problemOf(response)
    expect(problem).toMatchObject({ type: `urn:gatehouse:${code}`, code, status: STATUSES[code] })
    expect(world.logged).toMatchObject([{ request_id: problem['request_id'], code, status: STATUSES[code] }])
  })

  it('§3: misconfigured is the answer to everything, and the details are in the log', async () => {
    const world = await createWorld({ vars: { ROUTES: [{ path: '/*', upstream: 'ftp://origin.example.net' }] } })
    const { id, answer } = await answerOf(await world.send('/x'))
    expect(answer.problem).toMatchObject({ code: 'misconfigured', status: 503 })
    expect(JSON.stringify(answer)).not.toContain('ROUTES')
    expect(world.logged).toMatchObject([
      { event: 'misconfigured', request_id: id, problems: [expect.stringMatching(/^ROUTES\[0\]\.upstream /)] },
    ])
  })
})

function refuseConnection(): never {
  throw new TypeError('connection refused')
}
