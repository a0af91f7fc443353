// Who sends a request when, and which isolate of which location gets it.

import { drawExponential } from './random.ts'
import type { Random } from './random.ts'
import { createSampler, zipfWeights } from './zipf.ts'

export interface TrafficOptions {
  readonly random: Random
  readonly users: number
  /** Of Zipf's law among users. */
  readonly exponent: number
  readonly requestsPerSecond: number
  readonly durationMs: number
  readonly locations: number
  readonly isolatesPerLocation: number
  /** An isolate is replaced by a new one, which knows nothing, after this long. */
  readonly isolateLifeMs: number
  /** The share of a user's requests that come to his own location. */
  readonly atHome: number
}

/** Requests in the order of their time, a column each: a million objects would be slow. */
export interface Traffic {
  readonly count: number
  readonly atMs: Float64Array
  readonly user: Int32Array
  readonly location: Uint16Array
  readonly isolate: Int32Array
  readonly homes: Uint16Array
  /** A user, as likely as he is active. */
  readonly drawUser: (random: Random) => number
  /** Some isolate that a location has at a moment. */
  readonly drawIsolate: (random: Random, location: number, atMs: number) => number
}

/** Locations are unequal as well, though less than users. */
const LOCATION_EXPONENT = 0.8

export function createTraffic(options: TrafficOptions): Traffic {
  const { random, users, durationMs, atHome } = options
  const drawUser = createSampler(zipfWeights(users, options.exponent))
  const drawLocation = createSampler(zipfWeights(options.locations, LOCATION_EXPONENT))
  const homes = Uint16Array.from({ length: users }, () => drawLocation(random))
  const times = drawTimes(random, 1000 / options.requestsPerSecond, durationMs)
  const user = Int32Array.from(times, () => drawUser(random))
  const location = Uint16Array.from(user, (who) => (random() < atHome ? (homes[who] ?? 0) : drawLocation(random)))
  const drawIsolate = isolateSampler(options)
  const isolate = Int32Array.from(location, (where, index) => drawIsolate(random, where, times[index] ?? 0))
  return { count: times.length, atMs: times, user, location, isolate, homes, drawUser, drawIsolate }
}

/** The lives of a location's isolates begin at different moments, spread evenly. */
function isolateSampler({ locations, isolatesPerLocation, isolateLifeMs }: TrafficOptions): Traffic['drawIsolate'] {
  const total = locations * isolatesPerLocation
  return (random, location, atMs) => {
    const place = Math.floor(random() * isolatesPerLocation)
    const life = Math.floor(atMs / isolateLifeMs + place / isolatesPerLocation)
    return life * total + location * isolatesPerLocation + place
  }
}

function drawTimes(random: Random, meanGapMs: number, durationMs: number): Float64Array {
  const times = []
  for (let atMs = drawExponential(random, meanGapMs); atMs < durationMs; atMs += drawExponential(random, meanGapMs))
    times.push(atMs)
  return Float64Array.from(times)
}
