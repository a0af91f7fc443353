// How an isolate reads digests: beside requests while it has one that is young enough, else on a request's way.

import type { Digest } from './digest.ts'
import type { Question, Strategy, Verdict } from './strategy.ts'
import type { Markers } from './today.ts'
import type { World } from './world.ts'

export interface ReaderOptions {
  /** The digest's parts as they are to be had now: one, or one a key where users are split over keys. */
  readonly fetch: (atMs: number, location: number) => Fetched
  /** When to ask again after having asked. */
  readonly nextAtMs: (askedAtMs: number) => number
  /** A digest whose `asOf` is older decides nothing. */
  readonly maxAgeMs: number
  /** One that is older than this, though young enough, decides only where a new one cannot be had. */
  readonly waitAgeMs: number
  /** The token's own state may have been read from D1 this much before its `iat`. */
  readonly slackMs: number
  /** How often a request that the digest let pass also reads the marker beside it. */
  readonly markerShare: number
}

export interface Fetched {
  readonly parts: readonly (Digest | null)[]
  readonly waitMs: number
}

interface Held {
  readonly askedAtMs: number
  readonly parts: readonly (Digest | null)[]
  readonly arriving: { readonly atMs: number; readonly parts: readonly (Digest | null)[] } | null
}

const NOTHING: Held = { askedAtMs: -Infinity, parts: [], arriving: null }

export function createReader(world: World, markers: Markers, options: ReaderOptions): Strategy {
  const { fetch, nextAtMs, maxAgeMs, waitAgeMs, slackMs, markerShare } = options
  const isolates = new Map<number, Held>()

  function held(isolate: number, atMs: number): Held {
    const state = isolates.get(isolate) ?? NOTHING
    const { arriving } = state
    if (arriving === null || arriving.atMs > atMs) return state
    const settled = {
      ...state,
      parts: arriving.parts.map((part, index) => newer(part, state.parts[index])),
      arriving: null,
    }
    isolates.set(isolate, settled)
    return settled
  }

  /** Asks for a digest, and tells how long that takes. */
  function ask({ isolate, location, atMs }: Question): number {
    const { parts, waitMs } = fetch(atMs, location)
    const state = held(isolate, atMs)
    isolates.set(isolate, { ...state, askedAtMs: atMs, arriving: { atMs: atMs + waitMs, parts } })
    return waitMs
  }

  function judgeByDigest(question: Question, atMs: number, ageMs: number): Verdict | null {
    const { isolate, user, version, issuedAtMs } = question
    const { parts } = held(isolate, atMs)
    const part = parts[user % Math.max(1, parts.length)]
    if (part === undefined || part === null) return null
    if (atMs - part.asOfMs >= ageMs || part.sinceMs + slackMs > issuedAtMs) return null
    const highest = Math.max(part.versions.get(user) ?? 0, markers.known(isolate, user, atMs))
    return { trusted: version >= highest, waitMs: atMs - question.atMs }
  }

  function judge(question: Question): Verdict {
    const { atMs, isolate } = question
    const isDue = atMs >= nextAtMs(held(isolate, atMs).askedAtMs)
    const verdict = judgeByDigest(question, atMs, isDue ? waitAgeMs : maxAgeMs)
    const waitMs = isDue ? ask(question) : 0
    if (verdict !== null) return verdict
    const late = isDue ? judgeByDigest(question, atMs + waitMs, maxAgeMs) : null
    if (late !== null) return late
    const asked = markers.judge({ ...question, atMs: atMs + waitMs })
    return { ...asked, waitMs: asked.waitMs + waitMs }
  }

  return {
    learn: markers.learn,
    judge: (question) => {
      const verdict = judge(question)
      if (verdict.trusted && markerShare > 0 && world.random() < markerShare) markers.refresh(question)
      return verdict
    },
  }
}

function newer(one: Digest | null, other: Digest | null | undefined): Digest | null {
  if (one === null || other === null || other === undefined) return one ?? other ?? null
  return one.asOfMs >= other.asOfMs ? one : other
}
