// The designs that are compared, by name, each with the bound that it promises.

import type { Commit, Digest } from './digest.ts'
import { drawBetween } from './random.ts'
import { createReader } from './reader.ts'
import type { Fetched, ReaderOptions } from './reader.ts'
import type { Strategy } from './strategy.ts'
import { createToday } from './today.ts'
import type { Markers } from './today.ts'
import type { World } from './world.ts'
import { MINUTE_MS, publishMarker } from './world.ts'
import { createKeyWriter, startTicks } from './writers.ts'

export interface Design {
  readonly name: string
  readonly build: (world: World) => Built
}

export interface Built extends Strategy {
  /** What follows a commit in D1. */
  readonly publish: (commit: Commit) => void
}

const ISOLATE_TTL_MS = 5000
export const KV_TTL_MS = 30_000
export const ACCESS_TTL_MS = 900_000
/** D1's answer may be 5 s old when a token is minted, and clocks differ by 5 s; the rest is caution. */
export const SLACK_MS = 60_000
const CAP = 20_000
const COVERAGE = { windowMs: ACCESS_TTL_MS + 2 * SLACK_MS, cap: CAP }

export const TODAY: Design = {
  name: 'today: marker on the way',
  build: (world) => {
    const markers = createToday(world, { isolateTtlMs: ISOLATE_TTL_MS, youngMs: 0 })
    return { ...markers, publish: (commit) => publishMarker(world, commit) }
  },
}

/** A token so young that today's bound has not passed since its user was read. */
export const YOUNG: Design = {
  name: 'today, tokens under 35 s pass',
  build: (world) => {
    const markers = createToday(world, { isolateTtlMs: ISOLATE_TTL_MS, youngMs: ISOLATE_TTL_MS + KV_TTL_MS })
    return { ...markers, publish: (commit) => publishMarker(world, commit) }
  },
}

/** One hot key, or a few, rewritten by whoever changes a user, and by the cron each minute. */
export function keyDesign(keys: number, refreshMs: number, markerShare = 0): Design {
  const beside = markerShare > 0 ? `, marker beside ${markerShare * 100} %` : ''
  return {
    name: `${keys} key${keys === 1 ? '' : 's'}, every ${refreshMs / 1000} s${beside}`,
    build: (world) => {
      const markers = createToday(world, { isolateTtlMs: ISOLATE_TTL_MS, youngMs: 0 })
      const write = createKeyWriter(world, keys, COVERAGE)
      const fetch = (atMs: number, location: number) => fetchKeys(world, atMs, location, [...Array(keys).keys()])
      const nextAtMs = (askedAtMs: number) => askedAtMs + refreshMs
      const maxAgeMs = MINUTE_MS + KV_TTL_MS + refreshMs + 5000
      return assemble(world, markers, { fetch, nextAtMs, maxAgeMs, waitAgeMs: maxAgeMs, markerShare }, write)
    },
  }
}

export interface TickOptions {
  readonly everyMs: number
  /** A tick is read only this long after it was due, so that it has been written by then. */
  readonly marginMs: number
  readonly maxAgeMs: number
  readonly waitAgeMs: number
}

/** A new key a tick, which no location can have cached: the digest of D1 at that moment. */
export function tickDesign({ everyMs, marginMs, waitAgeMs, maxAgeMs }: TickOptions): Design {
  return {
    name: `ticks ${[everyMs, marginMs, waitAgeMs, maxAgeMs].map((ms) => ms / 1000).join(' / ')} s`,
    build: (world) => {
      const markers = createToday(world, { isolateTtlMs: ISOLATE_TTL_MS, youngMs: 0 })
      startTicks(world, everyMs, COVERAGE)
      const tickAt = (atMs: number) => Math.floor((atMs - marginMs) / everyMs)
      const fetch = (atMs: number, location: number) => fetchKeys(world, atMs, location, [tickAt(atMs)])
      const nextAtMs = (askedAtMs: number) => (tickAt(askedAtMs) + 1) * everyMs + marginMs
      return assemble(world, markers, { fetch, nextAtMs, maxAgeMs, waitAgeMs, markerShare: 0 }, () => {})
    },
  }
}

/** No KV but for markers: each isolate reads D1 itself. */
export function databaseDesign(refreshMs: number, maxAgeMs: number): Design {
  const nextAtMs = (askedAtMs: number) => askedAtMs + refreshMs
  return {
    name: `D1 every ${refreshMs / 1000} s, good for ${maxAgeMs / 1000} s`,
    build: (world) => {
      const markers = createToday(world, { isolateTtlMs: ISOLATE_TTL_MS, youngMs: 0 })
      const fetch = (atMs: number) => fetchDatabase(world, atMs)
      return assemble(world, markers, { fetch, nextAtMs, maxAgeMs, waitAgeMs: maxAgeMs, markerShare: 0 }, () => {})
    },
  }
}

function assemble(
  world: World,
  markers: Markers,
  options: Omit<ReaderOptions, 'slackMs'>,
  write: (commit: Commit) => void,
): Built {
  const reader = createReader(world, markers, { ...options, slackMs: SLACK_MS })
  function publish(commit: Commit): void {
    publishMarker(world, commit)
    write(commit)
  }
  return { ...reader, publish }
}

/** A bulk get is billed a read a key, and waits for the slowest. */
function fetchKeys(world: World, atMs: number, location: number, keys: readonly number[]): Fetched {
  const answers = keys.map((key) => world.digests.get(atMs, location, key))
  const parts = answers.map((answer): Digest | null => (answer.outcome === 'read' ? answer.value : null))
  return { parts, waitMs: Math.max(...answers.map((answer) => answer.waitMs)) }
}

function fetchDatabase({ truth, random, statements }: World, atMs: number): Fetched {
  statements.count += 1
  return { parts: [truth.digest(atMs, COVERAGE.windowMs, CAP, () => true)], waitMs: drawBetween(random, [20, 150]) }
}
