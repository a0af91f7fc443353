// Signing out, here or everywhere: what ends is committed before the answer says so.

import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import type { EndedOne } from '../sessions/lifecycle.ts'
import { endAll, endOne } from '../sessions/lifecycle.ts'
import { parseSessionToken } from '../sessions/session-token.ts'
import { readBody } from './body.ts'
import type { Caller } from './caller.ts'
import { usesCookies } from './caller.ts'
import { clearingCookies, cookieNames } from './cookies.ts'
import { announceEnded } from './effective.ts'
import { findBrowserSession } from './open.ts'
import type { Site } from './same-site.ts'
import { enforceTransport } from './same-site.ts'
import { requireLiving } from './session.ts'
import { tellerFor } from './teller.ts'

const NOTHING: EndedOne = { ended: 0, raised: [], began: null }

/**
 * `POST /auth/sign-out`. A refresh token in the body names the session, whoever calls. Safe to repeat; where no credential
 * came nothing ends, and a browser's cookies still go. Where a provider began the session, the answer says where to sign out of it.
 * @throws Denial `cross_site_request`, `invalid_request`, `invalid_token`, `ambiguous_credential`, `session_ended` for a refresh token that is not ours
 */
export async function signOut(
  exchange: Exchange,
  site: Site,
  findCaller: () => Promise<Caller | null>,
): Promise<Response> {
  const { refresh_token: refreshToken } = await readBody(exchange.request, ['refresh_token'])
  const caller = refreshToken === undefined ? await findCaller() : null
  enforceTransport(site, usesCookies(caller) ? 'cookie' : 'token')
  const { ended, cookies } = await endHere(
    exchange,
    site,
    caller?.sessionId ?? parseRefreshToken(exchange, refreshToken),
  )
  return announceEnded(exchange, ended, cookies, async () => {
    const url = await findLogout(exchange, ended)
    return url === null ? {} : { provider_logout: url }
  })
}

/** Where the browser signs out of the provider that began its session as well; `null`: nowhere. */
export async function findLogout(exchange: Exchange, { began }: EndedOne): Promise<string | null> {
  if (began === null) return null
  const { findProviderLogout } = await import('./provider-logout.ts')
  return findProviderLogout(exchange, began)
}

/** Ends a session, and tells the `Set-Cookie` lines that this browser gets: its cookies go, unless they are of another session. */
export async function endHere(
  exchange: Exchange,
  site: Site,
  sessionId: string | null,
): Promise<{ readonly ended: EndedOne; readonly cookies: readonly string[] }> {
  const browser = findBrowserSession(exchange)
  const teller = tellerFor(exchange, null)
  const ended = sessionId === null ? NOTHING : await endOne(exchange.runtime.db, sessionId, 'sign_out', teller)
  return { ended, cookies: browser === null || browser === sessionId ? clearedFor(exchange, site) : [] }
}

/**
 * `POST /auth/sign-out-everywhere`: every session of the user ends at once.
 * @throws Denial `cross_site_request`, `credential_required`, `invalid_token`, `session_ended`
 */
export async function signOutEverywhere(exchange: Exchange, site: Site, caller: Caller | null): Promise<Response> {
  await readBody(exchange.request, [])
  enforceTransport(site, usesCookies(caller) ? 'cookie' : 'token')
  const { session } = await requireLiving(exchange, caller)
  const { db, config } = exchange.runtime
  const ended = await endAll(db, session, config.sessions.idleTimeout, tellerFor(exchange, null))
  if (ended === null) throw new Denial('session_ended', { reason: 'over since it was looked at' })
  return announceEnded(exchange, ended, clearedFor(exchange, site))
}

function parseRefreshToken({ runtime }: Exchange, refreshToken: string | undefined): string | null {
  if (refreshToken === undefined) return null
  const token = parseSessionToken(runtime.sessionKeys, 'r', refreshToken)
  if (token === null) throw new Denial('session_ended', { reason: 'refresh token is not ours' })
  return token.sessionId
}

/** A browser of this site loses its cookies. */
function clearedFor({ runtime }: Exchange, site: Site): readonly string[] {
  return site === 'same' ? clearingCookies(cookieNames(runtime.config.insecureCookies)) : []
}
