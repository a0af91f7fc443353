// Which functions of a CPU profile were on top, and for how long.

import type { Profile } from './profile.ts'

export interface SelfTime {
  readonly where: string
  readonly micros: number
}

/** Longest first; the time in which the Worker waited is left out. What a look finds lasts until the next look. */
export function selfTimesOf({ nodes, samples, timeDeltas }: Profile): readonly SelfTime[] {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]))
  const micros = new Map<string, number>()
  for (const [at, id] of samples.entries()) {
    const where = places.get(id) ?? '?'
    micros.set(where, (micros.get(where) ?? 0) + (timeDeltas[at + 1] ?? 0))
  }
  return [...micros]
    .map(([where, sum]) => ({ where, micros: sum }))
    .filter(({ where }) => where !== WAITING)
    .toSorted((one, other) => other.micros - one.micros)
}

const WAITING = '(idle)'

function placeOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  return url === '' ? name : `${name} ${url.split('/').at(-1)}:${lineNumber + 1}`
}

/** So many of the longest, as lines of microseconds per request, share and place. */
export function describeSelfTimes(times: readonly SelfTime[], requests: number, count: number): string {
  const whole = times.reduce((sum, { micros }) => sum + micros, 0)
  return times
    .slice(0, count)
    .map(({ where, micros }) => {
      const perRequest = (micros / requests).toFixed(2).padStart(8)
      return `${perRequest} µs ${((100 * micros) / whole).toFixed(1).padStart(5)} %  ${where}`
    })
    .join('\n')
}
