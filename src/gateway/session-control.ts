// Session control: what is checked before an upstream that may sign people in, and what its answer then does (DESIGN §9.3).

import type { Control, Settled } from '../auth/control.ts'
import { createControl } from '../auth/control.ts'
import { cookieNames } from '../auth/cookies.ts'
import { enforceTransport } from '../auth/same-site.ts'
import type { Route } from '../config/config.ts'
import type { Exchange } from '../runtime.ts'
import type { Identity } from '../tokens/identity.ts'
import { readCredential } from './credential.ts'
import { ownOrigins, siteOf, writes } from './csrf.ts'
import type { Target } from './path.ts'
import type { Passed } from './response-headers.ts'

/**
 * What a request to this route carries; `null` where its upstream controls no sessions. A request that writes proves
 * first that it comes from this site, unless it is of no browser and takes tokens or carries one: its answer may set
 * cookies, and end the session of those that came. A bearer token alone excuses no browser, since it need not be good.
 * @throws Denial `cross_site_request`, `ambiguous_credential`
 */
export function expectControl(exchange: Exchange, { host }: Target, route: Route): Control | null {
  if (route.sessionControl === null) return null
  const { head, runtime } = exchange
  const control = createControl(exchange, host, route.upstream.origin, route.sessionControl)
  if (!writes(head)) return control
  const { kind } = readCredential(head, BEARER, cookieNames(runtime.config.insecureCookies))
  const site = siteOf(head, ownOrigins(runtime.config, route))
  enforceTransport(site, kind === 'bearer' ? 'token' : control.transport)
  return control
}

/**
 * What the upstream's answer does to sessions, once it is done; nothing by an answer that tells of an error. An answer that is refused is given up, body and all.
 * @throws Denial `invalid_session_control`, `invalid_sign_in`
 */
export async function obeyControl(
  exchange: Exchange,
  control: Control,
  identity: Identity | null,
  { response, sessionControl: header }: Passed,
): Promise<Settled> {
  if (header === null || response.status < 200 || response.status > 399) return NOTHING
  try {
    const { settleControl } = await import('../auth/upstream-control.ts')
    return await settleControl(exchange, control, identity?.session ?? null, { header, status: response.status })
  } catch (error) {
    await response.body?.cancel()
    throw error
  }
}

const BEARER: ReadonlySet<'bearer'> = new Set(['bearer'])
const NOTHING: Settled = { cookies: [], headers: {} }
