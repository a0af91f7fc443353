// What a rebuild puts into KV: D1's version wherever KV has none, or a lower one.
import { markerKey, parseVersion } from '../../src/sessions/markers.ts'
import type { RaisedVersion } from '../../src/sessions/store.ts'

/** An entry of `wrangler kv bulk put`. */
export interface Entry {
  readonly key: string
  readonly value: string
}

/** How many users' markers were missing, too low, right, and higher than D1 (which are left alone). */
export interface Tally {
  readonly written: number
  readonly raised: number
  readonly right: number
  readonly higher: number
}

export interface Plan {
  readonly entries: readonly Entry[]
  readonly tally: Tally
}

export const NOTHING: Tally = { written: 0, raised: 0, right: 0, higher: 0 }

/** Compares users with the markers of the same names; what is no version counts as missing. Never lowers one. */
export function planMarkers(users: readonly RaisedVersion[], markers: ReadonlyMap<string, string | null>): Plan {
  const states = users.map((user) => ({ user, state: stateOf(user, markers.get(markerKey(user.userId)) ?? null) }))
  const count = (state: keyof Tally) => states.filter((each) => each.state === state).length
  return {
    entries: states.filter(({ state }) => state === 'written' || state === 'raised').map(({ user }) => entryOf(user)),
    tally: { written: count('written'), raised: count('raised'), right: count('right'), higher: count('higher') },
  }
}

export function addTally(one: Tally, other: Tally): Tally {
  return {
    written: one.written + other.written,
    raised: one.raised + other.raised,
    right: one.right + other.right,
    higher: one.higher + other.higher,
  }
}

export function entryOf({ userId, tokenVersion }: RaisedVersion): Entry {
  return { key: markerKey(userId), value: String(tokenVersion) }
}

function stateOf({ tokenVersion }: RaisedVersion, marker: string | null): keyof Tally {
  const published = findVersion(marker)
  if (published === null) return 'written'
  if (published === tokenVersion) return 'right'
  return published < tokenVersion ? 'raised' : 'higher'
}

function findVersion(marker: string | null): number | null {
  if (marker === null) return null
  try {
    return parseVersion(marker)
  } catch {
    return null
  }
}
