// What people ask of the gateway, each by the product's own flow, and what an answer then has to be worth.

import { endSessionOf } from '../../src/auth/devices.ts'
import { replaceOwnPassword } from '../../src/auth/password.ts'
import { refresh } from '../../src/auth/refresh.ts'
import type { YoungCookies } from '../../src/auth/renew.ts'
import { youngLines } from '../../src/auth/renew.ts'
import type { Site } from '../../src/auth/same-site.ts'
import { signIn } from '../../src/auth/sign-in.ts'
import { signOut, signOutEverywhere } from '../../src/auth/sign-out.ts'
import { authenticate } from '../../src/gateway/authenticate.ts'
import { findCaller } from '../../src/gateway/caller.ts'
import { readCredential } from '../../src/gateway/credential.ts'
import type { Runtime } from '../../src/runtime.ts'
import type { Client } from './clients.ts'
import { held, NAMES, sessionIdOf, waitsFor } from './clients.ts'
import { readAnswer } from './plain.ts'
import type { Told } from './plain.ts'
import type { Flow, Isolate } from './scene.ts'
import type { World } from './scheduled-world.ts'

const KINDS: ReadonlySet<'bearer' | 'cookie'> = new Set(['bearer', 'cookie'])

/** As gateway/handle waits for them: not at all. */
async function readyLines(runtime: Runtime, renewal: Promise<YoungCookies>): Promise<readonly string[]> {
  const ready = await Promise.race([renewal, Promise.resolve(null)]).catch(() => null)
  return ready === null ? [] : youngLines(runtime, ready)
}

/** Milliseconds that an upstream may take. */
const UPSTREAM_MS = 600_000

/** A request to the upstream, let in and answered as gateway/handle does it. */
export function use(world: World, client: Client, isolate: Isolate, on: 'marker' | 'session' | 'expiry'): void {
  const { scene, schedule, violate } = world
  if (findOwn(world, client) === null) return
  async function run({ exchange, wasOver, sessionId }: Flow): Promise<Told> {
    const credential = readCredential(exchange.request, KINDS, NAMES)
    const demand = { access: 'required', acceptsSelf: true, issuers: [], revocation: on, onOutage: 'deny' } as const
    const { identity, renewal } = await authenticate(exchange, credential, demand)
    if (identity?.session !== sessionId) violate('everybody is who he signed in as', { name: client.name })
    if (wasOver && on === 'session') violate('an ended session passes no session route', { name: client.name })
    await new Promise<void>((resolve) => {
      schedule.happen(`upstream for ${client.name}`, UPSTREAM_MS, resolve)
    })
    return { body: {}, cookies: renewal === null ? [] : await readyLines(exchange.runtime, renewal) }
  }
  scene.send(client, { what: `use ${on}`, isolate, run })
}

/** The client's session, unless it has none or waits for another. */
function findOwn({ schedule }: World, client: Client): string | null {
  const now = schedule.nowMs()
  return waitsFor(client, now, ({ what }) => what === 'sign in') ? null : sessionIdOf(client, now)
}

/** Parallel callers send the same token. */
export function refreshTimes(world: World, client: Client, isolate: Isolate, times: number): void {
  const token = held(client, NAMES.session, world.schedule.nowMs())
  if (token === null || findOwn(world, client) === null) return
  const body = refreshBody(world, client)
  const run = async ({ exchange }: Flow) => readAnswer(await refresh(exchange, siteOf(client)))
  for (let time = 0; time < times; time += 1) world.scene.send(client, { what: 'refresh', isolate, body, run })
}

function refreshBody({ schedule }: World, client: Client): Readonly<Record<string, string>> {
  const token = held(client, NAMES.session, schedule.nowMs())
  return client.isBrowser || token === null ? {} : { refresh_token: token }
}

function siteOf(client: Client): Site {
  return client.isBrowser ? 'same' : 'unknown'
}

/** Nobody signs in while he waits for something else. */
export function signInAgain({ scene, schedule, reference }: World, client: Client, isolate: Isolate): void {
  if (waitsFor(client, schedule.nowMs())) return
  const email = `${client.userId}@example.com`
  const transport = client.isBrowser ? 'cookie' : 'token'
  const body = { email, password: passwordOf(reference, client), transport }
  const run = async ({ exchange }: Flow) => readAnswer(await signIn(exchange, siteOf(client)))
  scene.send(client, { what: 'sign in', isolate, body, run })
}

/** The one that is right at this moment. */
function passwordOf(reference: World['reference'], { userId }: Client): string {
  return reference.users.get(userId)?.passwordHash.replace('hash of ', '') ?? ''
}

export function endOwn(world: World, client: Client, isolate: Isolate): void {
  const { scene, reference, violate } = world
  const sessionId = findOwn(world, client)
  if (sessionId === null) return
  async function run({ exchange }: Flow): Promise<Told> {
    return readAnswer(await signOut(exchange, siteOf(client), () => findCaller(exchange)))
  }
  function given(): void {
    if (reference.isAlive(sessionId ?? '')) violate('who is told that he is signed out is', { name: client.name })
  }
  scene.send(client, { what: 'sign out', isolate, body: refreshBody(world, client), run, given })
}

export function endEverywhere(world: World, client: Client, isolate: Isolate): void {
  const { scene, reference, violate } = world
  if (findOwn(world, client) === null) return
  const before: string[] = []
  async function run({ exchange }: Flow): Promise<Told> {
    before.push(...sessionsOf(world, client))
    return readAnswer(await signOutEverywhere(exchange, siteOf(client), await findCaller(exchange)))
  }
  function given(): void {
    if (before.some(reference.isAlive)) violate('who is signed out everywhere is', { name: client.name })
  }
  scene.send(client, { what: 'sign out everywhere', isolate, run, given })
}

function sessionsOf({ reference }: World, { userId }: Client): readonly string[] {
  return [...reference.sessions.values()].filter((session) => session.userId === userId).map(({ id }) => id)
}

export function changePassword(world: World, client: Client, isolate: Isolate): void {
  const { scene, reference, passwords, violate } = world
  if (findOwn(world, client) === null) return
  passwords.count += 1
  const body = { current: passwordOf(reference, client), new: `a password of number ${passwords.count}` }
  const before: string[] = []
  async function run({ exchange, sessionId }: Flow): Promise<Told> {
    before.push(...sessionsOf(world, client).filter((id) => id !== sessionId))
    return readAnswer(await replaceOwnPassword(exchange, siteOf(client), await findCaller(exchange)))
  }
  function given(): void {
    if (before.some(reference.isAlive)) violate('a changed password ends the other sessions', { name: client.name })
  }
  scene.send(client, { what: 'change password', isolate, body, run, given })
}

/** One of the client's own devices, or one that is not his to end. */
export function endAnother(world: World, client: Client, other: Client, isolate: Isolate): void {
  const { scene, schedule, reference, violate } = world
  const ended = sessionIdOf(other, schedule.nowMs())
  if (findOwn(world, client) === null || ended === null) return
  async function run({ exchange }: Flow): Promise<Told> {
    return readAnswer(await endSessionOf(exchange, siteOf(client), await findCaller(exchange), ended ?? ''))
  }
  function given(): void {
    if (client.userId !== other.userId || !reference.isAlive(ended ?? '')) return
    violate('a device that was ended is', { name: client.name, other: other.name })
  }
  scene.send(client, { what: 'end another', isolate, run, given })
}
