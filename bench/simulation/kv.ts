// Workers KV as documented: a central store, a cache a location that also holds what was absent, one write a second and key.

import { drawBetween, drawExponential } from './random.ts'
import type { Random, Range } from './random.ts'

export interface KvOptions<Value> {
  readonly random: Random
  readonly locations: number
  readonly cacheTtlMs: number
  /** How long a read takes from the central store, and from the location's cache. */
  readonly coldMs: Range
  readonly hotMs: Range
  /** "60 s or more": this share of writes becomes visible late, by `meanMs` on the average. */
  readonly tail: { readonly share: number; readonly meanMs: number }
  readonly isDown: (atMs: number) => boolean
  /** What a key holds that was never written here. */
  readonly initial: (key: number) => Value | null
}

export type KvRead<Value> =
  | { readonly outcome: 'read'; readonly value: Value | null; readonly waitMs: number }
  | { readonly outcome: 'down'; readonly waitMs: number }

export interface Kv<Value> {
  readonly get: (atMs: number, location: number, key: number) => KvRead<Value>
  readonly put: (atMs: number, key: number, value: Value) => 'stored' | 'too soon' | 'down'
  readonly meter: KvMeter
}

/** Counts up; whoever wants the share of a time subtracts. */
export interface KvMeter {
  reads: number
  coldReads: number
  writes: number
  refusedWrites: number
}

interface Written<Value> {
  readonly value: Value
  readonly visibleAtMs: number
}

interface Cached<Value> {
  readonly value: Value | null
  readonly arrivesAtMs: number
  readonly expiresAtMs: number
}

/** One write a second and key. */
const SPACING_MS = 1000
/** A gateway waits that long for KV, and no longer. */
const KV_LIMIT_MS = 500

export function createKv<Value>(options: KvOptions<Value>): Kv<Value> {
  const { random, cacheTtlMs, coldMs, hotMs, tail, isDown, initial } = options
  const store = new Map<number, readonly Written<Value>[]>()
  const lastWrites = new Map<number, number>()
  const caches = Array.from({ length: options.locations }, () => new Map<number, Cached<Value>>())
  const meter: KvMeter = { reads: 0, coldReads: 0, writes: 0, refusedWrites: 0 }

  function readCentral(atMs: number, key: number): Value | null {
    const visible = store.get(key)?.findLast((written) => written.visibleAtMs <= atMs)
    return visible === undefined ? initial(key) : visible.value
  }

  return {
    meter,
    get: (atMs, location, key) => {
      meter.reads += 1
      if (isDown(atMs)) return { outcome: 'down', waitMs: KV_LIMIT_MS }
      const cache = caches[location]
      const cached = cache?.get(key)
      if (cached !== undefined && atMs < cached.expiresAtMs) {
        const waitMs = Math.max(drawBetween(random, hotMs), cached.arrivesAtMs - atMs)
        return { outcome: 'read', value: cached.value, waitMs }
      }
      meter.coldReads += 1
      const value = readCentral(atMs, key)
      const waitMs = drawBetween(random, coldMs)
      const arrivesAtMs = atMs + waitMs
      cache?.set(key, { value, arrivesAtMs, expiresAtMs: arrivesAtMs + cacheTtlMs })
      return { outcome: 'read', value, waitMs }
    },
    put: (atMs, key, value) => {
      if (isDown(atMs)) return 'down'
      if (atMs - (lastWrites.get(key) ?? -Infinity) < SPACING_MS) {
        meter.refusedWrites += 1
        return 'too soon'
      }
      meter.writes += 1
      lastWrites.set(key, atMs)
      const isLate = random() < tail.share
      const visibleAtMs = isLate ? atMs + drawExponential(random, tail.meanMs) : atMs
      const earlier = store.get(key) ?? []
      const kept = earlier.slice(
        Math.max(
          0,
          earlier.findLastIndex((written) => written.visibleAtMs <= atMs),
        ),
      )
      store.set(key, [...kept, { value, visibleAtMs }])
      return 'stored'
    },
  }
}
