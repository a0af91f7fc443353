import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'

import type { Assertions } from '../../src/gateway/assertion.ts'
import { createAssertions } from '../../src/gateway/assertion.ts'
import type { KeyRing } from '../../src/tokens/keys.ts'
import { generateSigningKey, importSigningKeys } from '../../src/tokens/keys.ts'
import { identityOf } from '../support/identity.ts'
import { routeOf } from '../support/route.ts'

const NOW = 1_900_000_000
const ORDERS = routeOf('/*')
const BILLING = routeOf('/*', { upstream: { origin: 'https://billing.test:8443', path: '/', binding: null } })

/** Names that a claim of the token must not carry into the assertion. */
const MEANINGFUL = `
  iss sub aud exp nbf iat jti sid ver scope roles
  auth_time amr client_id azp nonce cnf events act sub_id __proto__
`
  .trim()
  .split(/\s+/)

let ring: KeyRing
let assertions: Assertions

beforeAll(async () => {
  ring = await importSigningKeys({ keys: [await generateSigningKey('ES256'), await generateSigningKey('EdDSA')] })
  assertions = createAssertions(ring, 'https://gateway.test')
})

describe('an assertion', () => {
  it('says who it is, to one upstream, for a minute, signed by the first key', async () => {
    const identity = identityOf({
      scopes: ['orders:read', 'b'],
      roles: ['staff'],
      authTime: NOW - 100,
      claims: { amr: ['pwd'], client_id: 'gatehouse', tenant: 'acme', plan: { seats: 3 } },
    })

    const jwt = await assertions.for(identity, ORDERS, NOW)

    const keys = createLocalJWKSet({ keys: [...ring.publicJwks.keys] })
    const verified = await jwtVerify(jwt, keys, {
      issuer: 'https://gateway.test',
      audience: 'upstream:https://origin.example.com',
      typ: 'gatehouse+jwt',
      currentDate: new Date(NOW * 1000),
    })
    expect(verified.protectedHeader).toEqual({ alg: 'ES256', kid: ring.signing.kid, typ: 'gatehouse+jwt' })
    expect(verified.payload).toEqual({
      iss: 'https://gateway.test',
      aud: 'upstream:https://origin.example.com',
      iat: NOW,
      exp: NOW + 60,
      sub: 'usr_1',
      sub_id: { format: 'iss_sub', iss: 'https://gateway.test', sub: 'usr_1' },
      sid: 'ses_1',
      scope: 'orders:read b',
      roles: ['staff'],
      auth_time: NOW - 100,
      amr: ['pwd'],
      client_id: 'gatehouse',
      tenant: 'acme',
      plan: { seats: 3 },
    })
  })

  it('leaves out what the identity does not say', async () => {
    const jwt = await assertions.for(identityOf({ session: null }), ORDERS, NOW)

    expect(Object.keys(decodeJwt(jwt)).toSorted()).toEqual(['aud', 'exp', 'iat', 'iss', 'sub', 'sub_id'])
  })

  it('keeps users of another issuer apart from its own (RFC 9493 §3.2.3)', async () => {
    const jwt = await assertions.for(identityOf({ issuer: 'https://other.test', session: null }), ORDERS, NOW)

    expect(decodeJwt(jwt)).toMatchObject({
      iss: 'https://gateway.test',
      sub_id: { format: 'iss_sub', iss: 'https://other.test', sub: 'usr_1' },
    })
  })

  it.each(MEANINGFUL)('says nothing by a claim of the token that is called %s', async (name) => {
    const claims: unknown = JSON.parse(`{ ${JSON.stringify(name)}: 13 }`)
    const identity = identityOf({ session: null, claims: Object.freeze({ ...Object(claims) }) })

    const payload = decodeJwt(await assertions.for(identity, ORDERS, NOW))

    expect(Object.hasOwn(payload, name) ? payload[name] : undefined).not.toBe(13)
  })
})

describe('claims of another issuer, whose types nobody promised,', () => {
  it.each([
    { amr: 'pwd', client_id: 1 },
    { amr: ['pwd', 1], client_id: ['a'] },
    { amr: {}, client_id: null },
  ])('are left out: %j', async (claims) => {
    const payload = decodeJwt(await assertions.for(identityOf({ claims }), ORDERS, NOW))

    expect(payload).not.toHaveProperty('amr')
    expect(payload).not.toHaveProperty('client_id')
  })
})

describe('an assertion that is there already', () => {
  it.each([
    { age: 0, again: true },
    { age: 30, again: true },
    { age: 31, again: false },
    { age: -1, again: false },
  ])('is used again while 30 to 60 s are left: after $age s, $again', async ({ age, again }) => {
    const identity = identityOf()
    const first = await assertions.for(identity, ORDERS, NOW)

    const second = await assertions.for(identity, ORDERS, NOW + age)

    expect(second === first).toBe(again)
    expect(decodeJwt(second).exp).toBe(again ? NOW + 60 : NOW + age + 60)
  })

  it('is used again beside one for another upstream', async () => {
    const identity = identityOf()
    const orders = await assertions.for(identity, ORDERS, NOW)
    const billing = await assertions.for(identity, BILLING, NOW)

    expect(decodeJwt(billing).aud).toBe('upstream:https://billing.test:8443')
    expect(await assertions.for(identity, ORDERS, NOW + 1)).toBe(orders)
    expect(await assertions.for(identity, BILLING, NOW + 1)).toBe(billing)
  })

  it('is never used for another identity, even one that looks the same', async () => {
    const first = await assertions.for(identityOf({ roles: ['staff'] }), ORDERS, NOW)

    const second = await assertions.for(identityOf({ roles: [] }), ORDERS, NOW)

    expect(second).not.toBe(first)
    expect(decodeJwt(second)['roles']).toBeUndefined()
  })
})
