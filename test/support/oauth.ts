// OAuth clients for tests: made as the gateway makes them, and what they send.

import { env } from 'cloudflare:workers'

import { createClient } from '../../src/clients/lifecycle.ts'
import type { NewClient } from '../../src/clients/lifecycle.ts'
import type { ForgeKey, Members, Signer } from './forge.ts'
import { forge } from './forge.ts'
import { ISSUER } from './world.ts'
import type { World } from './world.ts'

export type Fields = Readonly<Record<string, string>>

export interface TestClient {
  readonly id: string
  readonly secret: string
}

/** A client with a secret, who may have `jobs:run` and `jobs:read`. */
export async function makeClient(changes: Partial<NewClient> = {}): Promise<TestClient> {
  const profile = { roles: ['robot'], scopes: ['jobs:run', 'jobs:read'], claims: { tenant: 'acme' } }
  const created = await createClient(env.DB, { name: 'nightly', proof: { by: 'secret' }, ...profile, ...changes })
  if (created.outcome === 'refused') throw new Error(created.problem)
  return { id: created.id, secret: created.secret ?? '' }
}

/** A client that authenticates by the private half of these keys. */
export function makeKeyClient(...keys: readonly ForgeKey[]): Promise<TestClient> {
  return makeClient({ proof: { by: 'keys', jwks: { keys: keys.map(({ publicJwk }) => publicJwk) } } })
}

/** RFC 6749 §2.3.1, as stock clients write it: every character that could be encoded is. */
export function basic({ id, secret }: TestClient): Fields {
  return { Authorization: `Basic ${btoa(`${encodeAll(id)}:${encodeAll(secret)}`)}` }
}

function encodeAll(text: string): string {
  return encodeURIComponent(text).replaceAll('_', '%5F').replaceAll('-', '%2D')
}

export function postForm(world: World, path: string, fields: Fields | string, headers: Fields = {}): Promise<Response> {
  const body = typeof fields === 'string' ? fields : new URLSearchParams(fields).toString()
  return world.send(path, {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
  })
}

/** Status and body of an answer. */
export async function told(response: Response): Promise<readonly [number, unknown]> {
  const text = await response.text()
  return [response.status, text === '' ? null : JSON.parse(text)]
}

/** An access token of the client's own. */
export async function tokenOf(world: World, client: TestClient, fields: Fields = {}): Promise<string> {
  const response = await postForm(world, '/auth/token', { grant_type: 'client_credentials', ...fields }, basic(client))
  const body: unknown = await response.json()
  return String(Object(body).access_token)
}

export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** A client's assertion with everything right about it, but for `changes`. */
export function assertionOf(
  signer: Signer,
  clientId: string,
  changes: Members = {},
  header: Members = { typ: 'JWT' },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const times = { iat: now, exp: now + 60 }
  return forge(
    signer,
    { iss: clientId, sub: clientId, aud: ISSUER, jti: crypto.randomUUID(), ...times, ...changes },
    header,
  )
}

/** The parameters that go with an assertion. */
export function byAssertion(assertion: string): Fields {
  return { client_assertion_type: ASSERTION_TYPE, client_assertion: assertion }
}
