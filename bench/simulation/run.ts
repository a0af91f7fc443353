// One run: traffic meets changes under a design, and thieves go on using the tokens that were revoked.

import type { Change, Thief } from './changes.ts'
import { TRIED_MS } from './changes.ts'
import { createRandom } from './random.ts'
import type { Built, Design } from './strategies.ts'
import { ACCESS_TTL_MS, KV_TTL_MS } from './strategies.ts'
import type { Counts, Tally } from './tally.ts'
import { createTally } from './tally.ts'
import type { Traffic } from './traffic.ts'
import type { Faults, World } from './world.ts'
import { createWorld } from './world.ts'

export interface RunOptions {
  readonly traffic: Traffic
  readonly users: number
  readonly locations: number
  readonly durationMs: number
  /** Nothing is counted before: tokens and memories fill. */
  readonly warmUpMs: number
  readonly changes: readonly Change[]
  readonly faults: Faults
  readonly seed: number
}

export interface Delay {
  /** From the commit to the last request that was trusted all the same; 0 where none was. */
  readonly delayMs: number
  readonly activeBefore: boolean
}

export interface Outcome extends Counts {
  readonly seconds: number
  readonly delays: readonly Delay[]
}

/** A revoked token is tried once in a while. */
const STEP_MS = 1000

export function simulate(design: Design, options: RunOptions): Outcome {
  const { traffic, users, locations, durationMs, faults, warmUpMs } = options
  const random = createRandom(options.seed)
  const world = createWorld({ random, users, locations, cacheTtlMs: KV_TTL_MS, durationMs, faults })
  const strategy = design.build(world)
  const tally = createTally(world)
  const thefts = scheduleChanges(world, strategy, tally, options)
  const issuedAt = new Float64Array(users).fill(-Infinity)
  const versions = new Float64Array(users)
  for (let index = 0; index < traffic.count; index += 1) {
    const atMs = traffic.atMs[index] ?? 0
    const user = traffic.user[index] ?? 0
    const location = traffic.location[index] ?? 0
    const isolate = traffic.isolate[index] ?? 0
    world.agenda.runUntil(atMs)
    if (atMs - (issuedAt[user] ?? 0) >= ACCESS_TTL_MS) {
      issuedAt[user] = atMs
      versions[user] = world.truth.versionOf(user)
    }
    if (atMs >= warmUpMs) tally.begin()
    const version = versions[user] ?? 0
    const verdict = strategy.judge({ atMs, user, location, isolate, version, issuedAtMs: issuedAt[user] ?? 0 })
    tally.count(verdict.waitMs, verdict.trusted)
    if (verdict.trusted) continue
    versions[user] = world.truth.versionOf(user)
    strategy.learn(isolate, user, world.truth.versionOf(user), atMs + verdict.waitMs)
  }
  world.agenda.runUntil(durationMs)
  return { ...tally.result(), seconds: (durationMs - warmUpMs) / 1000, delays: thefts.map(({ delay }) => delay()) }
}

interface Theft {
  readonly delay: () => Delay
}

function scheduleChanges(world: World, strategy: Built, tally: Tally, options: RunOptions): readonly Theft[] {
  return options.changes.flatMap(({ user, atMs, thieves }) => {
    world.agenda.add(atMs, () => strategy.publish(world.truth.commit(user, atMs)))
    return thieves.map((thief) => scheduleTheft(world, strategy, tally, { ...thief, user, atMs }, options.traffic))
  })
}

/** A token minted some time before the change, used once a second at one location, on any of its isolates. */
function scheduleTheft(
  world: World,
  strategy: Built,
  tally: Tally,
  { user, atMs, location, activeMs }: Thief & { readonly user: number; readonly atMs: number },
  { drawIsolate }: Traffic,
): Theft {
  const { random, agenda, truth } = world
  const issuedAtMs = atMs - 60_000 - random() * (ACCESS_TTL_MS - TRIED_MS - 61_000)
  let version = 0
  let lastTrustedMs = atMs
  function attempt(step: number, nowMs: number): void {
    const isolate = drawIsolate(random, location, nowMs)
    const verdict = tally.aside(() => strategy.judge({ atMs: nowMs, user, location, isolate, version, issuedAtMs }))
    if (!verdict.trusted) strategy.learn(isolate, user, truth.versionOf(user), nowMs + verdict.waitMs)
    else if (nowMs > atMs) lastTrustedMs = nowMs
    scheduleAttempt(step + 1)
  }
  function scheduleAttempt(step: number): void {
    if (step * STEP_MS < TRIED_MS) agenda.add(atMs + (step + random()) * STEP_MS, (nowMs) => attempt(step, nowMs))
  }
  agenda.add(issuedAtMs, () => {
    version = truth.versionOf(user)
    scheduleAttempt(-Math.floor(activeMs / STEP_MS))
  })
  return { delay: () => ({ delayMs: lastTrustedMs - atMs, activeBefore: activeMs > 0 }) }
}
