// RFC 9470, step-up authentication: a sign-in that is too old for a route.
import { describe, expect, it } from 'vitest'

import type { Members } from '../support/forge.ts'
import { forge, hmacSigner, issuerPayload, makeKey, ownPayload } from '../support/forge.ts'
import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'

const OTHER = 'https://old.example.com'
const SECRET = 'a secret of thirty-two bytes or more'
const key = await makeKey('ES256', 'k1')

const routes = [
  { path: '/*', upstream: UPSTREAM, revocation: 'expiry', max_auth_age: '10m', issuers: ['self', OTHER] },
  { path: '/write', upstream: UPSTREAM, revocation: 'expiry', max_auth_age: '10m', scopes: ['orders:delete'] },
  { path: '/any', upstream: UPSTREAM, revocation: 'expiry' },
]
const other = { issuer: OTHER, secret: 'OLD_JWT', audience: [ISSUER], accept_until: '2099-01-01', subject_prefix: '' }

const createStepUpWorld = () =>
  createWorld({
    routes,
    vars: { SIGNING_KEYS: JSON.stringify({ keys: [key.privateJwk] }), ISSUERS: [other], OLD_JWT: SECRET },
  })

const now = () => Math.floor(Date.now() / 1000)
const signedIn = (secondsAgo: number) =>
  forge(key, ownPayload(now(), { iss: ISSUER, aud: ISSUER, auth_time: now() - secondsAgo }))
const signedInElsewhere = (claims: Members) =>
  forge(hmacSigner(SECRET), issuerPayload(now(), { iss: OTHER, aud: ISSUER, ...claims }))

describe('RFC 9470 §3: the challenge', () => {
  it('§3: is a 401 of the scheme of RFC 6750 with its own error code and the max_age, in seconds', async () => {
    const world = await createStepUpWorld()
    const response = await world.bearer(await signedIn(660), '/x')
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toBe(
      'Bearer error="insufficient_user_authentication", max_age="600"',
    )
    expect(await response.json()).toMatchObject({ code: 'insufficient_user_authentication', max_age: 600 })
    expect(world.seen).toEqual([])
  })

  it('§3: is not for a sign-in that is recent enough, nor for a route that does not ask', async () => {
    const world = await createStepUpWorld()
    expect((await world.bearer(await signedIn(540), '/x')).status).toBe(200)
    expect((await world.bearer(await signedIn(660), '/any')).status).toBe(200)
  })

  it('§3: does not stand in the place of invalid_token, which a new sign-in does not mend', async () => {
    const world = await createStepUpWorld()
    const forged = await forge(await makeKey('ES256', 'k1'), ownPayload(now(), { iss: ISSUER, aud: ISSUER }))
    const response = await world.bearer(forged, '/x')
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer error="invalid_token"')
  })

  it('§3: nor of insufficient_scope, which it would not mend either', async () => {
    const world = await createStepUpWorld()
    const response = await world.bearer(await signedIn(660), '/write')
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ code: 'insufficient_scope' })
  })
})

describe('RFC 9470 §6.1: the time of the sign-in', () => {
  it('§6.1: is auth_time of another issuer’s token too', async () => {
    const world = await createStepUpWorld()
    expect((await world.bearer(await signedInElsewhere({ auth_time: now() - 60 }), '/x')).status).toBe(200)
    expect((await world.bearer(await signedInElsewhere({ auth_time: now() - 660 }), '/x')).status).toBe(401)
  })

  it('§6.1: is unknown where a token does not say, and unknown is not recent', async () => {
    const world = await createStepUpWorld()
    const response = await world.bearer(await signedInElsewhere({}), '/x')
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'insufficient_user_authentication' })
  })

  it('§6.1: must be a time: one to come is refused', async () => {
    const world = await createStepUpWorld()
    const response = await world.bearer(await signedInElsewhere({ auth_time: now() + 3600 }), '/x')
    expect(await response.json()).toMatchObject({ code: 'invalid_token' })
  })
})
