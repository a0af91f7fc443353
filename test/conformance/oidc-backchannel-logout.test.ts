// OpenID Connect Back-Channel Logout 1.0, as far as it is about relying parties.
import { describe, expect, it } from 'vitest'

import { verifyIdToken } from '../../src/tokens/id-token.ts'
import { verifyLogoutToken } from '../../src/tokens/logout-token.ts'
import type { Members } from '../support/forge.ts'
import { forge, hmacSigner, makeKey, refusalOf, unsigned } from '../support/forge.ts'
import { ada, createProviderScene } from '../support/provider-scene.ts'
import { CLIENT, createRelyingParty, ISSUER, NOW } from '../support/relying.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const good = { sub: '248289761001', sid: '08a5019c', jti: 'bWJq', events: { [EVENT]: {} } }
const TYPE = { typ: 'logout+jwt' }
const { relying, sign } = await createRelyingParty()

async function refusal(claims: Members, header: Members = TYPE): Promise<string> {
  return refusalOf(async () => verifyLogoutToken(await sign({ ...good, ...claims }, header), relying))
}

describe('OpenID Connect Back-Channel Logout 1.0', () => {
  it('§2.4 a logout token says whose session, or which session, is over', async () => {
    expect(await verifyLogoutToken(await sign(good, TYPE), relying)).toEqual({
      subject: good.sub,
      session: good.sid,
      jti: 'bWJq',
      issuedAt: NOW,
      expiresAt: NOW + 125,
    })
    expect(await refusal({ sub: undefined })).toBe('passed')
    expect(await refusal({ sid: undefined })).toBe('passed')
  })

  it('§2.4 `jti` must be there', async () => {
    for (const jti of [undefined, '', 7, 'a'.repeat(256)])
      expect(await refusal({ jti })).toBe('invalid_token claim:jti')
  })

  it('§2.4 its `typ` must be logout+jwt (RFC 8725 §3.11)', async () => {
    for (const typ of ['JWT', 'at+jwt', 'secevent+jwt', undefined]) {
      expect(await refusal({}, { typ })).toBe('invalid_token claim:typ')
    }
    expect(await refusal({}, { typ: 'application/logout+jwt' })).toBe('passed')
    expect(await refusal({}, { typ: 'LOGOUT+JWT' })).toBe('passed')
  })

  it('§2.6 (2, 3) the signature must be by a key of the issuer, and neither none nor HMAC', async () => {
    const claims = { ...good, iss: ISSUER, aud: CLIENT, iat: NOW, exp: NOW + 120 }
    const tokens = [
      await sign(good, TYPE, await makeKey('ES256', 'one')),
      unsigned(claims, { ...TYPE, kid: 'one' }),
      await forge(hmacSigner('the client secret', 'one'), claims, TYPE),
    ]
    for (const token of tokens) {
      expect(await refusalOf(() => verifyLogoutToken(token, relying))).toMatch(/^invalid_token/)
    }
  })

  it('§2.6 (4) `iss`, `aud`, `iat` and `exp` are those of an ID token', async () => {
    expect(await refusal({ iss: 'https://login.example' })).toBe('invalid_token claim:iss')
    expect(await refusal({ aud: 'other' })).toBe('invalid_token claim:aud')
    expect(await refusal({ iat: NOW + 6 })).toBe('invalid_token claim:iat')
    expect(await refusal({ exp: NOW - 5 })).toBe('invalid_token claim:expired')
    expect(await refusal({ exp: undefined })).toBe('invalid_token claim:exp')
  })

  it('§2.6 (5) `sub` or `sid` must be there, each of its right form', async () => {
    expect(await refusal({ sub: undefined, sid: undefined })).toBe('invalid_token claim:sub or sid')
    expect(await refusal({ sub: 7 })).toBe('invalid_token claim:sub')
    expect(await refusal({ sid: '' })).toBe('invalid_token claim:sid')
    expect(await refusal({ sid: null, sub: undefined })).toBe('invalid_token claim:sid')
  })

  it('§2.6 (6) `events` must have the event, whose value is an object', async () => {
    const EVENTS = [undefined, null, [EVENT], EVENT, {}, { [EVENT]: null }, { [EVENT]: true }, { [EVENT]: [] }]
    for (const events of EVENTS) expect(await refusal({ events })).toBe('invalid_token claim:events')
    expect(await refusal({ events: { [EVENT]: {}, 'https://other.example': {} } })).toBe('passed')
  })

  it('§2.6 (7) `nonce` must not be there, not even empty', async () => {
    for (const nonce of ['', 'n', null]) expect(await refusal({ nonce })).toBe('invalid_token claim:nonce')
  })

  it('§4 a token that lives longer than an hour is refused', async () => {
    expect(await refusal({ exp: NOW + 3601 })).toBe('invalid_token claim:lifetime')
    expect(await refusal({ exp: NOW + 3600 })).toBe('passed')
  })

  it('§4 it does not pass for an ID token, nor an ID token for it', async () => {
    const token = await sign({ ...good, nonce: 'n' }, TYPE)
    expect(await refusalOf(() => verifyLogoutToken(token, relying))).toBe('invalid_token claim:nonce')
    const logout = await sign(good, TYPE)
    expect(await refusalOf(() => verifyIdToken(logout, relying, 'n'))).toBe('invalid_token claim:nonce')
  })

  it('§2.8 the answer is 200, or 400 for a token that is not good, and no cache keeps it', async () => {
    const { world, provider } = await createProviderScene()
    const post = (body: string) =>
      world.send('/auth/providers/corp/backchannel-logout', {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body,
      })
    const answers = [
      await post(`logout_token=${await provider.logoutToken({ sub: ada.sub })}`),
      await post(`logout_token=${await provider.logoutToken({ sub: ada.sub, nonce: 'n' })}`),
      await post(''),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 400, 400])
    expect(answers.map(({ headers }) => headers.get('Cache-Control'))).toEqual(['no-store', 'no-store', 'no-store'])
  })
})
