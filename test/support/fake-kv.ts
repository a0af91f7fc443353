// KV as it is promised, and no better: caches in every location, absent keys too, writes that overtake one another.

import type { Fault, Schedule } from './schedule.ts'
import { SLOW_MS } from './schedule.ts'

/** Milliseconds for which a location that has nothing cached may still be given an older value. */
export const KV_LAG_MS = 10_000

interface Write {
  readonly at: number
  readonly value: string
}

export interface KvOptions {
  /** More than one write a second to a key is refused with 429. */
  readonly limitsWrites: boolean
}

export type FakeKv = ReturnType<typeof createFakeKv>

export function createFakeKv(schedule: Schedule, { limitsWrites }: KvOptions) {
  const central = new Map<string, readonly Write[]>()
  const state: { mode: 'good' | 'failing' | 'empty' } = { mode: 'good' }

  /** The value of a key as it was at a moment. */
  function valueAt(key: string, at: number): string | null {
    return central.get(key)?.findLast((write) => write.at <= at)?.value ?? null
  }

  function store(key: string, value: string): void {
    const at = schedule.nowMs()
    const writes = central.get(key) ?? []
    const latest = writes.at(-1)
    if (limitsWrites && latest !== undefined && at - latest.at < 1000) {
      throw new Error('KV PUT failed: 429 Too Many Requests')
    }
    central.set(key, [...writes, { at, value }])
  }

  function createLocation(): KVNamespace {
    const cache = new Map<string, { readonly at: number; readonly value: string | null }>()

    function read(key: string, cacheTtl: number, fault: Fault): string | null {
      if (state.mode === 'failing') throw new Error('KV GET failed: 500')
      if (state.mode === 'empty') return null
      const now = schedule.nowMs()
      const cached = cache.get(key)
      if (cached !== undefined && now - cached.at < cacheTtl * 1000) return cached.value
      const value = valueAt(key, fault === 'stale' ? now - KV_LAG_MS : now)
      cache.set(key, { at: now, value })
      return value
    }

    const binding = {
      get: (key: string, { cacheTtl }: { readonly cacheTtl: number }) =>
        schedule.call(`KV get ${key}`, (fault) => read(key, cacheTtl, fault)),
      put: (key: string, value: string) => schedule.call(`KV put ${key} ${value}`, () => store(key, value), SLOW_MS),
    }
    if (!isNamespace(binding)) throw new TypeError('no KV')
    return binding
  }

  return {
    createLocation,
    /** What the central store holds now. */
    read: (key: string) => valueAt(key, schedule.nowMs()),
    /** Every value that it ever held. */
    history: (key: string): readonly string[] => (central.get(key) ?? []).map(({ value }) => value),
    setMode: (mode: 'good' | 'failing' | 'empty') => void (state.mode = mode),
  }
}

function isNamespace(value: object): value is KVNamespace {
  return 'get' in value && 'put' in value
}
