// Who am I: the caller's session as D1 holds it now.

import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import { findSession } from '../sessions/lifecycle.ts'
import type { SessionState } from '../sessions/store.ts'
import type { Caller } from './caller.ts'
import { describeSession } from './issue.ts'
import { sessionEnded } from './renew.ts'

/** `GET /auth/session`. @throws Denial `credential_required`, `invalid_token`, `session_ended` */
export async function showSession(exchange: Exchange, caller: Caller | null): Promise<Response> {
  const session = await findCallerSession(exchange, caller)
  const body = describeSession(session, caller?.accessExpiresAt ?? null)
  return Response.json(body, { headers: { 'Cache-Control': 'no-store' } })
}

/**
 * The caller's session. One round trip.
 * @throws Denial `credential_required` without a credential; `invalid_token` (bearer) or `session_ended` (cookie, which clears it) of a dead session
 */
export async function findCallerSession({ runtime }: Exchange, caller: Caller | null): Promise<SessionState> {
  if (caller === null) throw new Denial('credential_required')
  const { db, config } = runtime
  const session = await findSession(db, caller.sessionId, config.sessions.idleTimeout)
  const isCurrent = caller.generation === null || caller.generation === session?.generation
  if (session !== null && session.alive && isCurrent) return session
  throw caller.via === 'cookie'
    ? sessionEnded(config.insecureCookies)
    : new Denial('invalid_token', { reason: 'session over' })
}
