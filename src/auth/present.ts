// A session token is presented: D1 decides what it is worth, and a session that a reused one ends is published.

import { STRANGER } from '../audit/store.ts'
import { Denial } from '../denial.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import { publish } from '../sessions/publish.ts'
import type { Presented } from '../sessions/rotation.ts'
import { presentToken } from '../sessions/rotation.ts'
import type { SessionToken, SessionTokenKind } from '../sessions/session-token.ts'
import type { SessionState } from '../sessions/store.ts'
import { CONSOLE_CLIENT } from '../sessions/store.ts'
import { clearingCookies, cookieNames } from './cookies.ts'
import { tellerFor } from './teller.ts'

export type Living = Exclude<Presented, { readonly outcome: 'ended' | 'superseded' }>

/**
 * The living session of a token whose mac is good. One round trip; none for a token that was refused a moment ago.
 * A cookie is rotated every `rotate_after`, a refresh token each time but for its first moments.
 * @throws Denial `session_ended`, which clears both cookies where the token is a cookie, but for one that was replaced a moment
 *   ago: its browser may have the new one by now
 */
export async function presentFor(exchange: Exchange, kind: SessionTokenKind, token: SessionToken): Promise<Living> {
  const { runtime, waitUntil } = exchange
  const name = `${kind} ${token.sessionId} ${token.generation}`
  if (runtime.ended.has(name)) throw refuseEnded(runtime, kind)
  const { idleTimeout, rotateAfter, reuseGrace: grace } = runtime.config.sessions
  const spacing = kind === 'r' ? 2 * grace : rotateAfter
  const teller = tellerFor(exchange, STRANGER)
  const presented = await presentToken(runtime.db, { ...token, idleTimeout, spacing, grace }, teller)
  if (presented.outcome === 'superseded') throw new Denial('session_ended', { reason: 'credential replaced' })
  if (presented.outcome !== 'ended' && isOfKind(presented.session, kind)) return presented
  if (presented.outcome === 'ended') waitUntil(Promise.all(presented.raised.map((user) => publish(runtime, user))))
  runtime.ended.remember(name)
  throw refuseEnded(runtime, kind)
}

function refuseEnded({ config }: Runtime, kind: SessionTokenKind): Denial {
  return kind === 'r' ? new Denial('session_ended') : sessionEnded(config.insecureCookies)
}

/** The console's sessions have the console's cookie and no other, and nobody else has it. */
function isOfKind({ clientId }: SessionState, kind: SessionTokenKind): boolean {
  return (clientId === CONSOLE_CLIENT) === (kind === 'a')
}

/** The refusal of a dead session: 401, and both cookies go. */
export function sessionEnded(insecureCookies: boolean): Denial {
  return new Denial('session_ended', { cookies: clearingCookies(cookieNames(insecureCookies)) })
}
