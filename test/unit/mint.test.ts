import { beforeAll, describe, expect, it } from 'vitest'

import type { KeyRing } from '../../src/tokens/keys.ts'
import { importSigningKeys } from '../../src/tokens/keys.ts'
import type { AccessClaims } from '../../src/tokens/mint.ts'
import { mintAccessToken, profileProblem, RESERVED_CLAIMS, signJwt } from '../../src/tokens/mint.ts'
import { makeKey } from '../support/forge.ts'

const CLAIMS: AccessClaims = {
  issuer: 'https://gate.test',
  audience: 'https://api.test',
  subject: 'usr_1',
  clientId: 'gatehouse',
  issuedAt: 1000,
  expiresAt: 1900,
  authTime: 900,
  amr: ['pwd'],
  scopes: ['a', 'b'],
  roles: ['staff'],
  session: 'ses_1',
  version: 7,
  claims: {},
}

const world: { ring?: KeyRing } = {}
const ring = () => {
  if (world.ring === undefined) throw new Error('no ring')
  return world.ring
}
beforeAll(async () => {
  world.ring = await importSigningKeys({ keys: [(await makeKey('ES256', 'k1')).privateJwk] })
})

const part = (token: string, index: number): unknown =>
  JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString())

const profile = (changes: Partial<Parameters<typeof profileProblem>[0]>) =>
  profileProblem({ roles: [], scopes: [], claims: {}, ...changes })
const nested = (levels: number): Record<string, unknown> => (levels === 1 ? {} : { a: nested(levels - 1) })

describe('an access token', () => {
  it('says in its header what it is and who signed it', async () => {
    expect(part(await mintAccessToken(ring(), CLAIMS), 0)).toEqual({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' })
  })

  it('carries the claims of RFC 9068, the session and the version', async () => {
    expect(part(await mintAccessToken(ring(), CLAIMS), 1)).toEqual({
      iss: 'https://gate.test',
      aud: 'https://api.test',
      sub: 'usr_1',
      client_id: 'gatehouse',
      iat: 1000,
      exp: 1900,
      auth_time: 900,
      amr: ['pwd'],
      scope: 'a b',
      roles: ['staff'],
      sid: 'ses_1',
      ver: 7,
      jti: expect.stringMatching(/^[\w-]{22}$/),
    })
  })

  it('has a jti of its own', async () => {
    const [one, other] = [await mintAccessToken(ring(), CLAIMS), await mintAccessToken(ring(), CLAIMS)]
    expect(part(one, 1)).not.toEqual(part(other, 1))
  })

  it('carries custom claims', async () => {
    const token = await mintAccessToken(ring(), { ...CLAIMS, claims: { tenant: 'acme', plan: { seats: 3 } } })
    expect(part(token, 1)).toMatchObject({ tenant: 'acme', plan: { seats: 3 } })
  })

  it.each([...RESERVED_CLAIMS])('never takes %s from a custom claim', async (name) => {
    const claims: Record<string, unknown> = { tenant: 'acme' }
    Object.defineProperty(claims, name, { value: 'forged', enumerable: true })
    const token = await mintAccessToken(ring(), { ...CLAIMS, claims })
    expect(JSON.stringify(part(token, 1))).not.toContain('forged')
    expect(part(token, 1)).toMatchObject({ tenant: 'acme' })
  })
})

describe('another class of token', () => {
  it('has another typ', async () => {
    const token = await signJwt(ring(), 'gatehouse+jwt', { aud: 'upstream:https://api.test', name: 'Zoë' })
    expect(part(token, 0)).toEqual({ alg: 'ES256', kid: 'k1', typ: 'gatehouse+jwt' })
    expect(part(token, 1)).toEqual({ aud: 'upstream:https://api.test', name: 'Zoë' })
  })
})

describe('profileProblem', () => {
  it.each([
    ['nothing', {}],
    ['roles and scopes', { roles: ['staff', 'org:admin/eu', 'größe'], scopes: ['orders:read', 'a!#[]~'] }],
    [
      'custom claims of any type',
      { claims: { tenant: 'acme', n: 1, list: [true, null], 'https://example.com/x': {} } },
    ],
    ['claims 31 levels deep', { claims: nested(31) }],
    ['1536 bytes', { claims: { a: 'x'.repeat(1536 - '{"roles":[],"scopes":[],"claims":{"a":""}}'.length) } }],
  ])('finds nothing wrong with %s', (_, changes) => {
    expect(profile(changes)).toBeNull()
  })

  it.each([
    ['an empty scope', { scopes: [''] }, 'scope'],
    ['a scope with a space', { scopes: ['a b'] }, 'scope'],
    ['a scope with a quote', { scopes: ['a"'] }, 'scope'],
    ['a scope with a backslash', { scopes: ['a\\'] }, 'scope'],
    ['a scope beyond ASCII', { scopes: ['é'] }, 'scope'],
    ['an empty role', { roles: [''] }, 'role'],
    ['a role with a space', { roles: ['a b'] }, 'role'],
    ['a role with a no-break space', { roles: ['a\u00A0b'] }, 'role'],
    ['a role with a comma', { roles: ['a,b'] }, 'role'],
    ['a role with a line break', { roles: ['a\r\nX-Role: admin'] }, 'role'],
    ['a role with a control character', { roles: ['a\u0085'] }, 'role'],
    ['a role with half a surrogate pair', { roles: ['a\uD800'] }, 'role'],
    ['a claim named sub', { claims: { sub: 'x' } }, 'reserved'],
    ['a claim named nbf', { claims: { nbf: 9e9 } }, 'reserved'],
    ['a claim named __proto__', { claims: JSON.parse('{"__proto__":{}}') }, 'reserved'],
    ['a claim without a name', { claims: { '': 1 } }, 'reserved'],
    ['claims 32 levels deep', { claims: nested(32) }, 'deep'],
    ['1537 bytes', { claims: { a: 'x'.repeat(1537 - '{"roles":[],"scopes":[],"claims":{"a":""}}'.length) } }, '1.5 KB'],
    ['1600 bytes in 800 characters', { claims: { a: 'é'.repeat(800) } }, '1.5 KB'],
    [
      'the three together',
      { roles: ['r'.repeat(600)], scopes: ['s'.repeat(600)], claims: { c: 'c'.repeat(600) } },
      '1.5 KB',
    ],
  ])('refuses %s', (_, changes, problem) => {
    expect(profile(changes)).toContain(problem)
  })

  it('passes only what fits in a token and a cookie', async () => {
    const claims = { a: 'x'.repeat(1536 - '{"roles":[],"scopes":[],"claims":{"a":""}}'.length) }
    const token = await mintAccessToken(ring(), { ...CLAIMS, claims, subject: 'u'.repeat(255) })
    expect(token.length).toBeLessThan(4000)
  })
})
