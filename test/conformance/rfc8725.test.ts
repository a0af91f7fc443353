import { beforeAll, describe, expect, it } from 'vitest'

import type { KeyRing } from '../../src/tokens/keys.ts'
import { importSigningKeys, importVerificationKey } from '../../src/tokens/keys.ts'
import { verifyToken } from '../../src/tokens/verify.ts'
import type { ForgeKey, Members, Part, Signer } from '../support/forge.ts'
import {
  flipUnusedBits,
  forge,
  hmacSigner,
  makeKey,
  otherSignature,
  ownPayload,
  refusalOf,
  segment,
  unsigned,
  withSegment,
} from '../support/forge.ts'

const NOW = 1_800_000_000

const made: { key?: ForgeKey; rsa?: ForgeKey; stranger?: ForgeKey; ring?: KeyRing } = {}
const present = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('not made yet')
  return value
}
const key = () => present(made.key)
const rsa = () => present(made.rsa)
const stranger = () => present(made.stranger)
beforeAll(async () => {
  made.key = await makeKey('ES256', 'k1')
  made.rsa = await makeKey('RS256', 'k2')
  made.stranger = await makeKey('ES256', 'k1')
  made.ring = await importSigningKeys({ keys: [key().privateJwk, rsa().privateJwk] })
})

const verify = (token: string) =>
  verifyToken(token, {
    self: { issuer: 'https://gate.test', audience: 'https://gate.test', keys: present(made.ring) },
    issuers: [],
    findIssuerKey: () => Promise.resolve(null),
    now: NOW,
    clockSkew: 5,
  })
const verdict = async (token: string) => (await refusalOf(() => verify(token))).replace(/ .*/, '')

/** A good token but for what is changed. */
const withHeader = (header: Part, signer: Signer = key()) => forge(signer, ownPayload(NOW), header)
const withClaims = (changes: Members) => forge(key(), ownPayload(NOW, changes))
const withPayload = (payload: string) => forge(key(), payload)
const good = () => withHeader({})

/** The payload as text, so that a number or a name can be written in ways that JSON.stringify does not. */
const payloadText = (from: string, to: string) => JSON.stringify(ownPayload(NOW)).replace(from, to)

describe('RFC 8725, JSON Web Token Best Current Practices', () => {
  it('a good token passes, or nothing below means anything', async () => {
    expect(await verdict(await good())).toBe('passed')
    expect(await verdict(await forge(rsa(), ownPayload(NOW)))).toBe('passed')
  })

  it.each<[string, () => Promise<string>]>([
    ['§3.1 alg none', async () => unsigned(ownPayload(NOW), { kid: 'k1' })],
    ['§3.1 alg none with a signature', async () => unsigned(ownPayload(NOW), { kid: 'k1' }, 'AAAA')],
    ['§3.1 alg NONE with a good signature', () => withHeader({ alg: 'NONE' })],
    ['§3.1 alg noNE with a good signature', () => withHeader({ alg: 'noNE' })],
    ['§3.1 alg in other letters', () => withHeader({ alg: 'Es256' })],
    ['§3.1 alg as an array', () => withHeader({ alg: ['ES256'] })],
    ['§3.1 no alg', () => withHeader({ alg: undefined })],
    ['§3.1 the algorithm of another key of the ring', () => withHeader({ alg: 'RS256' })],
    ['§3.1 another algorithm for the same RSA key', () => withHeader({ alg: 'PS256' }, rsa())],
    ['§3.1 HS256 over the public key as PEM', () => withHeader({}, hmacSigner(key().publicPem, 'k1'))],
    ['§3.1 HS256 over the RSA key as PEM', () => withHeader({}, hmacSigner(rsa().publicPem, 'k2'))],
    [
      '§3.1 HS256 over the PEM without its last line break',
      () => withHeader({}, hmacSigner(key().publicPem.trim(), 'k1')),
    ],
    ['§3.1 HS256 over the public key as JWK', () => withHeader({}, hmacSigner(JSON.stringify(key().publicJwk), 'k1'))],
    [
      '§3.1 HS256 over the x coordinate',
      () => withHeader({}, hmacSigner(Buffer.from(String(key().publicJwk['x']), 'base64url'), 'k1')),
    ],
    ['§3.3 no signature', async () => `${(await good()).split('.').slice(0, 2).join('.')}.`],
    ['§3.3 a signature of zeros', async () => withSegment(await good(), 2, () => 'A'.repeat(86))],
    ['§3.3 a made-up signature', async () => withSegment(await good(), 2, () => 'x'.repeat(84) + 'AA')],
    ['§3.3 a stranger’s key under our kid', () => withHeader({}, stranger())],
    ['§3.3 five segments, a JWE', async () => `${await good()}.AAAA.AAAA`],
    ['§3.3 four segments', async () => `${await good()}.AAAA`],
    ['§3.6 a compressed payload', () => withHeader({ zip: 'DEF' })],
    [
      '§3.7 a payload that is no UTF-8',
      async () => withSegment(await good(), 1, () => Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')),
    ],
    ['§3.7 a byte order mark', () => withPayload(`\uFEFF${JSON.stringify(ownPayload(NOW))}`)],
    ['§3.8 another issuer', () => withClaims({ iss: 'https://other.test' })],
    ['§3.8 an issuer as an array', () => withClaims({ iss: ['https://gate.test'] })],
    ['§3.8 sub null', () => withClaims({ sub: null })],
    ['§3.8 sub 1', () => withClaims({ sub: 1 })],
    ['§3.8 sub empty', () => withClaims({ sub: '' })],
    ['§3.8 sub an object', () => withClaims({ sub: {} })],
    ['§3.8 sub with half a surrogate pair', () => withClaims({ sub: '\uD800' })],
    ['§3.8 sub with a header inside', () => withClaims({ sub: 'u\r\nX-Role: admin' })],
    ['§3.9 no aud', () => withClaims({ aud: undefined })],
    ['§3.9 another aud', () => withClaims({ aud: 'https://other.test' })],
    ['§3.9 an empty aud', () => withClaims({ aud: [] })],
    ['§3.9 a nested aud', () => withClaims({ aud: [['https://gate.test']] })],
    ['§3.10 a kid like a path', () => withHeader({ kid: '../k1' })],
    ['§3.10 a kid like SQL', () => withHeader({ kid: "k1' OR '1'='1" })],
    ['§3.10 a kid named constructor', () => withHeader({ kid: 'constructor' })],
    ['§3.10 a key in the header', () => withHeader({ jwk: stranger().publicJwk }, stranger())],
    ['§3.10 jku', () => withHeader({ jku: 'https://evil.test/jwks.json' })],
    ['§3.10 x5u', () => withHeader({ x5u: 'https://evil.test/cert.pem' })],
    ['§3.10 x5c', () => withHeader({ x5c: ['MIIB'] })],
    ['§3.11 typ JWT', () => withHeader({ typ: 'JWT' })],
    ['§3.11 no typ', () => withHeader({ typ: undefined })],
    ['§3.11 typ as an array', () => withHeader({ typ: ['at+jwt'] })],
    ['§3.12 our assertion', () => withHeader({ typ: 'gatehouse+jwt' })],
    ['§3.12 a logout token', () => withHeader({ typ: 'logout+jwt' })],
    [
      'bis §3.14 JSON serialisation',
      async () =>
        JSON.stringify({ payload: segment(ownPayload(NOW)), protected: segment({ alg: 'ES256' }), signature: 'AAAA' }),
    ],
    ['bis §3.14 a line break at the end', async () => `${await good()}\n`],
    ['bis §3.14 a space at the end', async () => `${await good()} `],
    ['bis §3.14 padding', async () => `${await good()}=`],
    [
      'bis §3.14 a line break in the signature',
      async () => withSegment(await good(), 2, (text) => `${text.slice(0, 9)}\n${text.slice(9)}`),
    ],
    ['bis §3.14 a NUL', async () => `${await good()}\0`],
    ['bis §3.14 unused bits in the signature', async () => withSegment(await good(), 2, flipUnusedBits)],
  ])('%s is refused', async (_, token) => {
    expect(await verdict(await token())).toBe('invalid_token')
  })

  it('§3.5 no symmetric key gets into a key set', async () => {
    const oct = {
      kty: 'oct',
      kid: 'k',
      alg: 'HS256',
      k: Buffer.from('correct horse battery staple').toString('base64url'),
    }
    expect(await importVerificationKey(oct, ['HS256', 'ES256'])).toBeNull()
    await expect(importSigningKeys({ keys: [oct] })).rejects.toThrow('alg')
  })
})

describe('what a JOSE library lets through, and the gateway does not', () => {
  it.each<[string, () => Promise<string>]>([
    ['exp a fraction', () => withClaims({ exp: NOW + 60.5 })],
    ['exp 1e400', () => withPayload(payloadText(`"exp":${NOW + 900}`, '"exp":1e400'))],
    ['exp 2^53 + 1', () => withPayload(payloadText(`"exp":${NOW + 900}`, '"exp":9007199254740993'))],
    ['iat in the future', () => withClaims({ iat: NOW + 60, exp: NOW + 900 })],
    ['iat negative', () => withClaims({ iat: -1 })],
    ['exp twice', () => withPayload(payloadText('"exp"', '"exp":1,"exp"'))],
    ['exp twice, one escaped', () => withPayload(payloadText('"exp"', '"\\u0065xp":1,"exp"'))],
    ['alg twice', () => withHeader('{"alg":"none","alg":"ES256","kid":"k1","typ":"at+jwt"}')],
    ['crit b64', () => withHeader({ crit: ['b64'], b64: true })],
    ['b64 false', () => withHeader({ b64: false })],
    ['1,000 levels', () => withPayload(payloadText('"staff"', `${'['.repeat(1000)}${']'.repeat(1000)}`))],
    ['a payload of 1 MB', () => withClaims({ pad: 'x'.repeat(1_000_000) })],
    ['exp a text', () => withClaims({ exp: String(NOW + 60) })],
    ['exp null', () => withClaims({ exp: null })],
    ['exp an array', () => withClaims({ exp: [NOW + 60] })],
    ['exp true', () => withClaims({ exp: true })],
    ['no exp', () => withClaims({ exp: undefined })],
    ['nbf a text', () => withClaims({ nbf: String(NOW) })],
    ['nbf in the future', () => withClaims({ nbf: NOW + 60 })],
    ['crit unknown', () => withHeader({ crit: ['exp'], exp: 1 })],
    ['crit empty', () => withHeader({ crit: [] })],
  ])('%s', async (_, token) => {
    expect(await verdict(await token())).toBe('invalid_token')
  })

  it('(r, n - s): the same identity under another spelling, so no token is known by its text alone', async () => {
    const token = await good()
    const other = withSegment(token, 2, otherSignature)
    expect(other).not.toBe(token)
    expect((await verify(other)).identity).toEqual((await verify(token)).identity)
  })
})
