// Who is in front of a page: a session cookie that D1 calls alive, or nobody.

import { cookiesFor, mintFor } from '../auth/issue.ts'
import type { LivingCaller } from '../auth/session.ts'
import { requireLiving } from '../auth/session.ts'
import { Denial } from '../denial.ts'
import { findCaller } from '../gateway/caller.ts'
import type { Exchange } from '../runtime.ts'
import type { SessionState } from '../sessions/store.ts'
import { pagePath } from './places.ts'
import { answerSeeOther } from './see-other.ts'

export type Visitor =
  | { readonly outcome: 'signed-in'; readonly cookies: readonly string[] }
  | { readonly outcome: 'nobody'; readonly cookies: readonly string[] }

/** The visitor, and the `Set-Cookie` lines that go with the answer: a renewal's, or those that clear a dead session's. */
export async function findVisitor(exchange: Exchange): Promise<Visitor> {
  const caller = await findCaller(exchange)
  if (caller === null) return { outcome: 'nobody', cookies: [] }
  try {
    const { cookies } = await requireLiving(exchange, caller)
    return { outcome: 'signed-in', cookies }
  } catch (error) {
    if (!(error instanceof Denial) || error.status !== 401) throw error
    return { outcome: 'nobody', cookies: error.details.cookies ?? [] }
  }
}

/** @throws Denial `credential_required`, `invalid_token`, `session_ended` */
export async function requireVisitor(exchange: Exchange): Promise<LivingCaller> {
  return requireLiving(exchange, await findCaller(exchange))
}

/** A session that has just opened: its cookies, and on to the page that was asked for. */
export async function answerSignedIn(
  { runtime }: Exchange,
  session: SessionState,
  returnTo: string | null,
): Promise<Response> {
  const now = runtime.now()
  const cookies = cookiesFor(runtime, session, await mintFor(runtime, session, now), now)
  return answerSeeOther(returnTo ?? pagePath(runtime.config, 'account'), cookies)
}
