// `npm run keys -- revoke-all`: for the day a key has leaked. New keys first, then every session ends, then everybody is told.
import type { Rings } from './rings.ts'
import { makeKeys } from './rings.ts'
import type { Lifetimes } from './rings.ts'

/** Ends every session, and makes every token out of date. Safe to repeat. */
export const RAISE_EPOCHS =
  `UPDATE users SET session_epoch = session_epoch + 1, ` +
  `token_version = max(token_version + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER)), changed_at = unixepoch()`

/** Nothing but one new key each, which signs at once: whoever knew the old ones can use them no more. */
export async function newRings(config: Lifetimes): Promise<Rings> {
  const { signing, session } = await makeKeys(config)
  const active = { state: 'active', deployedAt: null } as const
  return { signing: [{ ...signing, ...active }], session: [{ ...session, ...active }] }
}

export interface Step {
  readonly says: string
  /** What does the same by hand, should it fail. */
  readonly byHand: string
  readonly run: () => Promise<unknown>
}

/**
 * Runs the steps in their order and stops at the first that fails: what did not happen is said, with how to do it by hand.
 * Gives the exit code.
 */
export async function runSteps(steps: readonly Step[], say: (line: string) => void): Promise<0 | 1> {
  for (const [index, { says, run }] of steps.entries()) {
    try {
      await run()
      say(`done  ${says}`)
    } catch (error) {
      say(`FAILED  ${says}\n${error instanceof Error ? error.message : String(error)}`)
      say('Not done yet, in this order:')
      for (const { byHand } of steps.slice(index)) say(`  ${byHand}`)
      return 1
    }
  }
  return 0
}
