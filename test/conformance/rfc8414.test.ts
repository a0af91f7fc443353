import { describe, expect, it } from 'vitest'

import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { postForm, told } from '../support/oauth.ts'
import { createWorld, ISSUER } from '../support/world.ts'
import type { World } from '../support/world.ts'

async function metadataOf(world: World): Promise<JsonObject> {
  const body: unknown = await (await world.send('/.well-known/oauth-authorization-server')).json()
  if (!isObject(body)) throw new Error('no metadata')
  return body
}

describe('RFC 8414, Authorization Server Metadata', () => {
  it('§2 issuer is exactly ISSUER', async () => {
    expect((await metadataOf(await createWorld()))['issuer']).toBe(ISSUER)
  })

  it('§2 no endpoint is named that is not there', async () => {
    const world = await createWorld({ vars: { AUTH_PATH: '/login' } })
    const metadata = await metadataOf(world)
    const urls = Object.entries(metadata).filter(([name]) => /_endpoint$|^jwks_uri$/.test(name))
    expect(urls.map(([name]) => name).toSorted()).toEqual([
      'introspection_endpoint',
      'jwks_uri',
      'revocation_endpoint',
      'token_endpoint',
    ])
    for (const [name, url] of urls) {
      const { pathname, origin } = new URL(String(url))
      expect(origin).toBe(ISSUER)
      const [status] =
        name === 'jwks_uri' ? [(await world.send(pathname)).status] : await told(await postForm(world, pathname, {}))
      expect(status).toBe(name === 'jwks_uri' ? 200 : 400)
    }
  })

  it('§2 no grant is named that is not supported, and no supported one is left out', async () => {
    const world = await createWorld()
    const { grant_types_supported: grants } = await metadataOf(world)
    const candidates = ['refresh_token', 'client_credentials', 'authorization_code', 'password', 'implicit']
    const answers = candidates.map(async (grant_type) => {
      const [, body] = await told(await postForm(world, '/auth/token', { grant_type }))
      return Object(body).error === 'unsupported_grant_type' ? [] : [grant_type]
    })
    expect((await Promise.all(answers)).flat()).toEqual(grants)
  })

  it('§2 neither none nor an algorithm with a shared secret signs an assertion', async () => {
    const metadata = await metadataOf(await createWorld())
    const names = Object.keys(metadata).filter((name) => name.endsWith('_signing_alg_values_supported'))
    expect(names).toHaveLength(3)
    for (const name of names) expect(String(metadata[name])).not.toMatch(/none|HS/)
  })

  it('§3.1 Authorization Server Metadata Request: by GET at the well-known URL, wherever AUTH_PATH is', async () => {
    const world = await createWorld({ vars: { AUTH_PATH: '/login' } })
    expect((await world.send('/.well-known/oauth-authorization-server')).status).toBe(200)
    expect((await world.send('/.well-known/oauth-authorization-server', { method: 'POST' })).status).toBe(405)
  })

  it('§3.2 Authorization Server Metadata Response: JSON that may be kept for five minutes', async () => {
    const response = await (await createWorld()).send('/.well-known/oauth-authorization-server')
    expect(response.headers.get('Content-Type')).toBe('application/json')
    expect(response.headers.get('Cache-Control')).toBe('public, max-age=300')
  })
})
