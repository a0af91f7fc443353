// KV as it is promised, and no better: caches in every location, absent keys too, writes that overtake one another.

import type { Fault, Schedule } from './schedule.ts'
import { attempt, SLOW_MS } from './schedule.ts'

/** Milliseconds for which a location that has nothing cached may still be given an older value. */
export const KV_LAG_MS = 10_000

interface Write {
  readonly at: number
  readonly value: string
}

/** What may befall a digest that is put or read beside everything else. */
export const MISHAPS = ['none', 'refused', 'lost', 'hung', 'slow'] as const
type Mishap = (typeof MISHAPS)[number]

/** Milliseconds: a digest is asked for, and its answer comes, sooner than the time limit of both. */
const BESIDE_MS = 200

export interface KvOptions {
  /** More than one write a second to a key is refused with 429. */
  readonly limitsWrites: boolean
  /** Of each digest that is put or read in turn, and then from the beginning. */
  readonly mishaps: readonly Mishap[]
}

export type FakeKv = ReturnType<typeof createFakeKv>

export function createFakeKv(schedule: Schedule, { limitsWrites, mishaps }: KvOptions) {
  const central = new Map<string, readonly Write[]>()
  const state: { mode: 'good' | 'failing' | 'empty'; digests: number } = { mode: 'good', digests: 0 }

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

  function nextMishap(): Mishap {
    state.digests += 1
    return mishaps[state.digests % mishaps.length] ?? 'none'
  }

  /** A tick is a moment, unless its put takes long. */
  function putDigest(key: string, value: string): Promise<void> {
    const mishap = nextMishap()
    schedule.unnoticed()
    return new Promise((resolve, reject) => {
      if (mishap === 'hung') return
      if (mishap === 'slow')
        return schedule.happen(`KV put ${key}, late`, SLOW_MS, () => void attempt(() => store(key, value)))
      if (mishap !== 'refused') store(key, value)
      return mishap === 'none' ? resolve() : reject(new Error(mishap))
    })
  }

  function readDigest(key: string, read: () => string | null): Promise<string | null> {
    const mishap = nextMishap()
    schedule.unnoticed()
    return new Promise((resolve, reject) => {
      if (mishap === 'hung') return
      if (mishap === 'refused') return reject(new Error(mishap))
      schedule.happen(`KV get ${key}`, BESIDE_MS, () => {
        const value = attempt(read)
        schedule.happen(`answer of KV get ${key}`, BESIDE_MS, () =>
          'error' in value ? reject(value.error) : resolve(value.value),
        )
      })
    })
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
        isDigest(key)
          ? readDigest(key, () => read(key, cacheTtl, 'none'))
          : schedule.call(`KV get ${key}`, (fault) => read(key, cacheTtl, fault)),
      put: (key: string, value: string) =>
        isDigest(key)
          ? putDigest(key, value)
          : schedule.call(`KV put ${key} ${value}`, () => store(key, value), SLOW_MS),
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

function isDigest(key: string): boolean {
  return key.startsWith('recent:')
}

function isNamespace(value: object): value is KVNamespace {
  return 'get' in value && 'put' in value
}
