// Markers: per user the token version that was last published, in KV and for moments in this isolate; and digests of many (DESIGN §7).

import { KV_LIMIT_MS, withinTime } from '../time-limit.ts'

export interface Markers {
  /** The version that this isolate has learnt within `isolate_ttl`, or `null`. Costs nothing. */
  readonly fresh: (userId: string) => number | null
  /** The highest version that this isolate has ever learnt and still holds, however old. */
  readonly known: (userId: string) => number | null
  /** The marker in KV; `null` where there is none. @throws Error when KV fails, lies or is slower than 500 ms. */
  readonly read: (userId: string) => Promise<number | null>
  /** Remembers a version that D1 or KV gave, just now unless it is said; never lowers one. */
  readonly learn: (userId: string, version: number, learntAt?: number) => void
  /** Puts the marker. @throws Error when KV fails or is too slow; whether it was put is then unknown. */
  readonly put: (userId: string, version: number) => Promise<void>
  /** The digest of a tick as KV has it; `null` where there is none. Does NOT verify it; recent.ts does. @throws Error like `read` */
  readonly readDigest: (tick: number) => Promise<string | null>
  /** Puts the signed digest of a tick, to be kept for so many seconds. @throws Error like `put` */
  readonly putDigest: (tick: number, digest: string, keptFor: number) => Promise<void>
  /** @throws Error unless KV answers. */
  readonly probe: () => Promise<void>
}

interface Known {
  readonly version: number
  readonly learntAt: number
}

export interface MarkerOptions {
  readonly kv: KVNamespace
  readonly kvTtl: number
  readonly isolateTtl: number
  readonly now: () => number
}

/** How many users' markers an isolate remembers; the one learnt longest ago goes first. */
const CAPACITY = 50_000
/** Milliseconds that a put is waited for; publication is put right by the cron where it takes longer. */
const PUT_LIMIT_MS = 3000
/** Seconds, the fewest that KV takes: that a tick is not there yet need not be remembered. */
const LEAST_CACHE_TTL = 30

export function createMarkers({ kv, kvTtl, isolateTtl, now }: MarkerOptions): Markers {
  const memory = new Map<string, Known>()

  function learn(userId: string, version: number, learntAt = now()): void {
    const highest = Math.max(version, memory.get(userId)?.version ?? 0)
    memory.delete(userId)
    memory.set(userId, { version: highest, learntAt })
    if (memory.size <= CAPACITY) return
    for (const oldest of memory.keys()) {
      memory.delete(oldest)
      return
    }
  }

  return {
    fresh: (userId) => {
      const known = memory.get(userId)
      return known !== undefined && now() - known.learntAt < isolateTtl ? known.version : null
    },
    known: (userId) => memory.get(userId)?.version ?? null,
    read: async (userId) => {
      const value = await withinTime(kv.get(markerKey(userId), { cacheTtl: kvTtl }), KV_LIMIT_MS)
      if (value === null) return null
      const version = parseVersion(value)
      learn(userId, version)
      return memory.get(userId)?.version ?? version
    },
    learn,
    put: async (userId, version) => {
      learn(userId, version)
      await withinTime(kv.put(markerKey(userId), String(version)), PUT_LIMIT_MS)
    },
    readDigest: (tick) => withinTime(kv.get(digestKey(tick), { cacheTtl: LEAST_CACHE_TTL }), KV_LIMIT_MS),
    putDigest: (tick, digest, keptFor) =>
      withinTime(kv.put(digestKey(tick), digest, { expirationTtl: keptFor }), PUT_LIMIT_MS),
    probe: async () => {
      await withinTime(kv.get(markerKey('probe'), { cacheTtl: kvTtl }), KV_LIMIT_MS)
    },
  }
}

/** The name of a user's marker in KV. */
export function markerKey(userId: string): string {
  return `marker:${userId}`
}

function digestKey(tick: number): string {
  return `recent:${tick}`
}

/** @throws TypeError for anything but a canonical non-negative integer: such a marker is as good as none. */
export function parseVersion(value: unknown): number {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,15})$/.test(value)) throw new TypeError('a marker is no version')
  return Number(value)
}
