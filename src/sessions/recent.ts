// Recent changes: D1's own list of who changed lately, which an isolate holds in place of everybody's markers (DESIGN §7).

import type { Config } from '../config/config.ts'
import { isObject } from '../json.ts'
import { readObject } from '../rows.ts'
import type { Place, SignedText } from '../signed-text.ts'
import type { Markers } from './markers.ts'
import { parseVersion } from './markers.ts'

/**
 * What D1 said at `asOf`: everybody whose version was raised since `since`, with the version that he had. Both are unix
 * seconds of D1's clock. It is true for ever: being late, cached or overwritten can only make it old, and its age is in
 * it, so nothing has to be confirmed. A token that it lets pass holds out no longer than by a marker: it was minted from
 * what D1 said at `m >= iat - SLACK`, and is out of date since `c > m`. Where `since <= iat - SLACK`, either `c <= asOf`,
 * and the user is listed with more than the token's `ver`, or `c > asOf`, and that was less than `isolate_ttl` + `kv_ttl`
 * ago. Whatever raises a version therefore sets `changed_at`. In KV it is signed, so that no other writer of the namespace
 * can make one up; an old one that is put back is as old as it says.
 */
export interface Digest {
  readonly since: number
  readonly asOf: number
  readonly versions: ReadonlyMap<string, number>
}

export interface Recent {
  /** Asks KV for the latest digest, once a tick and beside the request: where that fails there is just no newer one. */
  readonly refresh: (waitUntil: (work: Promise<unknown>) => void) => void
  /** The newest digest that this isolate has read, if it is young enough and goes back far enough for a token of this `iat`. */
  readonly covering: (issuedAt: unknown) => Digest | null
}

/** Seconds by which a token's `iat`, of another clock, may be later than what D1 said when it was minted. */
export const SLACK = 60
/** Seconds after a tick in which its digest is put. */
const PUT_WITHIN = 2
const NOTHING: Digest = { since: 0, asOf: 0, versions: new Map() }

/** Where the digest of a tick is kept. */
export function placeOfDigest(tick: number): Place {
  return { purpose: 'digest', name: String(tick) }
}

export interface RecentOptions {
  readonly signed: SignedText
  readonly markers: Pick<Markers, 'readDigest'>
  readonly config: Pick<Config, 'revocation' | 'tokens'>
  readonly now: () => number
}

export function createRecent({ markers, signed, config, now }: RecentOptions): Recent {
  const { isolateTtl, kvTtl } = config.revocation
  const state = { asked: 0, digest: NOTHING }

  function isYoung({ asOf }: Digest): boolean {
    return now() - asOf < isolateTtl + kvTtl && asOf <= now() + config.tokens.clockSkew
  }

  async function read(tick: number): Promise<void> {
    try {
      const kept = await markers.readDigest(tick)
      const text = kept === null ? null : signed.verify(placeOfDigest(tick), kept)
      if (text === null) return
      const digest = parseDigest(text)
      if (isYoung(digest) && digest.asOf > state.digest.asOf) state.digest = digest
    } catch {}
  }

  return {
    refresh: (waitUntil) => {
      const latest = now() - PUT_WITHIN
      const tick = latest - (latest % isolateTtl)
      // Where `isolate_ttl` is 0 there are no ticks: nothing is more than NaN.
      if (!(tick > state.asked)) return
      state.asked = tick
      waitUntil(read(tick))
    },
    covering: (issuedAt) => {
      const { digest } = state
      return isYoung(digest) && digest.since + SLACK <= Number(issuedAt) ? digest : null
    },
  }
}

/** @throws TypeError for anything but what `selectRecent` gives. */
function parseDigest(text: unknown): Digest {
  const { since, as_of: asOf, versions } = readObject(text)
  if (!isObject(versions)) throw new TypeError('no digest')
  const entries = Object.entries(versions).map(([id, version]) => [id, readCount(version)] as const)
  return { since: readCount(since), asOf: readCount(asOf), versions: new Map(entries) }
}

/** A number that a marker could hold. */
function readCount(value: unknown): number {
  return parseVersion(JSON.stringify(value))
}
