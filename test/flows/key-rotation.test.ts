// A rotation of keys as the gateways live through it: those that have the next file already beside those that have not.

import { createLocalJWKSet, jwtVerify } from 'jose'
import type { JSONWebKeySet } from 'jose'
import { describe, expect, it } from 'vitest'

import type { Rings } from '../../bin/keys/rings.ts'
import { formatRings, readRings } from '../../bin/keys/rings.ts'
import { rotate } from '../../bin/keys/rotate.ts'
import { makeSecrets } from '../../bin/secrets.ts'
import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import { createWorld, ISSUER, UPSTREAM } from '../support/world.ts'
import type { World } from '../support/world.ts'

const DAY = 24 * 3600
const LIFETIMES = {
  sessions: { idleTimeout: 14 * DAY, absoluteTimeout: 90 * DAY, rotateAfter: 3600, reuseGrace: 30, maxPerUser: 50 },
}

/** The secrets of every deployment of one rotation, from the first file to the one without the old keys. */
async function deployments(): Promise<readonly JsonObject[]> {
  const first = readRings({ ...(await makeSecrets()) }, LIFETIMES)
  const files: Rings[] = [first]
  for (let now = 1_790_000_000; files.length < 5; now += 60) {
    const rings = files.at(-1) ?? first
    const rotated = await rotate({ rings, config: LIFETIMES, now, isDeployed: async () => 'yes', isTrusted: true })
    if (rotated.outcome === 'waiting') files.splice(-1, 1, rotated.rings)
    if (rotated.outcome === 'changed') files.push(rotated.rings)
  }
  return files.slice(0, 4).map(formatRings)
}

interface Client {
  readonly access: string
  readonly refresh: string
  readonly cookies: string
}

/** Signs in at a gateway, as an API client and as a browser. */
async function signIn(world: World, gateway: JsonObject): Promise<Client> {
  const given = async (transport: string) => {
    const body = JSON.stringify({ email: 'ada@example.com', password: 'correct horse battery', transport })
    const headers = { 'Content-Type': 'application/json', Origin: ISSUER }
    const answer = await world.sendIn(gateway, '/auth/sign-in', { method: 'POST', body, headers })
    const read: unknown = await answer.clone().json()
    const cookies = answer.headers.getSetCookie().map((line) => line.split(';')[0])
    return { body: isObject(read) ? read : {}, cookies: cookies.join('; ') }
  }
  const [tokens, browser] = [await given('token'), await given('cookie')]
  const { access_token: access, refresh_token: refresh } = tokens.body
  return { access: String(access), refresh: String(refresh), cookies: browser.cookies }
}

/** A client's three ways to say who it is, at one gateway. */
async function statusesAt(world: World, gateway: JsonObject, client: Client): Promise<readonly number[]> {
  const session = client.cookies.split('; ').find((cookie) => cookie.startsWith('__Host-gatehouse_session')) ?? ''
  const answers = await Promise.all([
    world.sendIn(gateway, '/x', { headers: { Authorization: `Bearer ${client.access}` } }),
    world.sendIn(gateway, '/x', { headers: { Cookie: client.cookies } }),
    world.sendIn(gateway, '/x', { headers: { Cookie: session } }),
    world.sendIn(gateway, '/auth/refresh', {
      method: 'POST',
      body: JSON.stringify({ refresh_token: client.refresh }),
      headers: { 'Content-Type': 'application/json' },
    }),
  ])
  return answers.map(({ status }) => status)
}

async function jwksOf(world: World, gateway: JsonObject): Promise<JSONWebKeySet> {
  return (await world.sendIn(gateway, '/.well-known/jwks.json')).json()
}

describe('a rotation', () => {
  it('refuses nobody at any gateway, while gateways with the old and with the new file answer at once', async () => {
    const world = await createWorld()
    const files = await deployments()
    const gateways = files.map((file) => Object.assign({}, world.env, file))
    const refused: string[] = []
    for (const [at, next] of gateways.entries()) {
      const serving = [gateways[at - 1], next].filter((gateway) => gateway !== undefined)
      const clients = await Promise.all(serving.map((gateway) => signIn(world, gateway)))
      const statuses = await Promise.all(
        serving.flatMap((gateway) => clients.map((client) => statusesAt(world, gateway, client))),
      )
      refused.push(...statuses.flat().flatMap((status) => (status === 200 ? [] : [`deployment ${at}: ${status}`])))
    }
    expect(refused).toEqual([])
    expect(files.map(({ KEY_STATES }) => statesIn(KEY_STATES))).toEqual([
      'active active',
      'active standby active standby',
      'active retiring active retiring',
      'active active retiring',
    ])
  })

  it('signs nobody out who was signed in before it began, however long it takes', async () => {
    const world = await createWorld()
    const gateways = (await deployments()).map((file) => Object.assign({}, world.env, file))
    const [first = {}] = gateways
    const { cookies } = await signIn(world, first)
    const session = cookies.split('; ')[0] ?? ''
    const answers = await Promise.all(
      gateways.map((gateway) => world.sendIn(gateway, '/x', { headers: { Cookie: session } })),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  })

  it('sends no assertion that an upstream cannot verify with the keys of the deployment before', async () => {
    const world = await createWorld()
    const gateways = (await deployments()).map((file) => Object.assign({}, world.env, file))
    const failures: string[] = []
    for (const [at, gateway] of gateways.entries()) {
      const { access } = await signIn(world, gateway)
      await world.sendIn(gateway, '/x', { headers: { Authorization: `Bearer ${access}` } })
      const assertion = world.seen.at(-1)?.headers.get('Gatehouse-Assertion') ?? ''
      const cached = [gateways[at - 1], gateway, gateways[at + 1]].filter((each) => each !== undefined)
      for (const other of cached) {
        const keys = createLocalJWKSet(await jwksOf(world, other))
        await jwtVerify(assertion, keys, { audience: `upstream:${UPSTREAM}` }).catch(() => failures.push(`at ${at}`))
      }
    }
    expect(failures).toEqual([])
  })
})

function statesIn(text: unknown): string {
  const states: unknown = JSON.parse(String(text))
  return Object.values(isObject(states) ? states : {})
    .map((each: unknown) => (isObject(each) ? String(each['state']) : ''))
    .join(' ')
}
