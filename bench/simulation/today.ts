// Today: a marker a user, remembered by an isolate for `isolate_ttl`, else read on the request's way.

import type { Question, Strategy, Verdict } from './strategy.ts'
import type { World } from './world.ts'

export interface TodayOptions {
  readonly isolateTtlMs: number
  /** A token younger than this is trusted without its marker; 0 in today's gateway. */
  readonly youngMs: number
}

interface Known {
  readonly version: number
  readonly learntAtMs: number
}

export interface Markers extends Strategy {
  /** The highest version that the isolate has learnt of a user by now, however old. */
  readonly known: (isolate: number, user: number, atMs: number) => number
  /** Reads the marker beside a request: it waits for nothing, later ones know more. */
  readonly refresh: (question: Question) => void
}

export function createToday(world: World, { isolateTtlMs, youngMs }: TodayOptions): Markers {
  const memories = new Map<number, Map<number, Known>>()

  function memoryOf(isolate: number): Map<number, Known> {
    const memory = memories.get(isolate) ?? new Map<number, Known>()
    memories.set(isolate, memory)
    return memory
  }

  function learn(isolate: number, user: number, version: number, atMs: number): void {
    const memory = memoryOf(isolate)
    memory.set(user, { version: Math.max(version, memory.get(user)?.version ?? 0), learntAtMs: atMs })
  }

  function findFresh({ isolate, user, atMs }: Question): number | null {
    const known = memoryOf(isolate).get(user)
    const isFresh = known !== undefined && known.learntAtMs <= atMs && atMs - known.learntAtMs < isolateTtlMs
    return isFresh ? known.version : null
  }

  function read({ atMs, user, location, isolate }: Question): Verdict & { readonly marker: number | null } {
    const answer = world.markers.get(atMs, location, user)
    const marker = answer.outcome === 'read' ? answer.value : null
    if (marker !== null) learn(isolate, user, marker, atMs + answer.waitMs)
    return { trusted: false, waitMs: answer.waitMs, marker }
  }

  return {
    learn,
    known: (isolate, user, atMs) => {
      const known = memoryOf(isolate).get(user)
      return known === undefined || known.learntAtMs > atMs ? 0 : known.version
    },
    refresh: (question) => {
      if (findFresh(question) === null) read(question)
    },
    judge: (question) => {
      if (question.atMs - question.issuedAtMs < youngMs) return { trusted: true, waitMs: 0 }
      const fresh = findFresh(question)
      if (fresh !== null) return { trusted: question.version >= fresh, waitMs: 0 }
      const { waitMs, marker } = read(question)
      const highest = marker === null ? null : (memoryOf(question.isolate).get(question.user)?.version ?? marker)
      return { trusted: highest !== null && question.version >= highest, waitMs }
    },
  }
}
