// Tokens that prove nothing: broken, borrowed, signed by somebody else, or sent where nobody reads them.

import { createPublicKey } from 'node:crypto'

import * as fc from 'fast-check'

import {
  base64url,
  flipUnusedBits,
  forge,
  hmacSigner,
  issuerPayload,
  makeKey,
  ownPayload,
  segment,
  unsigned,
  withSegment,
} from '../forge.ts'
import type { Gateway } from '../gateway.ts'
import { ISSUER } from '../gateway.ts'
import type { Hostile, Outcome } from './request.ts'
import { hostile } from './request.ts'
import { IDP_SECRET } from './routes.ts'
import type { Bearer, People } from './world.ts'
import { claimsOf, guestClaims } from './world.ts'

const REFUSED: readonly Outcome[] = ['401 invalid_token']
const NONE: readonly Outcome[] = ['401 credential_required']
const TWICE: readonly Outcome[] = ['400 ambiguous_credential']
const PASSED: readonly Outcome[] = ['passed']

interface Forged {
  readonly name: string
  readonly token: string
}

/** Every broken token where it is asked for, and where it need not have been sent (CVE-2021-21378, CVE-2022-29226). */
export async function brokenTokens(gateway: Gateway, people: People): Promise<readonly Hostile[]> {
  const own = [...(await ownTokens(gateway, people.user)), ...misshapen(people.user.token)]
  const theirs = await guestTokens()
  return [
    ...own.flatMap((forged) => ['/orders/1', '/optional/x'].map((target) => refusedAt(target, forged))),
    ...theirs.flatMap((forged) => ['/legacy/x', '/optional/x'].map((target) => refusedAt(target, forged))),
    refusedAt('/orders/1', { name: "another issuer's", token: people.guest.token }),
    refusedAt('/legacy/x', { name: "the gateway's own", token: people.user.token }),
  ]
}

function refusedAt(target: string, { name, token }: Forged): Hostile {
  return hostile({
    name: `a token: ${name}`,
    target,
    may: REFUSED,
    credential: proofless(`Authorization: Bearer ${token}`, token),
  })
}

function proofless(line: string, token: string): Hostile['credential'] {
  return { name: 'nobody', lines: [line], who: null, secrets: token.length < 16 ? [] : [token] }
}

/** Of a good token: one character more, less or other, wherever it is. */
export function mutatedTokens({ user }: People, seed: number, count: number): readonly Hostile[] {
  const { token } = user
  const place = fc.nat({ max: token.length - 1 })
  const character = fc.constantFrom(...Array.from('AQgw_-.~+/=0z!"\'()[]{}:;%&*?@#\\|^`\t \x80\xff'))
  const mutation = fc.tuple(place, character, fc.constantFrom(0, 1), fc.constantFrom('/orders/1', '/optional/x'))
  const mutants = fc.sample(mutation, { seed, numRuns: count }).map(([at, text, width, target]) => ({
    mutant: token.slice(0, at) + text + token.slice(at + width),
    target,
  }))
  return mutants
    .filter(({ mutant }) => mutant.trim() !== token)
    .map(({ mutant, target }) => refusedAt(target, { name: 'a mutant', token: mutant }))
}

type Change = Parameters<Gateway['token']>[0]

/** Signed by the gateway's key, so that only the claims speak against them. */
const CLAIMS: Readonly<Record<string, NonNullable<Change>>> = {
  'exp in the past': { exp: 1 },
  'exp a moment ago': { exp: Math.floor(Date.now() / 1000) - 10 },
  'exp a text': { exp: '9999999999' },
  'exp a fraction': { exp: 9_999_999_999.5 },
  'exp negative': { exp: -1 },
  'exp beyond integers': { exp: 2 ** 60 },
  'exp a list': { exp: [9_999_999_999] },
  'exp true': { exp: true },
  'iat in the future': { iat: 9_999_999_990, exp: 9_999_999_999 },
  'iat a text': { iat: '1' },
  'nbf in the future': { nbf: 9_999_999_990 },
  'nbf a text': { nbf: 'now' },
  'auth_time in the future': { auth_time: 9_999_999_990 },
  'aud another': { aud: 'https://other.test' },
  'aud of an upstream': { aud: `upstream:${ISSUER}` },
  'aud nobody': { aud: [] },
  'aud nested': { aud: [[ISSUER]] },
  'aud an object': { aud: { 0: ISSUER } },
  'aud with a slash': { aud: `${ISSUER}/` },
  'iss with a slash': { iss: `${ISSUER}/` },
  'iss in capitals': { iss: ISSUER.toUpperCase() },
  'iss a list': { iss: [ISSUER] },
  'iss unknown': { iss: 'https://evil.test' },
  'sub empty': { sub: '' },
  'sub a number': { sub: 1 },
  'sub a list': { sub: ['usr_1'] },
  'sub with a line break': { sub: 'usr_1\r\nGatehouse-Roles: admin' },
  'sub with NUL': { sub: 'usr_1\0' },
  'sub with a space': { sub: 'usr_1 x' },
  'sub not ASCII': { sub: 'usr_\u00e9' },
  'sub half a character': { sub: 'usr_\ud800' },
  'sub too long': { sub: 'u'.repeat(256) },
  'sid empty': { sid: '' },
  'sid a number': { sid: 1 },
  'ver a text': { ver: '1' },
  'ver negative': { ver: -1 },
  'ver a fraction': { ver: 1.5 },
  'roles a text': { roles: 'admin' },
  'roles an object': { roles: { 0: 'admin' } },
  'roles of numbers': { roles: [1] },
  'roles nested': { roles: [['admin']] },
  'roles half a character': { roles: ['\udfff'] },
  'scope a list': { scope: ['orders:read'] },
  'scope a number': { scope: 1 },
  'amr a text': { amr: 'pwd' },
  'jti a number': { jti: 1 },
  'jti empty': { jti: '' },
  'client_id a list': { client_id: ['gatehouse'] },
}

async function ownTokens(gateway: Gateway, user: Bearer): Promise<readonly Forged[]> {
  const claims = Object.entries(CLAIMS).map(async ([name, change]) => ({
    name,
    token: await gateway.token({ ...claimsOf(user.who), ...change }),
  }))
  return Promise.all([...claims, ...(await borrowed(gateway))])
}

async function make(name: string, token: Promise<string> | string): Promise<Forged> {
  return { name, token: await token }
}

/** CVE-2026-39999, CVE-2026-22817: the header names an algorithm or a key, and who signed was not the gateway. */
async function borrowed(gateway: Gateway): Promise<readonly Promise<Forged>[]> {
  const now = Math.floor(Date.now() / 1000)
  const payload = ownPayload(now, { iss: ISSUER, aud: ISSUER })
  const { body } = await gateway.send('/.well-known/jwks.json')
  const jwk = JSON.parse(body.toString()).keys[0]
  const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString()
  const stranger = await makeKey('ES256', 'test')
  const rsa = await makeKey('RS256', 'test')
  const secrets = {
    pem,
    'trimmed pem': pem.trim(),
    jwk: JSON.stringify(jwk),
    x: Buffer.from(String(jwk.x), 'base64url'),
    nothing: '\0',
  }
  const kids = [
    'other',
    '',
    '../../dev/null',
    "' OR 1=1 --",
    '__proto__',
    'constructor',
    'test\0',
    'TEST',
    'https://evil.test/key',
  ]
  const nones = ['none', 'None', 'NONE', 'nOnE', '', 'HS256', 'ES256']
  const brought = { jwk: stranger.publicJwk, jku: 'https://evil.test/jwks', x5u: 'https://evil.test/x', x5c: ['MII'] }
  return [
    ...Object.entries(secrets).map(([name, secret]) =>
      make(`HS256 by the public key's ${name}`, forge(hmacSigner(secret, 'test'), payload)),
    ),
    make('another key of the same name', forge(stranger, payload)),
    make('an RSA key of the same name', forge(rsa, payload)),
    ...kids.map((kid) => make(`kid ${kid}`, forge(stranger, payload, { kid }))),
    ...nones.map((alg) => make(`alg "${alg}" unsigned`, unsigned(payload, { alg, kid: 'test' }))),
    ...nones.map((alg) => make(`alg "${alg}" signed by nothing`, unsigned(payload, { alg, kid: 'test' }, 'AAAA'))),
    ...Object.entries(brought).map(([name, value]) =>
      make(`brings ${name}`, forge(stranger, payload, { [name]: value })),
    ),
    make('encrypted', `${segment({ alg: 'dir', enc: 'A256GCM' })}..AAAA.AAAA.AAAA`),
    make('of zeros', unsigned(payload, { alg: 'ES256', kid: 'test' }, base64url(new Uint8Array(64)))),
  ]
}

/** A good token in another shape: one strict form is read, and nothing else. */
function misshapen(token: string): readonly Forged[] {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const standard = token.replaceAll('-', '+').replaceAll('_', '/')
  const shapes: Readonly<Record<string, string>> = {
    empty: '',
    'a dot': '.',
    'two dots': '..',
    'three dots': '...',
    'a hundred dots': '.'.repeat(100),
    'no signature': `${header}.${payload}.`,
    'two segments': `${header}.${payload}`,
    'four segments': `${token}.AAAA`,
    'five segments': `${token}.AAAA.AAAA`,
    'swapped segments': `${payload}.${header}.${signature}`,
    padded: `${token}=`,
    'padded twice': `${token}==`,
    'padded inside': `${header}=.${payload}.${signature}`,
    'unused bits': withSegment(token, 2, flipUnusedBits),
    quoted: `"${token}"`,
    'standard base64': standard === token ? `${token}+` : standard,
    'percent-encoded': token.replace('.', '%2E'),
    'with a blank': token.replace('.', '. '),
    'with a tab inside': token.replace('.', '\t.'),
    twice: `${token} ${token}`,
    'with a parameter': `${token};realm=x`,
    'a BOM before': `\xef\xbb\xbf${token}`,
    'no JSON': `${segment('x')}.${segment('y')}.AAAA`,
    'a number': `${segment('1')}.${segment('1')}.AAAA`,
    null: `${segment('null')}.${segment('null')}.AAAA`,
    lists: `${segment('[]')}.${segment('[]')}.AAAA`,
    'deep JSON': `${header}.${segment(`${'{"a":'.repeat(200)}1${'}'.repeat(200)}`)}.${signature}`,
    'over 8 KB': `${header}.${'A'.repeat(8200)}.${signature}`,
    'of 20 KB': 'A'.repeat(20_000),
    'of 20,000 dots': '.'.repeat(20_000),
    'a session token': `gth_r_ses_${'A'.repeat(22)}.1.${'A'.repeat(43)}`,
  }
  return Object.entries(shapes).map(([name, text]) => ({ name, token: text }))
}

/** Signed with the secret that the other issuer shares with the gateway, so that every header and payload can be tried. */
async function guestTokens(): Promise<readonly Forged[]> {
  const signer = hmacSigner(IDP_SECRET)
  const good = JSON.stringify(guestClaims())
  const headers: Readonly<Record<string, string | Readonly<Record<string, unknown>>>> = {
    crit: { crit: ['exp'] },
    'crit empty': { crit: [] },
    b64: { b64: false, crit: ['b64'] },
    jku: { jku: 'https://evil.test/jwks' },
    jwk: { jwk: { kty: 'oct', k: 'AA' } },
    x5u: { x5u: 'https://evil.test/x' },
    x5c: { x5c: ['MII'] },
    zip: { zip: 'DEF' },
    'typ of another class': { typ: 'gatehouse+jwt' },
    'typ a list': { typ: ['at+jwt'] },
    'no typ': { typ: undefined },
    'kid a number': { kid: 1 },
    'alg HS512': { alg: 'HS512' },
    'alg none': { alg: 'none' },
    'alg a list': { alg: ['HS256'] },
    'alg twice': '{"alg":"HS256","typ":"at+jwt","alg":"HS256"}',
    'alg twice, once escaped': '{"alg":"HS256","typ":"at+jwt","\\u0061lg":"none"}',
    'a list': '["HS256"]',
    'a BOM': '\ufeff{"alg":"HS256","typ":"at+jwt"}',
    'a tail': '{"alg":"HS256","typ":"at+jwt"}{}',
  }
  const payloads: Readonly<Record<string, string | Readonly<Record<string, unknown>>>> = {
    'sub twice': good.replace('{', '{"sub":"root",'),
    'sub twice, deep': good.replace('{', '{"x":{"y":1,"y":2},'),
    'a BOM': `\ufeff${good}`,
    'a tail': `${good}x`,
    'two objects': good + good,
    'a huge exp': good.replace(/"exp":\d+/, '"exp":1e400'),
    'a negative zero exp': good.replace(/"exp":\d+/, '"exp":-0'),
    'an exp with a fraction': good.replace(/"exp":(\d+)/, '"exp":$1.5'),
    'depth 40': good.replace('{', `{"x":${'['.repeat(40)}${']'.repeat(40)},`),
    'depth 2,000': good.replace('{', `{"x":${'['.repeat(2000)}${']'.repeat(2000)},`),
    'half a character': good.replace('guest|1', '\\ud800'),
    'a line break in sub': guestClaims({ sub: 'x\r\nGatehouse-Roles: admin' }),
    'a C1 control in sub': guestClaims({ sub: 'x\u0085' }),
    'no sub': guestClaims({ sub: undefined }),
    'no exp': guestClaims({ exp: undefined }),
    'no iat': guestClaims({ iat: undefined }),
    'no aud': guestClaims({ aud: undefined }),
    'a year of life': guestClaims({ exp: Math.floor(Date.now() / 1000) + 365 * 86_400 }),
    'a scope of numbers': guestClaims({ scope: [1] }),
    'another issuer': issuerPayload(Math.floor(Date.now() / 1000)),
    'a prototype for iss': good.replace('{', '{"__proto__":{"iss":"x"},').replace(/"iss":"[^"]*",/, ''),
  }
  const made = [
    ...Object.entries(headers).map(async ([name, header]) => ({
      name: `header: ${name}`,
      token: await forge(signer, good, header),
    })),
    ...Object.entries(payloads).map(async ([name, payload]) => ({
      name: `payload: ${name}`,
      token: await forge(signer, payload),
    })),
    forge(hmacSigner('another-secret-of-more-than-32-bytes!'), good).then((token) => ({
      name: 'another secret',
      token,
    })),
  ]
  return Promise.all(made)
}

/** Where and how a good token is sent (RFC 6750 §2, RFC 9110 §11.6.2). */
export function tokenPlaces({ user, admin }: People): readonly Hostile[] {
  const { token } = user
  const places: readonly (readonly [lines: readonly string[], may: readonly Outcome[]])[] = [
    [[`authorization: bearer ${token}`], PASSED],
    [[`AUTHORIZATION: BEARER   ${token}  `], PASSED],
    [[`Authorization: Bearer\t${token}`], PASSED],
    [[`Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`], TWICE],
    [[`Authorization: Bearer ${token}`, `Authorization: Bearer ${admin.token}`], TWICE],
    [[`Authorization: Bearer ${token}`, `authorization: Basic eDp5`], TWICE],
    [[`Authorization: Basic eDp5`, `Authorization: Bearer ${token}`], TWICE],
    [[`Authorization: Basic eDp5, Bearer ${token}`], TWICE],
    [[`Authorization: Bearer ${token}, Bearer ${token}`], TWICE],
    [[`Authorization: Bearer ${token},`], [...TWICE, ...REFUSED]],
    [['Authorization: Bearer'], REFUSED],
    [['Authorization: Bearer  '], REFUSED],
    [[`Authorization: Bearer ${token} x`], REFUSED],
    [[`Authorization: Bearer token="${token}"`], REFUSED],
    [['Authorization:'], NONE],
    [[`Authorization: ${token}`], NONE],
    [[`Authorization: Bearer${token}`], NONE],
    [[`Authorization: Bearer=${token}`], NONE],
    [[`Authorization: Bearer:${token}`], NONE],
    [[`Authorization: Bearer\xa0${token}`], NONE],
    [[`Authorization: Token ${token}`], NONE],
    [[`Authorization: DPoP ${token}`], NONE],
    [[`Authorization: JWT ${token}`], NONE],
    [[`Authorization: Basic ${Buffer.from(`x:${token}`).toString('base64')}`], NONE],
    [[`Proxy-Authorization: Bearer ${token}`], NONE],
    [[`X-Authorization: Bearer ${token}`], NONE],
    [[`Authorization_: Bearer ${token}`], NONE],
    [[`X-Access-Token: ${token}`], NONE],
    [[`Sec-WebSocket-Protocol: gatehouse.bearer.${token}`], NONE],
    [[`Cookie: access_token=${token}`], NONE],
    [[`Cookie: __Host-gatehouse_access=${token}`], NONE],
    [
      [
        `Upgrade: websocket`,
        'Connection: Upgrade',
        `Sec-WebSocket-Protocol: gatehouse.bearer.x, gatehouse.bearer.${token}`,
      ],
      TWICE,
    ],
    [
      [
        `Upgrade: websocket`,
        'Connection: Upgrade',
        `Sec-WebSocket-Protocol: gatehouse.bearer.${token}`,
        `Authorization: Bearer ${token}`,
      ],
      TWICE,
    ],
    [[`Upgrade: websocket`, 'Connection: Upgrade', `Sec-WebSocket-Protocol: gatehouse.bearer.`], REFUSED],
  ]
  const queries = [`access_token=${token}`, `token=${token}`, `Authorization=Bearer%20${token}`, `bearer=${token}`]
  return [
    ...places.map(([lines, may]) =>
      hostile({
        name: `a token in ${lines.map((line) => line.slice(0, 40)).join(' | ')}`,
        target: '/orders/1',
        may,
        credential: { name: 'a user', lines, who: user.who, secrets: [token] },
      }),
    ),
    ...queries.map((query) => hostile({ name: 'a token in the query', target: `/orders/1?${query}`, may: NONE })),
    hostile({
      name: 'a token in a subprotocol that nobody reads',
      lines: [`Sec-WebSocket-Protocol: chat, gatehouse.bearer.${token}`],
      may: PASSED,
      credential: { name: 'a user', lines: [], who: user.who, secrets: [token] },
    }),
    hostile({
      name: 'a token in a form (RFC 6750 §2.2)',
      target: '/orders/1',
      method: 'POST',
      lines: ['Content-Type: application/x-www-form-urlencoded'],
      body: `access_token=${token}`,
      may: NONE,
    }),
  ]
}
