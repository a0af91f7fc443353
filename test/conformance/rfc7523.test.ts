import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import type { ForgeKey, Members } from '../support/forge.ts'
import { hmacSigner, makeKey, unsigned } from '../support/forge.ts'
import type { Fields } from '../support/oauth.ts'
import {
  assertionOf,
  ASSERTION_TYPE,
  byAssertion,
  makeClient,
  makeKeyClient,
  postForm,
  told,
} from '../support/oauth.ts'
import { createWorld, ISSUER } from '../support/world.ts'
import type { World } from '../support/world.ts'

/** RFC 7518 §3.1, RFC 8037 §3.1 and RFC 9864 §2.2, without the symmetric ones. */
const EVERY_ALGORITHM = `RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519`.split(' ')
const INVALID = [401, { error: 'invalid_client' }]
const now = (): number => Math.floor(Date.now() / 1000)
const ask = (world: World, assertion: string, more: Fields = {}): Promise<Response> =>
  postForm(world, '/auth/token', { grant_type: 'client_credentials', ...byAssertion(assertion), ...more })

const made: ForgeKey[] = []
const key = async (): Promise<ForgeKey> => {
  const [known = await makeKey('ES256', 'k1')] = made
  if (made.length === 0) made.push(known)
  return known
}

describe('RFC 7523, §2.2 Using JWTs for Client Authentication', () => {
  it('a client proves itself by its key, and needs no client_id', async () => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    const answer = await told(await ask(world, await assertionOf(await key(), id)))
    expect(answer).toMatchObject([200, { token_type: 'Bearer', scope: 'jobs:run jobs:read' }])
  })

  it.each(EVERY_ALGORITHM)('by a key for %s', async (alg) => {
    const world = await createWorld()
    const signer = await makeKey(alg, 'k')
    const { id } = await makeKeyClient(signer)
    expect((await ask(world, await assertionOf(signer, id))).status).toBe(200)
  })

  it('a client_id beside it is the same one', async () => {
    const world = await createWorld()
    const [{ id }, other] = [await makeKeyClient(await key()), await makeClient()]
    const wrong = await ask(world, await assertionOf(await key(), id), { client_id: other.id })
    expect(await told(wrong)).toMatchObject([400, { error: 'invalid_request' }])
    expect((await ask(world, await assertionOf(await key(), id), { client_id: id })).status).toBe(200)
  })

  it('another client_assertion_type, or none, is refused', async () => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    const fields = { grant_type: 'client_credentials', client_assertion: await assertionOf(await key(), id) }
    expect((await postForm(world, '/auth/token', fields)).status).toBe(400)
    const saml = { ...fields, client_assertion_type: ASSERTION_TYPE.replace('jwt', 'saml2') }
    expect(await told(await postForm(world, '/auth/token', saml))).toEqual(INVALID)
    const alone = { grant_type: 'client_credentials', client_assertion_type: ASSERTION_TYPE }
    expect((await postForm(world, '/auth/token', alone)).status).toBe(400)
  })

  it('an assertion beside a secret is two methods', async () => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    const response = await ask(world, await assertionOf(await key(), id), { client_secret: 'x' })
    expect(await told(response)).toMatchObject([400, { error: 'invalid_request' }])
  })
})

describe('RFC 7523, §3 JWT Format and Processing Requirements', () => {
  it.each([`${ISSUER}/auth/token`, [ISSUER], ISSUER])('3. aud is the issuer or the token endpoint: %o', async (aud) => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    expect((await ask(world, await assertionOf(await key(), id, { aud }))).status).toBe(200)
  })

  const wrong: readonly (readonly [string, (id: string) => Members])[] = [
    ['1. iss of somebody else', () => ({ iss: 'cli_0000000000000000000000' })],
    ['1. no iss', () => ({ iss: undefined })],
    ['2. sub of somebody else', () => ({ sub: 'cli_0000000000000000000000' })],
    ['2. no sub', () => ({ sub: undefined })],
    ['3. aud of another server', () => ({ aud: 'https://other.example.com' })],
    ['3. aud of another server beside ours', () => ({ aud: [ISSUER, 'https://other.example.com'] })],
    ['3. aud with a slash more', () => ({ aud: `${ISSUER}/` })],
    ['3. the revocation endpoint as aud', () => ({ aud: `${ISSUER}/auth/revoke` })],
    ['3. no aud', () => ({ aud: undefined })],
    ['4. no exp', () => ({ exp: undefined })],
    ['4. exp in the past', () => ({ exp: now() - 10 })],
    ['4. exp in more than five minutes', () => ({ exp: now() + 400 })],
    ['4. exp that is no integer', () => ({ exp: now() + 60.5 })],
    ['5. nbf in the future', () => ({ nbf: now() + 60 })],
    ['6. iat in the future', () => ({ iat: now() + 60 })],
    ['7. no jti', () => ({ jti: undefined })],
    ['7. an empty jti', () => ({ jti: '' })],
    ['7. jti that is no text', () => ({ jti: 7 })],
  ]

  it.each(wrong)('%s is invalid_client', async (_, changes) => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    const response = await ask(world, await assertionOf(await key(), id, changes(id)), { client_id: id })
    expect([400, 401]).toContain(response.status)
    const named = await ask(world, await assertionOf(await key(), id, changes(id)))
    expect(await told(named)).toEqual(INVALID)
  })

  it('7. an assertion that comes twice proves nothing the second time, at whatever endpoint', async () => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    const assertion = await assertionOf(await key(), id)
    expect((await ask(world, assertion)).status).toBe(200)
    expect(await told(await ask(world, assertion))).toEqual(INVALID)
    expect((await postForm(world, '/auth/revoke', { token: 'x', ...byAssertion(assertion) })).status).toBe(401)
    expect((await postForm(world, '/auth/introspect', { token: 'x', ...byAssertion(assertion) })).status).toBe(401)
  })

  it('7. of the same assertion many times at once, one passes', async () => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    const assertion = await assertionOf(await key(), id)
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(world, assertion)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  it('7. the same jti in another assertion is the same, and of another client is not', async () => {
    const world = await createWorld()
    const [one, two] = [await makeKeyClient(await key()), await makeKeyClient(await key())]
    const status = async (id: string): Promise<number> =>
      (await ask(world, await assertionOf(await key(), id, { jti: 'again' }))).status
    expect([await status(one.id), await status(one.id), await status(two.id)]).toEqual([200, 401, 200])
  })

  it('7. one that could not be remembered proves nothing', async () => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    const batch = (statements: D1PreparedStatement[]): Promise<unknown> => {
      batches.push(statements.length)
      return batches.length > 1 ? Promise.reject(new Error('down')) : env.DB.batch(statements)
    }
    const batches: number[] = []
    const isolate = { ...world.env, DB: { prepare: (sql: string) => env.DB.prepare(sql), batch } }
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      ...byAssertion(await assertionOf(await key(), id)),
    })
    const response = await world.sendIn(isolate, '/auth/token', { method: 'POST', body })
    expect(await told(response)).toEqual([503, { error: 'temporarily_unavailable' }])
  })

  it('7. the cron forgets what cannot come again, and nothing else', async () => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    await ask(world, await assertionOf(await key(), id))
    await env.DB.prepare(`INSERT INTO client_assertions VALUES (?1, 'old', unixepoch() - 601)`).bind(id).run()
    await world.runCron()
    const { results } = await env.DB.prepare('SELECT jti FROM client_assertions').all()
    expect(results).toEqual([{ jti: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) }])
  })

  it('9. a signature by another key is refused, whatever kid it names', async () => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    const thief = await makeKey('ES256', 'k1')
    expect(await told(await ask(world, await assertionOf(thief, id)))).toEqual(INVALID)
  })

  it('9. a key of another client is none of its own', async () => {
    const world = await createWorld()
    const [{ id }, key2] = [await makeKeyClient(await key()), await makeKey('ES256', 'k2')]
    await makeKeyClient(key2)
    expect(await told(await ask(world, await assertionOf(key2, id)))).toEqual(INVALID)
  })

  it('9. the key picks alg: neither none nor the public key as a secret', async () => {
    const world = await createWorld()
    const rsa = await makeKey('RS256', 'k1')
    const { id } = await makeKeyClient(rsa)
    const claims = { iss: id, sub: id, aud: ISSUER, jti: 'x', exp: now() + 60 }
    const asSecret = hmacSigner(rsa.publicPem, 'k1')
    expect(await told(await ask(world, await assertionOf(asSecret, id)))).toEqual(INVALID)
    expect(await told(await ask(world, unsigned(claims, { kid: 'k1', typ: 'JWT' })))).toEqual(INVALID)
    expect(await told(await ask(world, await assertionOf({ ...rsa, alg: 'PS256' }, id)))).toEqual(INVALID)
  })

  it('9. without kid the only key is meant, and of two none', async () => {
    const world = await createWorld()
    const second = await makeKey('ES256', 'k2')
    const [one, two] = [await makeKeyClient(await key()), await makeKeyClient(await key(), second)]
    const nameless = { ...(await key()), kid: undefined }
    expect((await ask(world, await assertionOf(nameless, one.id))).status).toBe(200)
    expect(await told(await ask(world, await assertionOf(nameless, two.id)))).toEqual(INVALID)
  })

  it.each(['at+jwt', 'gatehouse+jwt', 'logout+jwt', 'dpop+jwt'])('a token of type %s is no assertion', async (typ) => {
    const world = await createWorld()
    const { id } = await makeKeyClient(await key())
    expect(await told(await ask(world, await assertionOf(await key(), id, {}, { typ })))).toEqual(INVALID)
  })

  it('a client with a secret and no keys is not proved by one', async () => {
    const world = await createWorld()
    const { id } = await makeClient()
    expect(await told(await ask(world, await assertionOf(await key(), id)))).toEqual(INVALID)
  })
})
