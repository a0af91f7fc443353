// Signing out by a form: the session ends, the cookies go, and the browser goes on, to the provider where one began it.

import { readBody } from '../auth/body.ts'
import { publishEnded } from '../auth/effective.ts'
import { parseReturnTo } from '../auth/return-to.ts'
import type { Site } from '../auth/same-site.ts'
import { enforceTransport } from '../auth/same-site.ts'
import { endHere, findLogout } from '../auth/sign-out.ts'
import { findCaller } from '../gateway/caller.ts'
import type { Exchange } from '../runtime.ts'
import { answerOnward } from './onward.tsx'
import { afterSignOut } from './places.ts'
import { answerSeeOther } from './see-other.ts'

/**
 * `POST /auth/sign-out` by a form. Safe to repeat.
 * @throws Denial `cross_site_request`, `invalid_request`, `ambiguous_credential`
 */
export async function submitSignOut(exchange: Exchange, site: Site): Promise<Response> {
  const { runtime, request } = exchange
  const body = await readBody(request, ['return_to'])
  enforceTransport(site, 'cookie')
  const caller = await findCaller(exchange)
  const { ended, cookies } = await endHere(exchange, site, caller?.sessionId ?? null)
  const [logout] = await Promise.all([findLogout(exchange, ended), publishEnded(runtime, ended)])
  if (logout !== null) return answerOnward(runtime.config, logout, cookies)
  return answerSeeOther(afterSignOut(runtime.config, parseReturnTo(runtime.config, body['return_to'])), cookies)
}
