import { describe, expect, it } from 'vitest'

import { newClientSecret } from '../../src/clients/secrets.ts'
import { flipUnusedBits } from '../support/forge.ts'
import type { Fields } from '../support/oauth.ts'
import { basic, makeClient, postForm, told } from '../support/oauth.ts'
import { createWorld } from '../support/world.ts'

const OWN = { grant_type: 'client_credentials' }
const refresh = (token: string, more: Fields = {}): Fields => ({
  grant_type: 'refresh_token',
  refresh_token: token,
  ...more,
})

describe('RFC 6749, client authentication', () => {
  it('§2.3.1 Client Password: Basic carries id and secret form-encoded', async () => {
    const world = await createWorld()
    const client = await makeClient()
    expect((await postForm(world, '/auth/token', OWN, basic(client))).status).toBe(200)
  })

  it('§2.3.1 Client Password: Basic is read as well where nothing needed to be encoded, and its scheme has no case', async () => {
    const world = await createWorld()
    const { id, secret } = await makeClient()
    const headers = { Authorization: `bASIC ${btoa(`${id}:${secret}`)}` }
    expect((await postForm(world, '/auth/token', OWN, headers)).status).toBe(200)
  })

  it('§2.3.1 Client Password: the body may carry them instead', async () => {
    const world = await createWorld()
    const { id, secret } = await makeClient()
    expect((await postForm(world, '/auth/token', { ...OWN, client_id: id, client_secret: secret })).status).toBe(200)
  })

  it.each(['client_secret', 'client_id', 'grant_type', 'x'])('§2.3.1 the URL carries no %s', async (name) => {
    const world = await createWorld()
    const { id, secret } = await makeClient()
    const query = new URLSearchParams({ [name]: name === 'client_id' ? id : secret }).toString()
    const response = await postForm(world, `/auth/token?${query}`, { ...OWN, client_id: id, client_secret: secret })
    expect(await told(response)).toMatchObject([400, { error: 'invalid_request' }])
  })

  it('§2.3 Client Authentication: more than one method in a request is refused, though both are right', async () => {
    const world = await createWorld()
    const client = await makeClient()
    const twice = { ...OWN, client_id: client.id, client_secret: client.secret }
    const response = await postForm(world, '/auth/token', twice, basic(client))
    expect(await told(response)).toMatchObject([400, { error: 'invalid_request' }])
  })

  it('§2.3.1 a client that names itself twice names itself alike', async () => {
    const world = await createWorld()
    const [client, other] = [await makeClient(), await makeClient()]
    const response = await postForm(world, '/auth/token', { ...OWN, client_id: other.id }, basic(client))
    expect(await told(response)).toMatchObject([400, { error: 'invalid_request' }])
  })

  const broken: Readonly<Record<string, (id: string, secret: string) => string>> = {
    'no base64': () => 'Basic %%%',
    'base64 in another alphabet': (id, secret) => `Basic ${btoa(`${id}:${secret}`)}-_`,
    'unused bits that are set': (id, secret) => `Basic ${flipUnusedBits(btoa(`${id}:${secret}`).replace('=', ''))}=`,
    'no colon': (id) => `Basic ${btoa(id)}`,
    'no UTF-8': (id) => `Basic ${btoa(`${id}:\xff`)}`,
    'percent-encoding cut short': (id, secret) => `Basic ${btoa(`${id}:${secret}%5`)}`,
    'a NUL behind the secret': (id, secret) => `Basic ${btoa(`${id}:${secret}\0`)}`,
    'a space before the id': (id, secret) => `Basic ${btoa(`+${id}:${secret}`)}`,
    'two credentials in one header': (id, secret) => `Basic ${btoa(`${id}:${secret}`)}, Basic ${btoa(`${id}:x`)}`,
    'another scheme': (_id, secret) => `Bearer ${secret}`,
    'nothing at all': () => 'Basic ',
  }

  it.each(Object.keys(broken))('§5.2 Basic with %s is invalid_client', async (what) => {
    const world = await createWorld()
    const { id, secret } = await makeClient()
    const headers = { Authorization: broken[what]?.(id, secret) ?? '' }
    const response = await postForm(world, '/auth/token', OWN, headers)
    expect(await told(response)).toEqual([401, { error: 'invalid_client' }])
  })

  it('§5.2 Error Response: who has authenticated by Basic in vain is told to, by 401', async () => {
    const world = await createWorld()
    const client = await makeClient()
    const response = await postForm(world, '/auth/token', OWN, basic({ ...client, secret: newClientSecret() }))
    expect(response.headers.get('WWW-Authenticate')).toMatch(/^Basic realm="/)
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect(response.headers.get('Content-Type')).toBe('application/json')
    expect(await told(response)).toEqual([401, { error: 'invalid_client' }])
  })
})

describe('RFC 6749, the token endpoint', () => {
  it('§3.2 Token Endpoint: POST is the only method', async () => {
    const world = await createWorld()
    const response = await world.send('/auth/token')
    expect([response.status, response.headers.get('Allow')]).toEqual([405, 'POST'])
  })

  it.each([
    ['a form field twice', 'grant_type=client_credentials&grant_type=client_credentials'],
    ['a field twice, one spelling of it encoded', 'grant_type=client_credentials&grant%5Ftype=refresh_token'],
    ['a field that is not UTF-8', 'grant_type=%FF'],
    ['no grant_type', 'scope=jobs:run'],
    ['a grant_type without a value', 'grant_type='],
    ['nothing', ''],
  ])('§3.2 %s is invalid_request', async (_, body) => {
    const world = await createWorld()
    const response = await postForm(world, '/auth/token', body, basic(await makeClient()))
    expect(await told(response)).toMatchObject([400, { error: 'invalid_request' }])
  })

  it('§3.2 parameters without a value are as if absent, and unknown ones are ignored', async () => {
    const world = await createWorld()
    const fields = { ...OWN, scope: '', client_secret: '', client_assertion: '', resource: 'x' }
    const response = await postForm(world, '/auth/token', fields, basic(await makeClient()))
    expect(await told(response)).toMatchObject([200, { scope: 'jobs:run jobs:read' }])
  })

  it.each(['application/json', 'text/plain', ''])('§3.2 a body of type "%s" is no form', async (type) => {
    const world = await createWorld()
    const headers = { ...basic(await makeClient()), 'Content-Type': type }
    const response = await postForm(world, '/auth/token', JSON.stringify(OWN), headers)
    expect(await told(response)).toMatchObject([400, { error: 'invalid_request' }])
  })

  it('§3.2 a body without end is not read to its end', async () => {
    const world = await createWorld()
    const fields = { ...OWN, scope: 'x'.repeat(20_000) }
    const response = await postForm(world, '/auth/token', fields, basic(await makeClient()))
    expect(await told(response)).toMatchObject([413, { error: 'invalid_request' }])
    expect(world.count().roundTrips).toBe(0)
  })

  it('§3.3 Access Token Scope: a client gets what it asks for, and no more', async () => {
    const world = await createWorld()
    const response = await postForm(
      world,
      '/auth/token',
      { ...OWN, scope: 'jobs:run jobs:run' },
      basic(await makeClient()),
    )
    expect(await told(response)).toMatchObject([200, { scope: 'jobs:run' }])
  })

  it.each(['jobs:run admin', 'gatehouse:admin', 'jobs:run  jobs:read', ' jobs:run', 'jobs:"run"', 'JOBS:RUN'])(
    '§3.3 "%s" is beyond what the client may have: invalid_scope',
    async (scope) => {
      const world = await createWorld()
      const response = await postForm(world, '/auth/token', { ...OWN, scope }, basic(await makeClient()))
      expect(await told(response)).toEqual([400, { error: 'invalid_scope' }])
    },
  )

  it('§4.4.2 Access Token Request: the public client has nothing of its own', async () => {
    const world = await createWorld()
    const answers = [OWN, { ...OWN, client_id: 'gatehouse' }].map((fields) => postForm(world, '/auth/token', fields))
    for (const answer of answers) expect(await told(await answer)).toEqual([401, { error: 'invalid_client' }])
  })

  it('§4.4.3 Access Token Response: a bearer token with its life and scope, and no refresh token', async () => {
    const world = await createWorld()
    const response = await postForm(world, '/auth/token', OWN, basic(await makeClient()))
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect(await response.json()).toEqual({
      access_token: expect.stringMatching(/^ey/),
      token_type: 'Bearer',
      expires_in: 900,
      scope: 'jobs:run jobs:read',
    })
  })

  it.each(['authorization_code', 'password', 'urn:ietf:params:oauth:grant-type:jwt-bearer', 'Client_Credentials'])(
    '§5.2 the grant %s is unsupported_grant_type',
    async (grant) => {
      const world = await createWorld()
      const response = await postForm(world, '/auth/token', { grant_type: grant }, basic(await makeClient()))
      expect(await told(response)).toEqual([400, { error: 'unsupported_grant_type' }])
    },
  )
})

describe('RFC 6749, §6 Refreshing an Access Token', () => {
  it.each([{}, { client_id: 'gatehouse' }, { scope: 'orders:read' }])(
    'the public client refreshes, with %o',
    async (more) => {
      const world = await createWorld()
      const tokens = await world.signInForTokens()
      const answer = await told(await postForm(world, '/auth/token', refresh(tokens.refresh, more)))
      expect(answer).toMatchObject([200, { token_type: 'Bearer', expires_in: 900, scope: 'orders:read' }])
      expect(Object(answer[1])).toHaveProperty('refresh_token')
    },
  )

  it('asks D1 once', async () => {
    const world = await createWorld()
    const tokens = await world.signInForTokens()
    world.count()
    await postForm(world, '/auth/token', refresh(tokens.refresh))
    expect(world.count().roundTrips).toBe(1)
  })

  it.each(['orders:read orders:write', 'orders:write', 'orders:read gatehouse:admin'])(
    'gives no other scope than the session has: "%s"',
    async (scope) => {
      const world = await createWorld()
      const tokens = await world.signInForTokens()
      const response = await postForm(world, '/auth/token', refresh(tokens.refresh, { scope }))
      expect(await told(response)).toEqual([400, { error: 'invalid_scope' }])
      expect((await postForm(world, '/auth/token', refresh(tokens.refresh))).status).toBe(200)
    },
  )

  it('a token that is not ours, or of a session that has ended, is invalid_grant', async () => {
    const world = await createWorld()
    const tokens = await world.signInForTokens()
    await world.post('/auth/sign-out', { refresh_token: tokens.refresh })
    for (const token of [tokens.refresh, `${tokens.refresh}x`, tokens.access, 'x'])
      expect(await told(await postForm(world, '/auth/token', refresh(token)))).toEqual([
        400,
        { error: 'invalid_grant' },
      ])
  })

  it('a client that authenticates refreshes no session of another, and does not use it up', async () => {
    const world = await createWorld()
    const tokens = await world.signInForTokens()
    const client = await makeClient()
    const response = await postForm(world, '/auth/token', refresh(tokens.refresh), basic(client))
    expect(await told(response)).toEqual([400, { error: 'invalid_grant' }])
    expect((await postForm(world, '/auth/token', refresh(tokens.refresh))).status).toBe(200)
  })

  it('a client that only names itself is invalid_client', async () => {
    const world = await createWorld()
    const tokens = await world.signInForTokens()
    const { id } = await makeClient()
    const response = await postForm(world, '/auth/token', refresh(tokens.refresh, { client_id: id }))
    expect(await told(response)).toEqual([401, { error: 'invalid_client' }])
  })

  it('D1 that fails is 503, and the refresh token is good afterwards', async () => {
    const world = await createWorld()
    const tokens = await world.signInForTokens()
    const down = {
      ...world.env,
      DB: { prepare: () => ({ bind: () => null }), batch: () => Promise.reject(new Error('down')) },
    }
    const response = await world.sendIn(down, '/auth/token', {
      method: 'POST',
      body: new URLSearchParams(refresh(tokens.refresh)),
    })
    expect(response.headers.get('Retry-After')).toBe('5')
    expect(await told(response)).toEqual([503, { error: 'temporarily_unavailable' }])
    expect((await postForm(world, '/auth/token', refresh(tokens.refresh))).status).toBe(200)
  })

  it('no page of another site refreshes', async () => {
    const world = await createWorld()
    const tokens = await world.signInForTokens()
    const headers = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }
    const response = await postForm(world, '/auth/token', refresh(tokens.refresh), headers)
    expect(await told(response)).toEqual([403, { error: 'invalid_request' }])
  })
})
