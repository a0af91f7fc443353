import { beforeAll, describe, expect, it } from 'vitest'

import type { Algorithm } from '../../src/config/config.ts'
import { generateSigningKey, hmacKey, importSigningKeys, importVerificationKey } from '../../src/tokens/keys.ts'
import { mintAccessToken } from '../../src/tokens/mint.ts'
import { verifyToken } from '../../src/tokens/verify.ts'
import type { ForgeKey, Members } from '../support/forge.ts'
import { makeKey } from '../support/forge.ts'

const ALL: readonly Algorithm[] = ['RS256', 'ES256', 'EdDSA']
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']

const keys = new Map<string, ForgeKey>()
const keyOf = (name: string) => {
  const key = keys.get(name)
  if (key === undefined) throw new Error(`no key ${name}`)
  return key
}

const goodPrivate = () => keyOf('ES256').privateJwk
const goodPublic = () => keyOf('ES256').publicJwk

beforeAll(async () => {
  for (const alg of ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'RS256', 'PS256']) keys.set(alg, await makeKey(alg))
  keys.set('RS256 short', await makeKey('RS256', 'short', 1024))
  keys.set('other', await makeKey('ES256', 'other'))
})

describe('a ring of signing keys', () => {
  it.each(['ES256', 'ES384', 'EdDSA', 'Ed25519', 'RS256', 'PS256'])('signs and verifies with %s', async (alg) => {
    const ring = await importSigningKeys({ keys: [keyOf(alg).privateJwk] })
    const token = await mintAccessToken(ring, {
      issuer: 'https://gate.test',
      audience: 'https://gate.test',
      subject: 'usr_1',
      clientId: 'gatehouse',
      issuedAt: 1000,
      expiresAt: 1900,
      authTime: 1000,
      amr: ['pwd'],
      scopes: [],
      roles: [],
      session: 'ses_1',
      version: 1,
      claims: {},
    })
    const { identity, key } = await verifyToken(token, {
      self: { issuer: 'https://gate.test', audience: 'https://gate.test', keys: ring },
      issuers: [],
      findIssuerKey: () => Promise.resolve(null),
      now: 1000,
      clockSkew: 0,
    })
    expect(identity.subject).toBe('usr_1')
    expect(key.algorithms).toContain(alg)
  })

  it('signs with the first key and publishes every one, public members only', async () => {
    const [first, second] = [keyOf('ES256'), keyOf('RS256')]
    const ring = await importSigningKeys({ keys: [first.privateJwk, second.privateJwk] })
    expect(ring.signing).toMatchObject({ kid: first.kid, alg: 'ES256' })
    expect(ring.publicJwks).toEqual({ keys: [first.publicJwk, second.publicJwk] })
    expect([...ring.verification.keys()]).toEqual([first.kid, second.kid])
    for (const name of PRIVATE_MEMBERS) expect(JSON.stringify(ring.publicJwks)).not.toContain(`"${name}":`)
  })

  it('keeps its private keys where nothing can export them', async () => {
    const ring = await importSigningKeys({ keys: [{ ...keyOf('ES256').privateJwk, ext: true }] })
    expect(ring.signing.key.extractable).toBe(false)
    expect(ring.signing.key.type).toBe('private')
    expect(ring.verification.get(keyOf('ES256').kid)?.key.type).toBe('public')
  })

  it.each<[string, () => Members, string]>([
    ['no keys member', () => ({}), 'keys must be an array'],
    ['an empty set', () => ({ keys: [] }), 'keys must hold at least one key'],
    ['a key that is no object', () => ({ keys: ['x'] }), 'keys[0] must be an object'],
    ['a key without kid', () => ({ keys: [{ ...goodPrivate(), kid: undefined }] }), 'keys[0].kid must be a text'],
    ['an empty kid', () => ({ keys: [{ ...goodPrivate(), kid: '' }] }), 'keys[0].kid must be a text'],
    ['a key without alg', () => ({ keys: [{ ...goodPrivate(), alg: undefined }] }), 'keys[0].alg must be one of'],
    ['alg none', () => ({ keys: [{ ...goodPrivate(), alg: 'none' }] }), 'keys[0].alg must be one of'],
    ['a symmetric key', () => ({ keys: [{ kty: 'oct', kid: 'k', alg: 'HS256', k: 'c2VjcmV0' }] }), 'keys[0].alg must'],
    [
      'an alg of another curve',
      () => ({ keys: [{ ...goodPrivate(), alg: 'ES384' }] }),
      'keys[0] is not a key for its alg',
    ],
    [
      'an alg of another type',
      () => ({ keys: [{ ...goodPrivate(), alg: 'RS256' }] }),
      'keys[0] is not a key for its alg',
    ],
    ['an encryption key', () => ({ keys: [{ ...goodPrivate(), use: 'enc' }] }), 'keys[0] is not meant for signing'],
    [
      'a key that may not sign',
      () => ({ keys: [{ ...goodPrivate(), key_ops: ['verify'] }] }),
      'keys[0] is not meant for signing',
    ],
    ['a public key', () => ({ keys: [goodPrivate(), keyOf('RS256').publicJwk] }), 'keys[1] is a public key'],
    ['a key without x', () => ({ keys: [{ ...goodPrivate(), x: undefined }] }), 'keys[0] lacks a member'],
    [
      'an RSA key without q',
      () => ({ keys: [{ ...keyOf('RS256').privateJwk, q: undefined }] }),
      'keys[0] lacks a member',
    ],
    [
      'a point off the curve',
      () => ({ keys: [{ ...goodPrivate(), x: goodPrivate()['y'] }] }),
      'keys[0] is not a valid key',
    ],
    [
      "another key's public half",
      () => ({ keys: [{ ...goodPrivate(), x: keyOf('other').privateJwk['x'], y: keyOf('other').privateJwk['y'] }] }),
      'keys[0] is not a valid key',
    ],
    [
      "another Ed25519 key's public half",
      () => ({ keys: [{ ...keyOf('EdDSA').privateJwk, x: keyOf('Ed25519').privateJwk['x'] }] }),
      'keys[0] is not a valid key',
    ],
    [
      'an RSA key of 1024 bits',
      () => ({ keys: [keyOf('RS256 short').privateJwk] }),
      'keys[0] is an RSA key below 2048 bits',
    ],
    [
      'a kid that comes twice',
      () => ({ keys: [goodPrivate(), { ...keyOf('other').privateJwk, kid: goodPrivate()['kid'] }] }),
      'keys must have different kid',
    ],
  ])('refuses %s, by name and without key material', async (_, jwks, message) => {
    const error: unknown = await importSigningKeys(jwks()).catch((thrown: unknown) => thrown)
    const text = error instanceof Error ? `${error.message} ${String(error.cause)}` : 'passed'
    expect(text).toContain(message)
    for (const value of [goodPrivate()['d'], goodPrivate()['x'], keyOf('RS256').privateJwk['d']])
      expect(text).not.toContain(value)
  })
})

describe("another issuer's key", () => {
  it.each([
    ['ES256', ['ES256']],
    ['RS256', ['RS256']],
    ['EdDSA', ['EdDSA', 'Ed25519']],
    ['Ed25519', ['EdDSA', 'Ed25519']],
  ])('of alg %s verifies %j', async (alg, algorithms) => {
    const key = await importVerificationKey(keyOf(alg).publicJwk, ALL)
    expect(key).toMatchObject({ kid: keyOf(alg).kid, algorithms })
    expect(key?.key.usages).toEqual(['verify'])
  })

  it('without alg serves the first allowed algorithm that fits', async () => {
    const jwk = { ...keyOf('RS256').publicJwk, alg: undefined }
    expect((await importVerificationKey(jwk, ['ES256', 'RS512', 'RS256']))?.algorithms).toEqual(['RS512'])
  })

  it('loses its private members', async () => {
    const key = await importVerificationKey(keyOf('ES256').privateJwk, ALL)
    expect(key?.key.type).toBe('public')
  })

  it('may say that it is for verifying', async () => {
    expect(await importVerificationKey({ ...keyOf('ES256').publicJwk, key_ops: ['verify'] }, ALL)).not.toBeNull()
  })

  it.each<[string, () => unknown]>([
    ['null', () => null],
    ['a text', () => 'key'],
    ['an array', () => [goodPublic()]],
    ['no kid', () => ({ ...goodPublic(), kid: undefined })],
    ['a kid that is a number', () => ({ ...goodPublic(), kid: 1 })],
    ['an empty kid', () => ({ ...goodPublic(), kid: '' })],
    ['use enc', () => ({ ...goodPublic(), use: 'enc' })],
    ['use null', () => ({ ...goodPublic(), use: null })],
    ['key_ops without verify', () => ({ ...goodPublic(), key_ops: ['encrypt'] })],
    ['key_ops as a text', () => ({ ...goodPublic(), key_ops: 'verify' })],
    ['an algorithm that is not allowed', () => keyOf('ES384').publicJwk],
    ['an RSA-PSS key where RS256 is allowed', () => keyOf('PS256').publicJwk],
    ['an alg of another type', () => ({ ...goodPublic(), alg: 'RS256' })],
    ['an alg that is no text', () => ({ ...goodPublic(), alg: ['ES256'] })],
    ['an alg null', () => ({ ...goodPublic(), alg: null })],
    ['alg HS256 on a public key', () => ({ ...goodPublic(), alg: 'HS256' })],
    ['a symmetric key', () => ({ kty: 'oct', kid: 'k', k: 'c2VjcmV0' })],
    ['a symmetric key of alg ES256', () => ({ kty: 'oct', kid: 'k', alg: 'ES256', k: 'c2VjcmV0' })],
    ['no kty', () => ({ ...goodPublic(), kty: undefined })],
    ['an unknown curve', () => ({ ...goodPublic(), crv: 'secp256k1' })],
    ['a point off the curve', () => ({ ...goodPublic(), x: goodPublic()['y'] })],
    ['coordinates that are no base64url', () => ({ ...goodPublic(), x: '!!!' })],
    ['an RSA key of 1024 bits', () => keyOf('RS256 short').publicJwk],
    ['an RSA key without its modulus', () => ({ ...keyOf('RS256').publicJwk, n: undefined })],
  ])('cannot be %s', async (_, jwk) => {
    expect(await importVerificationKey(jwk(), ALL)).toBeNull()
  })

  it('cannot be symmetric even where HS256 is allowed', async () => {
    const jwk = { kty: 'oct', kid: 'k', alg: 'HS256', k: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I' }
    expect(await importVerificationKey(jwk, ['HS256'])).toBeNull()
  })
})

describe('a shared secret', () => {
  it('verifies HS256 and nothing else', async () => {
    expect((await hmacKey(new Uint8Array(32))).algorithms).toEqual(['HS256'])
  })
})

describe('a generated key', () => {
  it.each(['ES256', 'EdDSA', 'RS256'])('of alg %s signs', async (alg) => {
    const jwk = await generateSigningKey(alg)
    const ring = await importSigningKeys({ keys: [{ ...jwk }] })
    expect(ring.signing).toMatchObject({ alg, kid: jwk.kid })
  })

  it('is an ES256 key of its own where nothing is asked', async () => {
    const [one, other] = [await generateSigningKey(), await generateSigningKey()]
    expect(one.alg).toBe('ES256')
    expect(one.kid).not.toBe(other.kid)
  })
})
