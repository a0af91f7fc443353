// What happens to users: changes that revoke their tokens, and thieves who go on using one.

import type { Random } from './random.ts'
import type { Traffic } from './traffic.ts'

export interface Change {
  readonly user: number
  readonly atMs: number
  /** Where someone goes on using a token of before the change, each second. Nobody where it is mass change. */
  readonly thieves: readonly Thief[]
}

export interface Thief {
  readonly location: number
  /** How long before the change the token was used in the same way. */
  readonly activeMs: number
}

/** How long a revoked token is tried after the change. */
export const TRIED_MS = 120_000

export interface ChangeOptions {
  readonly random: Random
  readonly traffic: Traffic
  readonly locations: number
  readonly perSecond: number
  readonly fromMs: number
  readonly untilMs: number
  /** Only changes after it have thieves, so that a token minted long before was there. */
  readonly thievesFromMs: number
}

/** Changes of users, the likelier the more active they are; a thief at home and one anywhere each. */
export function drawChanges(options: ChangeOptions): readonly Change[] {
  const { random, traffic, locations, perSecond, fromMs, untilMs, thievesFromMs } = options
  const count = Math.round(((untilMs - fromMs) / 1000) * perSecond)
  return Array.from({ length: count }, (_, index) => {
    const atMs = fromMs + random() * (untilMs - fromMs)
    const user = traffic.drawUser(random)
    const activeMs = index % 2 === 0 ? 0 : 40_000
    const where = [traffic.homes[user] ?? 0, Math.floor(random() * locations)]
    const isTried = atMs >= thievesFromMs && atMs + TRIED_MS < untilMs
    return { user, atMs, thieves: isTried ? where.map((location) => ({ location, activeMs })) : [] }
  })
}

/** So many users at once, each as likely as the other; at the homes of some of them is a thief. */
export function drawMassChange(
  random: Random,
  { homes }: Traffic,
  count: number,
  fromMs: number,
  withinMs: number,
): readonly Change[] {
  return Array.from({ length: count }, (_, index) => {
    const user = Math.floor(random() * homes.length)
    const thief = { location: homes[user] ?? 0, activeMs: index % 20 === 0 ? 0 : 40_000 }
    const thieves = index % 10 === 0 ? [thief] : []
    return { user, atMs: fromMs + random() * withinMs, thieves }
  })
}
