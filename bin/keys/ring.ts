// A ring of keys and the steps of a rotation: standby, active, retiring. Nobody signs with a key that not everybody knows yet,
// and no key is dropped while anything that it signed may be presented.

export type State = 'standby' | 'active' | 'retiring'

export interface Key {
  /** A `kid`, or the fingerprint of a session key: says which key, and nothing of it. */
  readonly id: string
  /** As the secret holds it. */
  readonly value: string
  readonly state: State
  /** Unix seconds since which the gateway is known to run with the key in this state; `null` where that is not known. */
  readonly deployedAt: number | null
  /** Seconds that the longest-lived thing which it has signed may live. */
  readonly life: number
}

/** The active key first, then those on standby, then the retiring ones. */
export type Ring = readonly Key[]

/** What a step has done, or waits for, in words that follow the key's name. */
export interface Advance {
  readonly ring: Ring
  readonly did: readonly Note[]
  readonly waits: readonly Wait[]
}

export interface Note {
  readonly id: string
  readonly text: string
}

export interface Wait extends Note {
  /** Unix seconds. */
  readonly until: number
}

/** Seconds until every location and every isolate runs with the secrets that were deployed. */
const ROLLOUT = 5 * 60
/** Seconds that a JWK set is cached: our own `Cache-Control` says 300, and the libraries of upstreams keep one for up to 600. */
const CACHES = 10 * 60
/** Seconds after a deployment in which somebody may still not know what it brought. */
export const SPREAD = ROLLOUT + CACHES

/** When a key on standby may sign, and when a retiring one may go; `null` where it is not known to be deployed. */
export function dueAt({ state, deployedAt, life }: Key): number | null {
  if (state === 'active' || deployedAt === null) return null
  return state === 'standby' ? deployedAt + SPREAD : deployedAt + life + SPREAD
}

/** True where a rotation has begun whose next step is a matter of minutes; a retiring key that outlives it does not count. */
export function isRotating(ring: Ring, awaitsRetiring: boolean): boolean {
  return ring.some(({ state }) => state === 'standby' || (awaitsRetiring && state === 'retiring'))
}

/** True where the gateway is not known to run with what the ring says of some key that waits for something. */
export function isUnconfirmed(ring: Ring): boolean {
  return ring.some(({ state, deployedAt }) => state !== 'active' && deployedAt === null)
}

/** The gateway runs with this ring since `now`, where it was not known before. */
export function confirm(ring: Ring, now: number): Ring {
  return ring.map((key) => ({ ...key, deployedAt: key.deployedAt ?? now }))
}

/** Puts a new key on standby: it is published and verifies, and does not sign yet. */
export function addStandby(ring: Ring, { id, value, life }: Pick<Key, 'id' | 'value' | 'life'>): Advance {
  const standby: Key = { id, value, life, state: 'standby', deployedAt: null }
  return { ring: inOrder([...ring, standby]), did: [{ id, text: 'is new and on standby' }], waits: [] }
}

/** Drops what is over and lets a key on standby sign, each only when its time has come. */
export function advance(ring: Ring, now: number): Advance {
  const kept = ring.filter((key) => key.state !== 'retiring' || !isDue(key, now))
  const dropped = ring.filter((key) => !kept.includes(key)).map(({ id }) => ({ id, text: 'is over and dropped' }))
  const promoted = promote(kept, now)
  const waits = promoted.ring.flatMap((key) => describeWait(key) ?? [])
  return { ring: promoted.ring, did: [...dropped, ...promoted.did], waits }
}

function promote(ring: Ring, now: number): Pick<Advance, 'ring' | 'did'> {
  const next = ring.find((key) => key.state === 'standby' && isDue(key, now))
  if (next === undefined) return { ring, did: [] }
  const turned = ring.map((key): Key => {
    if (key === next) return { ...key, state: 'active', deployedAt: null }
    return key.state === 'active' ? { ...key, state: 'retiring', deployedAt: null } : key
  })
  const retired = ring.filter(({ state }) => state === 'active')
  return {
    ring: inOrder(turned),
    did: [
      { id: next.id, text: 'is active: it signs' },
      ...retired.map(({ id }) => ({ id, text: 'is retiring: it only verifies' })),
    ],
  }
}

function isDue(key: Key, now: number): boolean {
  return now >= (dueAt(key) ?? Infinity)
}

function describeWait(key: Key): Wait | null {
  const until = dueAt(key)
  if (until === null) return null
  return { id: key.id, until, text: key.state === 'standby' ? 'may not sign before' : 'may not be dropped before' }
}

const ORDER: readonly State[] = ['active', 'standby', 'retiring']

function inOrder(ring: Ring): Ring {
  return ORDER.flatMap((state) => ring.filter((key) => key.state === state))
}
