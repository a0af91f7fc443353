// When a revocation is felt, said in every answer that revokes (DESIGN §7).

import type { Config } from '../config/config.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { Ended } from '../sessions/lifecycle.ts'
import { publish } from '../sessions/publish.ts'
import { answerJson } from './answer.ts'

/** Publishes what D1 has committed, then answers how much has ended and when that is felt. `findMembers` finds more of the answer meanwhile, and must not throw. */
export async function announceEnded(
  { runtime }: Exchange,
  ended: Ended,
  cookies: readonly string[],
  findMembers: () => Promise<Readonly<Record<string, unknown>>> = async () => ({}),
): Promise<Response> {
  const members = findMembers()
  await publishEnded(runtime, ended)
  const effective_by = effectiveBy(runtime.config, runtime.now())
  return answerJson({ ended: ended.ended, effective_by, ...(await members) }, cookies)
}

/** Publishes what D1 has committed. Does NOT throw. */
export async function publishEnded(runtime: Runtime, { raised }: Pick<Ended, 'raised'>): Promise<void> {
  await Promise.all(raised.map((user) => publish(runtime, user)))
}

export interface EffectiveBy {
  readonly session: number
  readonly marker: { readonly expected: number; readonly at_latest: number }
  readonly expiry: number
}

/** Unix seconds by which each `revocation` setting feels what D1 committed at `now`, of tokens that live so long at most. */
export function effectiveBy(
  { tokens, revocation }: Config,
  now: number,
  lifetime: number = tokens.accessTtl,
): EffectiveBy {
  const expiry = now + lifetime + tokens.clockSkew
  const expected = Math.min(now + revocation.isolateTtl + revocation.kvTtl, expiry)
  return { session: now, marker: { expected, at_latest: expiry }, expiry }
}
