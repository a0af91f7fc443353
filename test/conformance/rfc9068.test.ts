import { beforeAll, describe, expect, it } from 'vitest'

import type { KeyRing } from '../../src/tokens/keys.ts'
import { importSigningKeys } from '../../src/tokens/keys.ts'
import { mintAccessToken, signJwt } from '../../src/tokens/mint.ts'
import { verifyToken } from '../../src/tokens/verify.ts'
import type { ForgeKey, Members } from '../support/forge.ts'
import { forge, makeKey, ownPayload, refusalOf } from '../support/forge.ts'

const NOW = 1_800_000_000

const made: { key?: ForgeKey; ring?: KeyRing } = {}
const present = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('not made yet')
  return value
}
beforeAll(async () => {
  made.key = await makeKey('RS256', 'k1')
  made.ring = await importSigningKeys({ keys: [made.key.privateJwk] })
})

const ring = () => present(made.ring)
const mint = () =>
  mintAccessToken(ring(), {
    issuer: 'https://gate.test',
    audience: 'https://gate.test',
    subject: 'usr_1',
    clientId: 'gatehouse',
    issuedAt: NOW,
    expiresAt: NOW + 900,
    authTime: NOW,
    amr: ['pwd'],
    scopes: ['orders:read', 'orders:write'],
    roles: ['staff'],
    session: 'ses_1',
    version: 1,
    claims: { tenant: 'acme' },
  })
const read = (token: string, part: number): Members =>
  JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString())
const verify = (token: string, now = NOW) =>
  verifyToken(token, {
    self: { issuer: 'https://gate.test', audience: 'https://gate.test', keys: ring() },
    issuers: [],
    findIssuerKey: () => Promise.resolve(null),
    now,
    clockSkew: 5,
  })
const verdict = async (token: string, now = NOW) => refusalOf(() => verify(token, now))
const forged = (changes: Members, header: Members = {}) => forge(present(made.key), ownPayload(NOW, changes), header)

describe('RFC 9068, JWT access tokens: minting', () => {
  it('§2.1 the header names typ at+jwt, a signature algorithm and the key', async () => {
    expect(read(await mint(), 0)).toEqual({ alg: 'RS256', kid: 'k1', typ: 'at+jwt' })
  })

  it.each(['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'])('§2.2 the claim %s is there', async (name) => {
    expect(read(await mint(), 1)).toHaveProperty(name)
  })

  it('§2.2.1 the sign-in is described by auth_time and amr', async () => {
    expect(read(await mint(), 1)).toMatchObject({ auth_time: NOW, amr: ['pwd'] })
  })

  it('§2.2.3 scope is one text with spaces between', async () => {
    expect(read(await mint(), 1)['scope']).toBe('orders:read orders:write')
  })

  it('§2.2.3.1 roles are an array', async () => {
    expect(read(await mint(), 1)['roles']).toEqual(['staff'])
  })

  it('what is minted is verified', async () => {
    expect((await verify(await mint())).identity).toMatchObject({
      subject: 'usr_1',
      scopes: ['orders:read', 'orders:write'],
      claims: { tenant: 'acme' },
    })
  })
})

describe('RFC 9068, JWT access tokens: verifying', () => {
  it.each(['at+jwt', 'application/at+jwt', 'AT+JWT', 'Application/At+Jwt'])('§4 typ %s passes', async (typ) => {
    expect(await verdict(await forged({}, { typ }))).toBe('passed')
  })

  it.each(['JWT', 'jwt', 'id+jwt', 'application/jwt', 'x/at+jwt', 'at+jwt;v=1', undefined])(
    '§4 typ %s is refused',
    async (typ) => {
      expect(await verdict(await forged({}, { typ }))).toBe('invalid_token claim:typ')
    },
  )

  it.each(['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'])('§4 a token without %s is refused', async (name) => {
    expect(await verdict(await forged({ [name]: undefined }))).toMatch(/^invalid_token/)
  })

  it.each([
    ['https://gate.test/', 'refused'],
    ['https://gate.test:443', 'refused'],
    ['HTTPS://gate.test', 'refused'],
  ])('§4 iss %s is %s, for it must match exactly', async (iss) => {
    expect(await verdict(await forged({ iss }))).toBe('invalid_token issuer')
  })

  it('§4 aud may be a list that we are in', async () => {
    expect(await verdict(await forged({ aud: ['https://other.test', 'https://gate.test'] }))).toBe('passed')
    expect(await verdict(await forged({ aud: ['https://other.test'] }))).toBe('invalid_token claim:aud')
  })

  it('§4 a token has expired at exp, but for the skew', async () => {
    const token = await mint()
    expect(await verdict(token, NOW + 904)).toBe('passed')
    expect(await verdict(token, NOW + 905)).toBe('invalid_token claim:expired')
  })

  it('§5 another class of JWT by the same key is no access token', async () => {
    const payload = ownPayload(NOW)
    expect(await verdict(await signJwt(ring(), 'gatehouse+jwt', payload))).toBe('invalid_token claim:typ')
    expect(await verdict(await signJwt(ring(), 'at+jwt', payload))).toBe('passed')
  })
})
