import { beforeAll, describe, expect, it } from 'vitest'

import type { Issuer } from '../../src/config/config.ts'
import { Denial } from '../../src/denial.ts'
import type { KeyRing, VerificationKey } from '../../src/tokens/keys.ts'
import { hmacKey, importSigningKeys, importVerificationKey } from '../../src/tokens/keys.ts'
import type { Accepted } from '../../src/tokens/verify.ts'
import { verifyToken } from '../../src/tokens/verify.ts'
import type { ForgeKey } from '../support/forge.ts'
import {
  forge,
  hmacSigner,
  issuerPayload,
  makeKey,
  ownPayload,
  refusalOf,
  unsigned,
  withSegment,
} from '../support/forge.ts'

const NOW = 1_800_000_000
const SECRET = new TextEncoder().encode('legacy-secret-of-thirty-two-bytes!')

const issuer = (changes: Partial<Issuer> = {}): Issuer => ({
  key: 'ISSUERS[0]',
  issuer: 'https://idp.test/',
  audience: ['https://gate.test'],
  audienceClaim: 'aud',
  jwksUri: null,
  algorithms: ['RS256', 'ES256', 'EdDSA'],
  secret: null,
  acceptUntil: null,
  types: ['at+jwt'],
  scopeClaim: 'scope',
  rolesClaim: null,
  subjectPrefix: null,
  maxLifetime: 86_400,
  ...changes,
})
const IDP = issuer()
const OTHER_IDP = issuer({ key: 'ISSUERS[1]', issuer: 'https://other-idp.test' })
const LEGACY = issuer({ key: 'ISSUERS[2]', issuer: 'legacy', secret: 'LEGACY_JWT', algorithms: ['HS256'] })

async function makeWorld() {
  const [own, retired, idp, idpRsa, otherIdp] = await Promise.all([
    makeKey('ES256', 'own'),
    makeKey('EdDSA', 'retired'),
    makeKey('ES256', 'idp'),
    makeKey('RS256', 'idp-rsa'),
    makeKey('ES256', 'other'),
  ])
  const sets = new Map([
    [IDP, await publicKeys([idp, idpRsa])],
    [OTHER_IDP, await publicKeys([otherIdp])],
  ])
  const legacyKey = await hmacKey(SECRET)
  const ring = await importSigningKeys({ keys: [own.privateJwk, retired.privateJwk] })
  return { own, retired, idp, idpRsa, otherIdp, sets, legacyKey, ring }
}

async function publicKeys(keys: readonly ForgeKey[]): Promise<ReadonlyMap<string, VerificationKey>> {
  const imported = await Promise.all(keys.map((key) => importVerificationKey(key.publicJwk, IDP.algorithms)))
  return new Map(imported.filter((key) => key !== null).map((key) => [key.kid, key]))
}

const made: { world?: Awaited<ReturnType<typeof makeWorld>> } = {}
const world = () => {
  if (made.world === undefined) throw new Error('no world')
  return made.world
}
beforeAll(async () => {
  made.world = await makeWorld()
})

function accepted(changes: Partial<Accepted> = {}): Accepted {
  const keys: KeyRing = world().ring
  return {
    self: { issuer: 'https://gate.test', audience: 'https://gate.test', keys },
    issuers: [IDP, OTHER_IDP, LEGACY],
    findIssuerKey: (of, kid) => {
      if (of.secret !== null) return Promise.resolve(world().legacyKey)
      return Promise.resolve(
        world()
          .sets.get(of)
          ?.get(kid ?? '') ?? null,
      )
    },
    now: NOW,
    clockSkew: 5,
    ...changes,
  }
}
const unavailable = () => Promise.reject(new Denial('issuer_unavailable'))
const verdict = (token: string, changes: Partial<Accepted> = {}) =>
  refusalOf(() => verifyToken(token, accepted(changes)))

describe('verifyToken', () => {
  it("proves the gateway's own identity, and names the key", async () => {
    const { identity, key } = await verifyToken(await forge(world().own, ownPayload(NOW)), accepted())
    expect(identity).toMatchObject({ issuer: 'https://gate.test', subject: 'usr_1', session: 'ses_1' })
    expect(key).toBe(world().ring.verification.get('own'))
  })

  it('takes every key of the ring', async () => {
    expect(await verdict(await forge(world().retired, ownPayload(NOW)))).toBe('passed')
    expect(await verdict(await forge(world().retired, ownPayload(NOW), { alg: 'Ed25519' }))).toBe('passed')
  })

  it("proves another issuer's identity", async () => {
    const { identity } = await verifyToken(await forge(world().idp, issuerPayload(NOW)), accepted())
    expect(identity).toMatchObject({ issuer: 'https://idp.test/', subject: 'auth0|42', session: null, version: null })
    expect(await verdict(await forge(world().idpRsa, issuerPayload(NOW)))).toBe('passed')
  })

  it('takes HS256 without kid where the issuer shares a secret', async () => {
    const payload = issuerPayload(NOW, { iss: 'legacy' })
    expect(await verdict(await forge(hmacSigner(SECRET), payload, { kid: undefined }))).toBe('passed')
    expect(await verdict(await forge(hmacSigner(SECRET, 'any'), payload))).toBe('passed')
  })

  it.each<[string, () => Promise<string>, string]>([
    [
      'an issuer that is not accepted',
      () => forge(world().own, ownPayload(NOW, { iss: 'https://evil.test' })),
      'issuer',
    ],
    ['our issuer with a slash', () => forge(world().own, ownPayload(NOW, { iss: 'https://gate.test/' })), 'issuer'],
    ['our issuer in capitals', () => forge(world().own, ownPayload(NOW, { iss: 'https://GATE.test' })), 'issuer'],
    [
      'another issuer without its slash',
      () => forge(world().idp, issuerPayload(NOW, { iss: 'https://idp.test' })),
      'issuer',
    ],
    ['no kid', () => forge(world().own, ownPayload(NOW), { kid: undefined }), 'kid'],
    ['no kid of another issuer', () => forge(world().idp, issuerPayload(NOW), { kid: undefined }), 'kid'],
    ['an unknown kid', () => forge(world().own, ownPayload(NOW), { kid: 'nobody' }), 'kid'],
    ['a kid like a path', () => forge(world().own, ownPayload(NOW), { kid: '../../dev/null' }), 'kid'],
    ['a kid like a statement', () => forge(world().own, ownPayload(NOW), { kid: "' OR 1=1 --" }), 'kid'],
    ['a kid of a prototype', () => forge(world().own, ownPayload(NOW), { kid: '__proto__' }), 'kid'],
    ["another issuer's kid under our name", () => forge(world().idp, ownPayload(NOW)), 'kid'],
    ['our kid under the name of another issuer', () => forge(world().own, issuerPayload(NOW)), 'kid'],
    ["one issuer's kid under another's name", () => forge(world().otherIdp, issuerPayload(NOW)), 'kid'],
    ['another key under our kid', () => forge(world().idp, ownPayload(NOW), { kid: 'own' }), 'signature'],
    ['alg none', async () => unsigned(ownPayload(NOW), { kid: 'own' }, 'AAAA'), 'algorithm'],
    ['alg nOnE', async () => unsigned(ownPayload(NOW), { kid: 'own', alg: 'nOnE' }, 'AAAA'), 'algorithm'],
    ['alg empty', () => forge(world().own, ownPayload(NOW), { alg: '' }), 'algorithm'],
    ['alg in small letters', () => forge(world().own, ownPayload(NOW), { alg: 'es256' }), 'algorithm'],
    ['an algorithm of another curve', () => forge(world().own, ownPayload(NOW), { alg: 'ES384' }), 'algorithm'],
    ['RS512 with an RS256 key', () => forge(world().idpRsa, issuerPayload(NOW), { alg: 'RS512' }), 'algorithm'],
    ['PS256 with an RS256 key', () => forge(world().idpRsa, issuerPayload(NOW), { alg: 'PS256' }), 'algorithm'],
    ['RS256 with an ES256 key', () => forge(world().idp, issuerPayload(NOW), { alg: 'RS256' }), 'algorithm'],
    ['HS256 with our PEM', () => forge(hmacSigner(world().own.publicPem, 'own'), ownPayload(NOW)), 'algorithm'],
    [
      'HS256 with our PEM, trimmed',
      () => forge(hmacSigner(world().own.publicPem.trim(), 'own'), ownPayload(NOW)),
      'algorithm',
    ],
    [
      'HS256 with our JWK',
      () => forge(hmacSigner(JSON.stringify(world().own.publicJwk), 'own'), ownPayload(NOW)),
      'algorithm',
    ],
    ['HS256 with an empty key', () => forge(hmacSigner(new Uint8Array(1), 'own'), ownPayload(NOW)), 'algorithm'],
    [
      'HS256 with an RSA PEM',
      () => forge(hmacSigner(world().idpRsa.publicPem, 'idp-rsa'), issuerPayload(NOW)),
      'algorithm',
    ],
    ['HS256 with a shared secret under our name', () => forge(hmacSigner(SECRET, 'own'), ownPayload(NOW)), 'algorithm'],
    [
      'HS256 with a wrong secret',
      () => forge(hmacSigner('x'.repeat(32)), issuerPayload(NOW, { iss: 'legacy' })),
      'signature',
    ],
    [
      'HS512 with the shared secret',
      () => forge(hmacSigner(SECRET), issuerPayload(NOW, { iss: 'legacy' }), { alg: 'HS512' }),
      'algorithm',
    ],
    ['ES256 where a secret is shared', () => forge(world().idp, issuerPayload(NOW, { iss: 'legacy' })), 'algorithm'],
    [
      'a signature of zeros',
      async () => withSegment(await forge(world().own, ownPayload(NOW)), 2, () => 'A'.repeat(86)),
      'signature',
    ],
    [
      'a signature that is too short',
      async () => withSegment(await forge(world().own, ownPayload(NOW)), 2, () => 'AAAA'),
      'signature',
    ],
    [
      'a DER signature',
      async () => withSegment(await forge(world().own, ownPayload(NOW)), 2, () => 'MEQCIAAA'),
      'signature',
    ],
    [
      'one changed bit in the signature',
      async () =>
        withSegment(
          await forge(world().own, ownPayload(NOW)),
          2,
          (text) => (text.startsWith('A') ? 'B' : 'A') + text.slice(1),
        ),
      'signature',
    ],
    [
      'another payload',
      async () =>
        withSegment(await forge(world().own, ownPayload(NOW)), 1, () =>
          Buffer.from(JSON.stringify(ownPayload(NOW, { sub: 'usr_2' }))).toString('base64url'),
        ),
      'signature',
    ],
    ['an ID token', () => forge(world().own, ownPayload(NOW), { typ: 'JWT' }), 'claim:typ'],
    ['our assertion', () => forge(world().own, ownPayload(NOW), { typ: 'gatehouse+jwt' }), 'claim:typ'],
    ['no typ', () => forge(world().own, ownPayload(NOW), { typ: undefined }), 'claim:typ'],
    ['another audience', () => forge(world().own, ownPayload(NOW, { aud: 'upstream:https://gate.test' })), 'claim:aud'],
  ])('refuses %s', async (_, token, reason) => {
    expect(await verdict(await token())).toBe(`invalid_token ${reason}`)
  })

  it('refuses our own tokens where they may not pass', async () => {
    expect(await verdict(await forge(world().own, ownPayload(NOW)), { self: null })).toBe('invalid_token issuer')
  })

  it('refuses tokens of an issuer that this route does not name', async () => {
    const token = await forge(world().idp, issuerPayload(NOW))
    expect(await verdict(token, { issuers: [OTHER_IDP] })).toBe('invalid_token issuer')
  })

  it('looks at no claim before the signature is good', async () => {
    const expired = ownPayload(NOW, { exp: 1, sub: null, aud: 'x' })
    expect(await verdict(await forge(world().idp, expired, { kid: 'own', typ: 'JWT' }))).toBe('invalid_token signature')
  })

  it('refuses a signature that cannot be judged, and keeps why', async () => {
    const key = { ...world().legacyKey, algorithms: ['ES256'], parameters: { name: 'Ed25519' } }
    const token = await forge(world().idp, issuerPayload(NOW))
    const verified = verifyToken(token, accepted({ findIssuerKey: () => Promise.resolve(key) }))
    await expect(verified).rejects.toMatchObject({
      code: 'invalid_token',
      details: { reason: 'signature', cause: expect.any(Error) },
    })
  })

  it('passes on that keys cannot be had', async () => {
    expect(await verdict(await forge(world().idp, issuerPayload(NOW)), { findIssuerKey: unavailable })).toBe(
      'issuer_unavailable',
    )
  })

  it('asks for keys of other issuers only for their own tokens', async () => {
    const asked: string[] = []
    const findIssuerKey = (of: Issuer) => {
      asked.push(of.issuer)
      return Promise.resolve(null)
    }
    await verdict(await forge(world().own, ownPayload(NOW)), { findIssuerKey })
    await verdict(await forge(world().own, ownPayload(NOW, { iss: 'https://evil.test' })), { findIssuerKey })
    await verdict(await forge(world().idp, issuerPayload(NOW)), { findIssuerKey })
    expect(asked).toEqual(['https://idp.test/'])
  })
})
