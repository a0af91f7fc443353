// Chance from a seed: the same seed tells the same story on every machine.

/** A number from 0 up to, not including, 1. */
export type Random = () => number

/** Mulberry32: 32 bits of state, good enough to draw traffic with. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export type Range = readonly [from: number, to: number]

/** Evenly spread over a range. */
export function drawBetween(random: Random, [from, to]: Range): number {
  return from + random() * (to - from)
}

/** The gap to the next event of a Poisson process, or any other waiting without memory. */
export function drawExponential(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean
}
