// My devices: the user's living sessions, and ending one of them.

import type { Exchange } from '../runtime.ts'
import { endDevice, listDevices } from '../sessions/lifecycle.ts'
import { answerJson } from './answer.ts'
import type { Caller } from './caller.ts'
import { usesCookies } from './caller.ts'
import { announceEnded } from './effective.ts'
import type { Site } from './same-site.ts'
import { enforceTransport } from './same-site.ts'
import { requireLiving } from './session.ts'
import { tellerFor } from './teller.ts'

/** `GET /auth/sessions`. @throws Denial `credential_required`, `invalid_token`, `session_ended` */
export async function showDevices(exchange: Exchange, caller: Caller | null): Promise<Response> {
  const { session, cookies } = await requireLiving(exchange, caller)
  const { db, config } = exchange.runtime
  const devices = await listDevices(db, session.userId, config.sessions.idleTimeout)
  const sessions = devices.map((device) => ({
    id: device.sessionId,
    current: device.sessionId === session.sessionId,
    created_at: device.createdAt,
    last_seen_at: device.lastSeenAt,
    expires_at: device.endsAt,
    user_agent: device.userAgent,
    address: device.address,
  }))
  return answerJson({ sessions }, cookies)
}

/**
 * `DELETE /auth/sessions/:id`. Safe to repeat; the id of somebody else's session ends nothing and says nothing.
 * @throws Denial `cross_site_request`, `credential_required`, `invalid_token`, `session_ended`
 */
export async function endSessionOf(
  exchange: Exchange,
  site: Site,
  caller: Caller | null,
  sessionId: string,
): Promise<Response> {
  enforceTransport(site, usesCookies(caller) ? 'cookie' : 'token')
  const { session, cookies } = await requireLiving(exchange, caller)
  const { db, config } = exchange.runtime
  const ended = await endDevice(db, session.userId, sessionId, config.sessions.idleTimeout, tellerFor(exchange, null))
  return announceEnded(exchange, ended, cookies)
}
