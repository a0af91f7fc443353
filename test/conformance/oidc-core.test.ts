// OpenID Connect Core 1.0, as far as it is about relying parties.
import { describe, expect, it } from 'vitest'

import { verifyIdToken } from '../../src/tokens/id-token.ts'
import type { Members } from '../support/forge.ts'
import { forge, hmacSigner, makeKey, refusalOf, segment, unsigned, withSegment } from '../support/forge.ts'
import { createProviderScene, locationOf, signInBy } from '../support/provider-scene.ts'
import { CLIENT, createRelyingParty, ISSUER, NOW } from '../support/relying.ts'

const NONCE = 'n-0S6_WzA2Mj'
const good = { sub: '248289761001', nonce: NONCE }
const party = await createRelyingParty()
const { relying, sign, key } = party

/** How an ID token with these claims is refused, or `passed`. */
async function refusal(claims: Members, header: Members = {}): Promise<string> {
  return refusalOf(async () => verifyIdToken(await sign({ ...good, ...claims }, header), relying, NONCE))
}

async function timeOf(authTime: unknown): Promise<number | null> {
  return (await verifyIdToken(await sign({ ...good, auth_time: authTime }), relying, NONCE)).authTime
}

describe('OpenID Connect Core 1.0', () => {
  it('§2 an ID token proves a subject, and when, how and in which session it signed in', async () => {
    const token = await sign({ ...good, auth_time: NOW - 60, amr: ['pwd', 'mfa'], sid: 's1' }, { typ: 'JWT' })
    expect(await verifyIdToken(token, relying, NONCE)).toEqual({
      subject: '248289761001',
      session: 's1',
      authTime: NOW - 60,
      issuedAt: NOW,
      amr: ['pwd', 'mfa'],
    })
  })

  it.each([
    ['not there', undefined],
    ['empty', ''],
    ['a number', 7],
    ['longer than 255 characters', 'a'.repeat(256)],
    ['not ASCII', 'ä'],
    ['with a control character', 'a\u0000'],
  ])('§2 `sub` that is %s is refused', async (_, sub) => {
    expect(await refusal({ sub })).toBe('invalid_token claim:sub')
  })

  it('§2 `sub` of 255 ASCII characters passes', async () => {
    expect(await refusal({ sub: 'a'.repeat(255) })).toBe('passed')
  })

  it('§3.1.2.1 the request has scope openid, response_type code, client_id, redirect_uri, state and nonce', async () => {
    const { browser } = await createProviderScene()
    const query = new URL(locationOf(await browser.open('/auth/providers/corp/start'))).searchParams
    for (const name of ['scope', 'response_type', 'client_id', 'redirect_uri', 'state', 'nonce']) {
      expect(query.getAll(name)).toHaveLength(1)
    }
  })

  it('§3.1.2.1 no two requests have the same nonce or state', async () => {
    const { browser } = await createProviderScene()
    const locations = [
      await browser.open('/auth/providers/corp/start'),
      await browser.open('/auth/providers/corp/start'),
    ].map(locationOf)
    const values = locations.flatMap((url) => ['nonce', 'state'].map((name) => new URL(url).searchParams.get(name)))
    expect(new Set(values).size).toBe(4)
  })

  it('§3.1.3.7 (2) `iss` must be the issuer, exactly', async () => {
    for (const iss of ['https://login.example', 'https://LOGIN.example/', `${ISSUER}x`, [ISSUER]]) {
      expect(await refusal({ iss })).toMatch(/^invalid_token/)
    }
  })

  it('§3.1.3.7 (3) `aud` must have the client', async () => {
    for (const aud of ['other', [], ['other'], undefined, { [CLIENT]: true }, [[CLIENT]]]) {
      expect(await refusal({ aud })).toBe('invalid_token claim:aud')
    }
    expect(await refusal({ aud: [CLIENT] })).toBe('passed')
  })

  it('§3.1.3.7 (4, 5) a token for several, or with `azp`, must have been made for the client', async () => {
    expect(await refusal({ aud: [CLIENT, 'other'] })).toBe('invalid_token claim:azp')
    expect(await refusal({ aud: [CLIENT, 'other'], azp: 'other' })).toBe('invalid_token claim:azp')
    expect(await refusal({ azp: 'other' })).toBe('invalid_token claim:azp')
    expect(await refusal({ azp: [CLIENT] })).toBe('invalid_token claim:azp')
    expect(await refusal({ aud: [CLIENT, 'other'], azp: CLIENT })).toBe('passed')
  })

  it('§3.1.3.7 (6) the signature must be by a key of the issuer', async () => {
    const stranger = await makeKey('ES256', 'one')
    const token = await sign(good, {}, stranger)
    expect(await refusalOf(() => verifyIdToken(token, relying, NONCE))).toBe('invalid_token signature')
    const changed = withSegment(await sign(good), 1, () =>
      segment({ ...good, iss: ISSUER, aud: CLIENT, iat: NOW, exp: NOW + 120, sub: 'another' }),
    )
    expect(await refusalOf(() => verifyIdToken(changed, relying, NONCE))).toBe('invalid_token signature')
  })

  it.each(['RS256', 'PS256', 'RS512', 'ES256', 'ES384', 'EdDSA', 'Ed25519'])('§3.1.3.7 (7) %s passes', async (alg) => {
    const other = await createRelyingParty(alg)
    await expect(verifyIdToken(await other.sign(good), other.relying, NONCE)).resolves.toMatchObject({ amr: [] })
  })

  it('§3.1.3.7 (7, 8) none and HMAC are refused, with the client secret as with the public key', async () => {
    const claims = { ...good, iss: ISSUER, aud: CLIENT, iat: NOW, exp: NOW + 120 }
    const tokens = [
      unsigned(claims, { kid: 'one' }),
      unsigned(claims, { kid: 'one' }, 'AAAA'),
      await forge(hmacSigner('the client secret', 'one'), claims),
      await forge(hmacSigner(key.publicPem, 'one'), claims),
    ]
    for (const token of tokens) {
      expect(await refusalOf(() => verifyIdToken(token, relying, NONCE))).toMatch(/^invalid_token/)
    }
  })

  it('§3.1.3.7 (9) an expired token is refused, but for the configured skew', async () => {
    expect(await refusal({ exp: NOW - 5 })).toBe('invalid_token claim:expired')
    expect(await refusal({ exp: NOW - 4 })).toBe('passed')
    expect(await refusal({ exp: undefined })).toBe('invalid_token claim:exp')
  })

  it('§3.1.3.7 (10) `iat` in the future is refused, but for the configured skew', async () => {
    expect(await refusal({ iat: NOW + 6 })).toBe('invalid_token claim:iat')
    expect(await refusal({ iat: NOW + 5 })).toBe('passed')
    expect(await refusal({ iat: undefined })).toBe('invalid_token claim:iat')
  })

  it('§3.1.3.7 (11) the nonce must be the one that was sent', async () => {
    for (const nonce of [undefined, '', 'another', [NONCE]]) {
      expect(await refusal({ nonce })).toBe('invalid_token claim:nonce')
    }
  })

  it('§3.1.3.7 (13) `auth_time` in the future counts as now, and one that is none as not said', async () => {
    expect(await Promise.all([NOW + 1000, 'now', -1, 1.5, undefined].map(timeOf))).toEqual([
      NOW,
      null,
      null,
      null,
      null,
    ])
  })

  it('§5.7 users are found by issuer and subject alone', async () => {
    const scene = await createProviderScene()
    scene.provider.behave({ claims: { email: 'ada@example.com', email_verified: true, preferred_username: 'ada' } })
    await signInBy(scene)
    const headers = { Cookie: [...scene.browser.cookies].map((pair) => pair.join('=')).join('; ') }
    expect(await (await scene.world.send('/auth/session', { headers })).json()).not.toMatchObject({
      subject: 'usr_0000000000000000000001',
    })
  })

  it('§9 the client authenticates by client_secret_basic, its secret encoded (RFC 6749 §2.3.1)', async () => {
    const scene = await createProviderScene()
    expect((await signInBy(scene)).status).toBe(303)
    expect(scene.provider.asked).toContain('/token')
  })
})
