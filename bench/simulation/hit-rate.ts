// How often a busy isolate finds a token in its memory.

import type { Remembered, TokenMemory } from '../../src/tokens/memory.ts'
import { createRandom, drawExponential } from './random.ts'
import { ACCESS_TTL_MS } from './strategies.ts'
import { ORDERS } from './token-memories.ts'
import { createSampler, zipfWeights } from './zipf.ts'

export interface Load {
  /** Who are at home where the isolate is; a tenth of a Zipf population, picked evenly, is one again. */
  readonly users: number
  readonly exponent: number
  readonly requestsPerSecond: number
  readonly durationMs: number
}

/** What an isolate is asked: tokens by name, a new one a user and 15 minutes. */
function drawTokens(load: Load, seed: number): readonly string[] {
  const random = createRandom(seed)
  const sample = createSampler(zipfWeights(load.users, load.exponent))
  const issuedAt = new Float64Array(load.users).fill(-Infinity)
  const names = new Map<number, string>()
  const tokens: string[] = []
  for (let atMs = 0; atMs < load.durationMs; atMs += drawExponential(random, 1000 / load.requestsPerSecond)) {
    const user = sample(random)
    if (atMs - (issuedAt[user] ?? 0) >= ACCESS_TTL_MS) {
      issuedAt[user] = atMs
      names.set(user, `${user}.${tokens.length}`)
    }
    tokens.push(names.get(user) ?? '')
  }
  return tokens
}

export interface HitRate {
  /** Of the second half, when the memory is as full as it gets. */
  readonly hits: number
  readonly nanosecondsPerRequest: number
}

function measureHits(tokens: readonly string[], memory: TokenMemory, remembered: Remembered): HitRate {
  const half = Math.floor(tokens.length / 2)
  const began = performance.now()
  let hits = 0
  for (const [index, token] of tokens.entries()) {
    if (memory.find(token) === null) memory.remember(token, remembered)
    else if (index >= half) hits += 1
  }
  const nanosecondsPerRequest = ((performance.now() - began) * 1e6) / tokens.length
  return { hits: hits / (tokens.length - half), nanosecondsPerRequest }
}

export interface MemoryRow extends HitRate {
  readonly requestsPerSecond: number
  readonly exponent: number
  readonly capacity: number
  readonly order: string
}

const LOADS = [
  { requestsPerSecond: 100, exponent: 1, capacity: 1000 },
  { requestsPerSecond: 100, exponent: 1, capacity: 10_000 },
  { requestsPerSecond: 100, exponent: 1, capacity: 30_000 },
  { requestsPerSecond: 100, exponent: 0.8, capacity: 10_000 },
  { requestsPerSecond: 100, exponent: 1.2, capacity: 10_000 },
]

/** Every order at every load, for an isolate of a location where a tenth of a million users is at home. */
export function compareMemories(remembered: Remembered, seed: number): readonly MemoryRow[] {
  return LOADS.flatMap(({ requestsPerSecond, exponent, capacity }) => {
    const tokens = drawTokens({ requestsPerSecond, exponent, users: 100_000, durationMs: 1_200_000 }, seed)
    return ORDERS.map(({ name, create }) => {
      const { hits, nanosecondsPerRequest } = measureHits(tokens, create(capacity), remembered)
      return { requestsPerSecond, exponent, capacity, order: name, hits, nanosecondsPerRequest }
    })
  })
}
