// RFC 7517, JSON Web Key: what the gateway publishes of its keys, and what it never does.
import { decodeProtectedHeader } from 'jose'
import { describe, expect, it } from 'vitest'

import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import type { ForgeKey } from '../support/forge.ts'
import { forge, makeKey, ownPayload } from '../support/forge.ts'
import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'

const JWKS = '/.well-known/jwks.json'
const keys = await Promise.all([makeKey('ES256', 'first'), makeKey('RS256', 'second'), makeKey('EdDSA', 'third')])

/** RFC 7518 §6 and RFC 8037 §2: members by which a key is private, or shared. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

function secretsOf(jwk: JsonObject): readonly string[] {
  return PRIVATE.map((name) => jwk[name]).filter((value) => typeof value === 'string')
}

function createKeyWorld(ring: readonly ForgeKey[] = keys) {
  const routes = [{ path: '/*', upstream: UPSTREAM, revocation: 'expiry' }]
  const SIGNING_KEYS = JSON.stringify({ keys: ring.map((key) => key.privateJwk) })
  return createWorld({ routes, vars: { SIGNING_KEYS } })
}

async function readKeys(response: Response): Promise<readonly JsonObject[]> {
  const set: unknown = await response.json()
  const published = isObject(set) ? set['keys'] : null
  if (!Array.isArray(published) || !published.every(isObject)) throw new TypeError('no JWK set')
  return published
}

function tokenBy(key: ForgeKey): Promise<string> {
  return forge(key, ownPayload(Math.floor(Date.now() / 1000), { iss: ISSUER, aud: ISSUER }))
}

describe('RFC 7517: the published key set', () => {
  it('§5: is a JSON object whose member `keys` is an array', async () => {
    const response = await (await createKeyWorld()).send(JWKS)
    expect(response.status).toBe(200)
    expect(response.headers.get('Content-Type')).toBe('application/json')
    expect(await readKeys(response)).toHaveLength(3)
  })

  it('§5.1: keeps the order of the secret', async () => {
    const world = await createKeyWorld(keys.toReversed())
    expect((await readKeys(await world.send(JWKS))).map(({ kid }) => kid)).toEqual(['third', 'second', 'first'])
  })

  it('§4.1, §4.2, §4.4 and §4.5: every key says its kty, use, alg and kid', async () => {
    const published = await readKeys(await (await createKeyWorld()).send(JWKS))
    expect(published.map(({ kty, use, alg, kid }) => ({ kty, use, alg, kid }))).toEqual([
      { kty: 'EC', use: 'sig', alg: 'ES256', kid: 'first' },
      { kty: 'RSA', use: 'sig', alg: 'RS256', kid: 'second' },
      { kty: 'OKP', use: 'sig', alg: 'EdDSA', kid: 'third' },
    ])
  })

  it('§4.3: says use only, because use and key_ops should not be together', async () => {
    const published = await readKeys(await (await createKeyWorld()).send(JWKS))
    expect(published.filter((jwk) => 'key_ops' in jwk)).toEqual([])
  })

  it('§9.2: has the public members of each type of key, and no others', async () => {
    const published = await readKeys(await (await createKeyWorld()).send(JWKS))
    expect(published.map((jwk) => Object.keys(jwk).toSorted())).toEqual([
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
      ['alg', 'e', 'kid', 'kty', 'n', 'use'],
      ['alg', 'crv', 'kid', 'kty', 'use', 'x'],
    ])
    expect(published).toEqual(keys.map((key) => ({ ...key.publicJwk, use: 'sig' })))
  })

  it('§9.2: holds no private value, under whatever name', async () => {
    const text = await (await (await createKeyWorld()).send(JWKS)).text()
    const secrets = keys.flatMap(({ privateJwk }) => secretsOf(privateJwk))
    expect(secrets).toHaveLength(1 + 6 + 1)
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([])
  })

  it('§9.2: drops what somebody has written beside a key', async () => {
    const [first] = keys
    const world = await createWorld({
      vars: { SIGNING_KEYS: JSON.stringify({ keys: [{ ...first.privateJwk, note: 'ours', x5u: 'https://x.test' }] }) },
    })
    expect(Object.keys((await readKeys(await world.send(JWKS)))[0] ?? {}).toSorted()).toEqual([
      'alg',
      'crv',
      'kid',
      'kty',
      'use',
      'x',
      'y',
    ])
  })

  it('§5: may be had on the gateway’s own host by GET and HEAD alone', async () => {
    const world = await createKeyWorld()
    expect((await world.send(JWKS, { method: 'HEAD' })).status).toBe(200)
    const refused = await world.send(JWKS, { method: 'POST' })
    expect(refused.status).toBe(405)
    expect(refused.headers.get('Allow')).toBe('GET, HEAD')
  })
})

describe('RFC 7517 §4.5: several keys', () => {
  it('§4.5: the first of them signs, and says so by its kid', async () => {
    const inOrder = await (await createKeyWorld()).signInForTokens()
    expect(decodeProtectedHeader(inOrder.access)).toMatchObject({ kid: 'first', alg: 'ES256' })
    const reversed = await (await createKeyWorld(keys.toReversed())).signInForTokens()
    expect(decodeProtectedHeader(reversed.access)).toMatchObject({ kid: 'third', alg: 'EdDSA' })
  })

  it.each(keys)('§4.5: every one of them verifies: $kid', async (key) => {
    const world = await createKeyWorld()
    expect((await world.bearer(await tokenBy(key), '/x')).status).toBe(200)
  })

  it('§4.5: one that has left the set does not', async () => {
    const [first, ...rest] = keys
    const world = await createKeyWorld(rest)
    expect((await world.bearer(await tokenBy(first), '/x')).status).toBe(401)
  })
})

describe('RFC 7517: keys that cannot be used', () => {
  const [first, second] = keys
  const { kid: _kid, ...nameless } = first.privateJwk

  it.each<[string, unknown]>([
    ['§4.1: of a symmetric type', { kty: 'oct', k: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0', kid: 'o', alg: 'HS256' }],
    ['§4.2: for encryption', { ...first.privateJwk, use: 'enc' }],
    ['§4.3: that may only verify', { ...first.privateJwk, key_ops: ['verify'] }],
    ['§4.4: of an alg that does not fit its type', { ...first.privateJwk, alg: 'RS256' }],
    ['§4.5: without kid', nameless],
    ['§4.5: of the same kid as another', { ...first.privateJwk, kid: second.kid }],
    ['§9.2: that are public only', first.publicJwk],
  ])('%s, serve nothing and are not told of', async (_, jwk) => {
    const world = await createWorld({ vars: { SIGNING_KEYS: JSON.stringify({ keys: [jwk, second.privateJwk] }) } })
    const response = await world.send(JWKS)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ code: 'misconfigured' })
    const logged = JSON.stringify(world.logged)
    const secrets = [jwk, second.privateJwk].flatMap((key) => (isObject(key) ? secretsOf(key) : []))
    expect(logged).toContain('SIGNING_KEYS')
    expect(secrets.filter((secret) => logged.includes(secret))).toEqual([])
  })
})
