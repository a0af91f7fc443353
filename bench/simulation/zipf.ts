// Who asks: ranks drawn in proportion to given weights, in one step a draw (Walker's alias method).

import type { Random } from './random.ts'

/** Draws an index of the weights it was made from. */
export type Sampler = (random: Random) => number

/** Weights of Zipf's law: rank k, counted from 1, weighs k to the power of minus `exponent`. */
export function zipfWeights(count: number, exponent: number): Float64Array {
  return new Float64Array(count).map((_, rank) => (rank + 1) ** -exponent)
}

export function createSampler(weights: Float64Array): Sampler {
  const { keep, alias } = buildAliases(weights)
  const count = weights.length
  return (random) => {
    const scaled = random() * count
    const column = Math.floor(scaled)
    return scaled - column < (keep[column] ?? 1) ? column : (alias[column] ?? column)
  }
}

/** Each column of the table holds its own index up to `keep`, and one other index above. */
function buildAliases(weights: Float64Array): { readonly keep: Float64Array; readonly alias: Int32Array } {
  const count = weights.length
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const keep = weights.map((weight) => (weight * count) / total)
  const alias = new Int32Array(count).map((_, index) => index)
  // Columns that have too little, from the left, and those that have too much, from the right.
  const queue = new Int32Array(count)
  let poor = 0
  let rich = count
  for (let index = 0; index < count; index += 1) {
    if ((keep[index] ?? 0) < 1) queue[poor++] = index
    else queue[--rich] = index
  }
  while (poor > 0 && rich < count) {
    const taker = queue[--poor] ?? 0
    const giver = queue[rich] ?? 0
    alias[taker] = giver
    keep[giver] = (keep[giver] ?? 0) + (keep[taker] ?? 0) - 1
    if ((keep[giver] ?? 0) >= 1) continue
    rich += 1
    queue[poor++] = giver
  }
  return { keep, alias }
}
