// When a revocation is felt, said in every answer that revokes (DESIGN §7).

import type { Config } from '../config/config.ts'

export interface EffectiveBy {
  readonly session: number
  readonly marker: { readonly expected: number; readonly at_latest: number }
  readonly expiry: number
}

/** Unix seconds by which each `revocation` setting feels what D1 committed at `now`. */
export function effectiveBy({ tokens, revocation }: Config, now: number): EffectiveBy {
  const expiry = now + tokens.accessTtl + tokens.clockSkew
  const expected = Math.min(now + revocation.isolateTtl + revocation.kvTtl, expiry)
  return { session: now, marker: { expected, at_latest: expiry }, expiry }
}
