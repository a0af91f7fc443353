import { createPublicKey, randomBytes } from 'node:crypto'

import type { JWK } from 'jose'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import jwt from 'jsonwebtoken'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { parseConfig } from '../../src/config/parse.ts'
import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { createSignedText } from '../../src/signed-text.ts'
import { createJwksCache } from '../../src/tokens/jwks-cache.ts'
import { configEnv } from '../support/config-env.ts'
import { forge, hmacSigner, segment, unsigned, withSegment } from '../support/forge.ts'
import type { Answer } from '../support/gateway.ts'
import { ISSUER, startGateway, valuesOf } from '../support/gateway.ts'
import type { Behaviour, OpenIdProvider } from '../support/provider.ts'
import { API, CLIENT, PERSON, SCOPES, startProvider } from '../support/provider.ts'
import { startUpstream } from '../support/upstream.ts'

/** What the log may say of each; two bodies that never come end by whichever limit is felt first. */
const OUTAGE_REASONS: readonly (readonly [Behaviour, readonly string[]])[] = [
  ['hanging up', ['jwks:fetch']],
  ['answering 500', ['jwks:status_500']],
  ['answering 404', ['jwks:status_404']],
  ['answering HTML', ['jwks:malformed']],
  ['answering nothing', ['jwks:malformed']],
  ['answering other JSON', ['jwks:issuer_mismatch', 'jwks:no_keys']],
  ['redirecting', ['jwks:status_302']],
  ['never answering', ['jwks:timeout', 'jwks:fetch']],
  ['never ending', ['jwks:timeout', 'jwks:fetch']],
  ['answering too much', ['jwks:too_large']],
]

const upstream = await startUpstream()

/** What the gateway knows of an issuer lasts, so each story has a provider of its own; its route is `/<story>/*`. */
const STORIES = `
  standing other oauth-only crowded flooded rotating outlasting unreached recovering
  young forged withdrawing surviving forgotten
`
  .trim()
  .split(/\s+/)
const OUTAGES = OUTAGE_REASONS.flatMap(([behaviour, reasons]) => [
  { story: `${behaviour.replaceAll(' ', '-')}-by-discovery`, behaviour, reasons, by: 'by discovery' },
  { story: `${behaviour.replaceAll(' ', '-')}-by-jwks-uri`, behaviour, reasons, by: 'by jwks_uri' },
])

const providers = new Map([['explicit', await startProvider('RS256')]])
for (const story of [...STORIES, ...OUTAGES.map((outage) => outage.story)]) providers.set(story, await startProvider())

function provider(story: string): OpenIdProvider {
  const found = providers.get(story)
  if (found === undefined) throw new Error(`no provider for ${story}`)
  return found
}

const standing = provider('standing').issuer
const HOME_MADE = 'https://old.example.com'
const ENDED = 'https://older.example.com'
const homeMadeSecret = randomBytes(32).toString('base64url')
const homeMade = { secret: 'LEGACY_JWT', audience: [API], types: [''] }

function issuerEntry(story: string, issuer: string, jwksUri: string) {
  // A client's id as well, so that an ID token is refused for what it is and not for whom it is.
  const prefix = story === 'standing' ? { subject_prefix: '' } : {}
  const entry = { issuer, audience: [API, CLIENT], types: ['at+jwt'], ...prefix }
  const isConfigured = story === 'explicit' || story.endsWith('-by-jwks-uri')
  return isConfigured ? { ...entry, jwks_uri: jwksUri } : entry
}

const vars = {
  LEGACY_JWT: homeMadeSecret,
  ISSUERS: [
    ...[...providers].map(([story, { issuer, jwksUri }]) => issuerEntry(story, issuer, jwksUri)),
    { ...homeMade, issuer: HOME_MADE, accept_until: '2099-01-01', subject_prefix: '' },
    { ...homeMade, issuer: ENDED, accept_until: '2020-01-01', subject_prefix: 'older:' },
  ],
  ROUTES: [
    ...[...providers].map(([story, { issuer }]) => ({
      path: `/${story}/*`,
      upstream: upstream.origin,
      issuers: [issuer],
    })),
    {
      path: '/standing/read',
      upstream: upstream.origin,
      issuers: [provider('standing').issuer],
      scopes: ['orders:read'],
    },
    { path: '/standing/own', upstream: upstream.origin, revocation: 'expiry' },
    {
      path: '/standing/both',
      upstream: upstream.origin,
      issuers: ['self', provider('standing').issuer],
      revocation: 'expiry',
    },
    { path: '/home-made/*', upstream: upstream.origin, issuers: [HOME_MADE, ENDED] },
    { path: '/cache', upstream: 'https://cache.internal', binding: 'CACHE', access: 'public' },
  ],
}

/** Puts into the Cache API of the location what the request says. */
const CACHE = `export default { async fetch(request) {
  const { url, body, headers } = await request.json()
  await caches.default.put(url, new Response(body, { headers }))
  return new Response()
} }`

const gateway = await startGateway({ vars, services: { CACHE } })

beforeEach(() => upstream.forget())

const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } })

async function statusOf(target: string, token: string): Promise<number> {
  return (await gateway.send(target, bearer(token))).status
}

function json({ body }: Pick<Answer, 'body'>): JsonObject {
  const value: unknown = JSON.parse(body.toString())
  return isObject(value) ? value : {}
}

/** Why a request was refused: its code, and the reason that the log has under its id. */
async function refusalOf(target: string, token: string): Promise<string> {
  const { code, request_id: id } = json(await gateway.send(target, bearer(token)))
  const logged = await vi.waitFor(() => {
    const line = gateway.log.find((text) => text.includes(`"request_id":"${String(id)}"`))
    if (line === undefined) throw new Error('not logged')
    return json({ body: Buffer.from(line) })
  })
  return `${String(code)}: ${String(logged['reason'])}`
}

/** What another isolate of the location, which fetched a key set `age` seconds ago, has left there. */
async function leaveInCache(story: string, age: number, signedByUs = true): Promise<void> {
  const { issuer, publicJwks } = provider(story)
  const parsed = parseConfig(configEnv({ ...vars, CACHE: { fetch: () => null } }))
  const entry = parsed.outcome === 'parsed' ? parsed.config.issuers.find((one) => one.issuer === issuer) : undefined
  if (entry === undefined) throw new Error('no such issuer')
  vi.stubGlobal('caches', { default: { put } })
  const keys = [Buffer.from(gateway.secrets.SESSION_KEYS, 'base64url')]
  const signed = createSignedText({ keys: signedByUs ? keys : [randomBytes(32)], now: () => 0, log: () => undefined })
  await createJwksCache(signed).write(entry, { jwks: publicJwks(), fetchedAt: Math.floor(Date.now() / 1000) - age })
  vi.unstubAllGlobals()
}

async function put(url: string, response: Response): Promise<void> {
  const body = JSON.stringify({ url, body: await response.text(), headers: [...response.headers] })
  await gateway.send('/cache', { method: 'POST', body })
}

function seenHeader(name: string): readonly string[] {
  return upstream.seen.flatMap((seen) => valuesOf(seen, name))
}

describe('a token of another issuer', () => {
  it('passes by discovery, and says at the upstream whose it is', async () => {
    const { issuer, accessToken } = provider('standing')

    expect(await statusOf('/standing/x', await accessToken('orders:read'))).toBe(200)

    expect(seenHeader('Gatehouse-Issuer')).toEqual([issuer])
    expect(seenHeader('Gatehouse-Subject')).toEqual([CLIENT])
    expect(seenHeader('Gatehouse-Scope')).toEqual(['orders:read'])
    expect(seenHeader('Gatehouse-Session')).toEqual([])
    expect(seenHeader('Authorization')).toEqual([])
  })

  it('passes by the jwks_uri that is configured, which spares discovery', async () => {
    const { accessToken, asked } = provider('explicit')
    const token = await accessToken()
    asked()

    expect(decodeProtectedHeader(token).alg).toBe('RS256')
    expect(await statusOf('/explicit/x', token)).toBe(200)
    expect(asked()).toEqual({ discovery: 0, jwks: 1 })
  })

  it('passes where the issuer has the metadata of RFC 8414 only', async () => {
    const { accessToken, behave } = provider('oauth-only')
    behave('with OAuth metadata only')

    expect(await statusOf('/oauth-only/x', await accessToken())).toBe(200)
  })

  it('passes for a person who has signed in there', async () => {
    const { access } = await provider('standing').signIn()

    expect(await statusOf('/standing/x', access)).toBe(200)
    expect(seenHeader('Gatehouse-Subject')).toEqual([PERSON])
  })

  it('passes with the scopes that the route asks for only', async () => {
    const { accessToken } = provider('standing')

    expect(await statusOf('/standing/read', await accessToken('orders:read orders:write'))).toBe(200)
    const refused = await gateway.send('/standing/read', bearer(await accessToken('orders:write')))
    expect(refused.status).toBe(403)
    expect(json(refused)).toMatchObject({ code: 'insufficient_scope', missing: ['orders:read'] })
    expect(upstream.seen).toHaveLength(1)
  })

  it('passes only where the route names its issuer, one that was remembered too', async () => {
    const foreign = await provider('standing').accessToken()
    const own = await gateway.token()

    expect(await statusOf('/standing/both', foreign)).toBe(200)
    expect(await statusOf('/standing/both', own)).toBe(200)
    expect(await refusalOf('/standing/own', foreign)).toBe('invalid_token: issuer')
    expect(await refusalOf('/crowded/x', foreign)).toBe('invalid_token: issuer')
    expect(await refusalOf('/standing/x', own)).toBe('invalid_token: issuer')
    expect(upstream.seen).toHaveLength(2)
  })

  it('meets the rules of each route anew, one that was remembered too', async () => {
    const token = await provider('standing').accessToken('orders:write')

    expect(await statusOf('/standing/x', token)).toBe(200)
    expect(await statusOf('/standing/read', token)).toBe(403)
    expect(await statusOf('/standing/x', token)).toBe(200)
  })

  it.each<[string, string, () => Promise<string>]>([
    ['for another audience', 'claim:aud', () => provider('standing').sign({ aud: 'https://other.test' })],
    ['for no audience', 'claim:aud', () => provider('standing').sign({ aud: undefined })],
    ['of an issuer that nobody configured', 'issuer', () => provider('standing').sign({ iss: 'https://evil.test' })],
    ['with a slash more in `iss`', 'issuer', () => provider('standing').sign({ iss: `${standing}/` })],
    ['of another provider in the name of this one', 'kid', () => provider('other').sign({ iss: standing })],
    [
      "of another provider by this one's kid",
      'signature',
      () => provider('other').sign({ iss: standing }, { kid: provider('standing').key().kid }),
    ],
    ['that is an ID token', 'claim:typ', async () => (await provider('standing').signIn()).id],
    ['of typ JWT, where only at+jwt is accepted', 'claim:typ', () => provider('standing').sign({}, { typ: 'JWT' })],
    ['that is opaque', 'malformed:segments', async () => (await provider('standing').signIn()).opaque],
    ['that has expired', 'claim:expired', () => provider('standing').sign({ exp: Math.floor(Date.now() / 1000) - 6 })],
    ['without expiry', 'claim:exp', () => provider('standing').sign({ exp: undefined })],
    ['that would live for years', 'claim:lifetime', () => provider('standing').sign({ exp: 4_000_000_000 })],
    ['without kid', 'kid', () => provider('standing').sign({}, { kid: undefined })],
    ['that was altered', 'signature', async () => withSubject(await provider('standing').accessToken(), 'root')],
  ])('%s is refused (%s)', async (_, reason, make) => {
    expect(await refusalOf('/standing/x', await make())).toBe(`invalid_token: ${reason}`)
    expect(upstream.seen).toEqual([])
  })

  it.each(['standing', 'explicit'])('signed with the public key of the provider (%s) is refused', async (story) => {
    const { key, accessToken } = provider(story)
    const { kid = '' } = key()
    const claims = decodeJwt(await accessToken())
    const publicKey = createPublicKey({ key: { ...provider(story).publicJwks().keys[0] }, format: 'jwk' })
    const shapes = [
      publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(provider(story).publicJwks().keys[0]),
    ]

    for (const shape of shapes) {
      const token = await forge(hmacSigner(shape, kid), claims)
      expect(await refusalOf(`/${story}/x`, token)).toBe('invalid_token: algorithm')
    }
    const none = unsigned(claims, { kid }, 'AAAA')
    expect(await refusalOf(`/${story}/x`, none)).toBe('invalid_token: algorithm')
    expect(upstream.seen).toEqual([])
  })
})

function withSubject(token: string, sub: string): string {
  const claims = decodeJwt(token)
  return withSegment(token, 1, () => segment({ ...claims, sub }))
}

describe('the assertion of another issuer’s identity', () => {
  it('is good for stock libraries by the published keys, for this upstream alone', async () => {
    const { issuer, signIn } = provider('standing')
    await gateway.send('/standing/x', bearer((await signIn()).access))
    const [assertion = ''] = seenHeader('Gatehouse-Assertion')
    const published = json(await gateway.send('/.well-known/jwks.json'))['keys']
    const keys: readonly JWK[] = Array.isArray(published) ? published.filter(isObject) : []
    const expected = {
      iss: ISSUER,
      aud: `upstream:${upstream.origin}`,
      sub: PERSON,
      sub_id: { format: 'iss_sub', iss: issuer, sub: PERSON },
      scope: SCOPES,
      client_id: CLIENT,
    }

    const check = { issuer: ISSUER, audience: expected.aud, typ: 'gatehouse+jwt' }
    const { payload } = await jwtVerify(assertion, createLocalJWKSet({ keys: [...keys] }), check)
    expect(payload).toMatchObject(expected)

    const { kid } = decodeProtectedHeader(assertion)
    const key = createPublicKey({ key: { ...keys.find((jwk) => jwk.kid === kid) }, format: 'jwk' })
    const { issuer: ours, audience } = check
    expect(jwt.verify(assertion, key, { algorithms: ['ES256'], issuer: ours, audience })).toMatchObject(expected)
    expect(() =>
      jwt.verify(assertion, key, { algorithms: ['ES256'], audience: 'upstream:https://other.test' }),
    ).toThrow('audience invalid')
  })

  it('is no access token, neither here nor at the provider’s route', async () => {
    await gateway.send('/standing/x', bearer(await provider('standing').accessToken()))
    const [assertion = ''] = seenHeader('Gatehouse-Assertion')

    expect(await refusalOf('/standing/both', assertion)).toBe('invalid_token: claim:typ')
  })
})

describe('the keys of another issuer', () => {
  it('are fetched once for many first requests at the same time', async () => {
    const { accessToken, asked } = provider('crowded')
    const tokens = await Promise.all(Array.from({ length: 20 }, () => accessToken()))

    const statuses = await Promise.all(tokens.map((token) => statusOf('/crowded/x', token)))

    expect(statuses).toEqual(tokens.map(() => 200))
    expect(asked()).toEqual({ discovery: 1, jwks: 1 })
  })

  it('are fetched once for a flood of unknown kids, which refuses nobody who is known', async () => {
    const { accessToken, sign, asked } = provider('flooded')
    const unknown = await Promise.all(Array.from({ length: 30 }, (_, at) => sign({}, { kid: `unknown-${at}` })))

    const refusals = await Promise.all(unknown.map((token) => refusalOf('/flooded/x', token)))

    expect(new Set(refusals)).toEqual(new Set(['invalid_token: kid']))
    expect(await statusOf('/flooded/x', await accessToken())).toBe(200)
    expect(asked()).toEqual({ discovery: 1, jwks: 1 })
  })

  it('are taken from what another isolate of the location has fetched', async () => {
    const { accessToken, asked } = provider('young')
    await leaveInCache('young', 60)

    expect(await statusOf('/young/x', await accessToken())).toBe(200)
    expect(asked()).toEqual({ discovery: 0, jwks: 0 })
  })

  it('are not taken from what another Worker of the zone has put there', async () => {
    const { accessToken, asked } = provider('forged')
    await leaveInCache('forged', 60, false)

    expect(await statusOf('/forged/x', await accessToken())).toBe(200)
    expect(asked()).toEqual({ discovery: 1, jwks: 1 })
    expect(gateway.log.some((line) => line.includes('"mac of a key set"'))).toBe(true)
  })

  it('may be rotated: a new kid works at once, by one fetch', async () => {
    const { accessToken, rotate, asked } = provider('rotating')
    await leaveInCache('rotating', 60)
    const before = await accessToken()
    expect(await statusOf('/rotating/x', before)).toBe(200)

    await rotate()
    const after = await accessToken()

    expect(await statusOf('/rotating/x', after)).toBe(200)
    expect(await statusOf('/rotating/x', after)).toBe(200)
    expect(asked()).toEqual({ discovery: 1, jwks: 1 })
    expect(await refusalOf('/rotating/x', before)).toBe('invalid_token: kid')
  })

  it('may be withdrawn: after ten minutes they are asked for before they are believed', async () => {
    const { accessToken, rotate } = provider('withdrawing')
    await leaveInCache('withdrawing', 11 * 60)
    const token = await accessToken()

    await rotate()

    expect(await refusalOf('/withdrawing/x', token)).toBe('invalid_token: kid')
  })
})

describe('an issuer that goes down', () => {
  it('does not concern tokens of keys that were had, nor those that come later', async () => {
    const { accessToken, behave } = provider('outlasting')
    const [early, late] = [await accessToken(), await accessToken()]
    expect(await statusOf('/outlasting/x', early)).toBe(200)

    behave('hanging up')

    expect(await statusOf('/outlasting/x', early)).toBe(200)
    expect(await statusOf('/outlasting/x', late)).toBe(200)
  })

  it('leaves its keys good for a day', async () => {
    const { accessToken, behave } = provider('surviving')
    await leaveInCache('surviving', 23 * 3600)
    behave('hanging up')

    expect(await statusOf('/surviving/x', await accessToken())).toBe(200)
  })

  it('leaves nothing behind after a day', async () => {
    const { accessToken, behave } = provider('forgotten')
    await leaveInCache('forgotten', 25 * 3600)
    behave('hanging up')

    expect(await refusalOf('/forgotten/x', await accessToken())).toBe('issuer_unavailable: issuer_keys')
  })

  it('makes a kid that nobody knows a matter of 503, because it may be good', async () => {
    const { accessToken, rotate, behave } = provider('unreached')
    await leaveInCache('unreached', 60)
    const known = await accessToken()
    await rotate()
    behave('hanging up')

    expect(await refusalOf('/unreached/x', await accessToken())).toBe('issuer_unavailable: issuer_keys')
    expect(await statusOf('/unreached/x', known)).toBe(200)
  })

  it('serves again as soon as anybody in the location has its keys', async () => {
    const { accessToken, behave } = provider('recovering')
    const token = await accessToken()
    behave('hanging up')
    expect(await statusOf('/recovering/x', token)).toBe(503)

    behave('well')
    await leaveInCache('recovering', 0)

    expect(await statusOf('/recovering/x', token)).toBe(200)
  })
})

describe.concurrent('an issuer whose keys could never be had', () => {
  it.each(OUTAGES)('is 503 while $behaviour, asked $by', async ({ story, behaviour, reasons }) => {
    const { issuer, accessToken, behave } = provider(story)
    behave(behaviour)

    const answer = await gateway.send(`/${story}/x`, bearer(await accessToken()))

    expect(answer.status).toBe(503)
    expect(json(answer)).toMatchObject({ code: 'issuer_unavailable' })
    expect(valuesOf(answer, 'Retry-After')).toEqual(['30'])
    expect(valuesOf(answer, 'WWW-Authenticate')).toEqual([])
    const lines = gateway.log
      .map((text) => json({ body: Buffer.from(text) }))
      .filter((line) => line['issuer'] === issuer)
    expect(lines.map((line) => reasons.includes(String(line['reason'])))).toEqual([true])
  })
})

describe('a home-made token', () => {
  it('of jsonwebtoken, without kid and typ, passes by the shared secret', async () => {
    expect(decodeProtectedHeader(homeMadeToken())).toEqual({ alg: 'HS256' })
    expect(await statusOf('/home-made/x', homeMadeToken())).toBe(200)
    expect(seenHeader('Gatehouse-Subject')).toEqual(['42'])
    expect(seenHeader('Gatehouse-Issuer')).toEqual([HOME_MADE])
  })

  it.each([
    ['after `accept_until`', 'claim:accept_until', () => homeMadeToken({ issuer: ENDED })],
    ['of a typ that is not accepted', 'claim:typ', () => homeMadeToken({ header: { alg: 'HS256', typ: 'JWT' } })],
    ['by another algorithm', 'algorithm', () => homeMadeToken({ algorithm: 'HS512', header: { alg: 'HS512' } })],
    ['of another audience', 'claim:aud', () => homeMadeToken({ audience: 'https://other.test' })],
    ['that has expired', 'claim:expired', () => homeMadeToken({ expiresIn: -6 })],
    [
      'by another secret',
      'signature',
      () => jwt.sign({}, randomBytes(32), { issuer: HOME_MADE, audience: API, subject: '42', expiresIn: 300 }),
    ],
    ['that was altered', 'signature', () => withSubject(homeMadeToken(), 'root')],
  ])('%s is refused (%s)', async (_, reason, make) => {
    expect(await refusalOf('/home-made/x', make())).toBe(`invalid_token: ${reason}`)
    expect(upstream.seen).toEqual([])
  })

  it('signed by a provider’s key in its name is refused', async () => {
    const foreign = await provider('standing').sign({ iss: HOME_MADE })

    expect(await refusalOf('/home-made/x', foreign)).toBe('invalid_token: algorithm')
  })
})

/** What a small Node service makes for itself. */
function homeMadeToken(options: jwt.SignOptions = {}): string {
  const header = { alg: 'HS256', typ: undefined }
  const defaults: jwt.SignOptions = { issuer: HOME_MADE, audience: API, subject: '42', expiresIn: 300, header }
  return jwt.sign({}, homeMadeSecret, { ...defaults, ...options })
}
