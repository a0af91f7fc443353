// The world that every strategy lives in: D1, KV, the writers of both, and what may break.

import type { Agenda } from './agenda.ts'
import { createAgenda } from './agenda.ts'
import type { Commit, Digest, Truth } from './digest.ts'
import { createTruth } from './digest.ts'
import type { Kv, KvOptions } from './kv.ts'
import { createKv } from './kv.ts'
import { drawBetween } from './random.ts'
import type { Random, Range } from './random.ts'

/** A time in which something is broken; `null`: never. */
export type Outage = readonly [fromMs: number, untilMs: number] | null

export interface Faults {
  readonly kvDown: Outage
  /** No cron runs, so nobody repairs publications, and no tick is written. */
  readonly cronDead: Outage
  readonly tail: KvOptions<number>['tail']
  /** This share of ticks is written late, by 3 to 10 s. */
  readonly lateTicks: number
  /** So much of each minute has no ticks, because its cron comes late and none overlaps. */
  readonly cronLateMs: number
}

export const NO_FAULTS: Faults = {
  kvDown: null,
  cronDead: null,
  tail: { share: 0, meanMs: 0 },
  lateTicks: 0,
  cronLateMs: 0,
}

export interface World {
  readonly agenda: Agenda
  readonly random: Random
  readonly truth: Truth
  readonly markers: Kv<number>
  readonly digests: Kv<Digest>
  readonly faults: Faults
  /** Statements of D1 that a strategy adds to what every gateway needs. */
  readonly statements: { count: number }
  readonly locations: number
  readonly durationMs: number
}

export interface WorldOptions {
  readonly random: Random
  readonly users: number
  readonly locations: number
  readonly cacheTtlMs: number
  readonly durationMs: number
  readonly faults: Faults
}

const COLD_MS: Range = [100, 300]
const HOT_MS: Range = [1, 5]
/** From a decision to write until KV has it: D1's answer, and the put. */
export const PUT_MS: Range = [60, 400]
export const MINUTE_MS = 60_000
/** The cron publishes once more what changed in these. */
const RECENT_MS = 300_000
const RECENT_LIMIT = 200

export function createWorld({ random, users, locations, cacheTtlMs, durationMs, faults }: WorldOptions): World {
  const isDown = (atMs: number) => isWithin(faults.kvDown, atMs)
  const kv = { random, locations, cacheTtlMs, coldMs: COLD_MS, hotMs: HOT_MS, tail: faults.tail, isDown }
  const world = {
    agenda: createAgenda(),
    random,
    truth: createTruth(users),
    markers: createKv<number>({ ...kv, initial: () => 0 }),
    digests: createKv<Digest>({ ...kv, initial: () => null }),
    faults,
    statements: { count: 0 },
    locations,
    durationMs,
  }
  for (let atMs = MINUTE_MS; atMs < durationMs; atMs += MINUTE_MS) world.agenda.add(atMs, () => republish(world, atMs))
  return world
}

export function isWithin(outage: Outage, atMs: number): boolean {
  return outage !== null && atMs >= outage[0] && atMs < outage[1]
}

/** Publication: the marker is put after the commit; one that fails or comes too soon is left to the cron. */
export function publishMarker(world: World, { user, atMs }: Commit): void {
  const { agenda, markers, truth, random } = world
  agenda.add(atMs + drawBetween(random, PUT_MS), (putAtMs) => markers.put(putAtMs, user, truth.versionOf(user)))
}

/** The cron's tick: what changed in the last minutes is put once more. */
function republish(world: World, atMs: number): void {
  if (isWithin(world.faults.cronDead, atMs)) return
  const users = new Set(world.truth.changedSince(atMs - RECENT_MS).map(({ user }) => user))
  for (const user of [...users].toReversed().slice(0, RECENT_LIMIT))
    world.markers.put(atMs + drawBetween(world.random, PUT_MS), user, world.truth.versionOf(user))
}
