// Who the request comes from: the token is verified, its standing judged, and a browser's is renewed in-line.

import { sessionEnded } from '../auth/present.ts'
import type { Renewal, YoungCookies } from '../auth/renew.ts'
import { renewAccess, renewSession } from '../auth/renew.ts'
import type { Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { describeFault } from '../log.ts'
import type { Exchange } from '../runtime.ts'
import { findSession } from '../sessions/lifecycle.ts'
import type { SessionToken } from '../sessions/session-token.ts'
import { parseSessionToken } from '../sessions/session-token.ts'
import type { Identity } from '../tokens/identity.ts'
import type { Remembered } from '../tokens/memory.ts'
import { identifyKey } from './api-key.ts'
import type { Credential } from './credential.ts'
import type { OwnIdentity } from './revocation.ts'
import { isTrustedHere, judgeStanding } from './revocation.ts'
import type { Standing } from './revocation.ts'
import { findVerified, verifyRemembered } from './verified.ts'

/** What a route says about who may be let in. */
export type Demand = Pick<Route, 'access' | 'acceptsSelf' | 'issuers' | 'revocation' | 'onOutage'>

export interface Authenticated {
  /** `null` is anonymous, which only an `optional` route gives. */
  readonly identity: Identity | null
  /** The cookies of a renewal, which may not be there yet: an answer takes them along if they are. */
  readonly renewal: Promise<YoungCookies> | null
}

/**
 * The identity that a credential proves now.
 * @throws Denial `credential_required`, `invalid_token`, `session_ended`; `unavailable` or `issuer_unavailable` where it cannot be told.
 */
export function authenticate(
  exchange: Exchange,
  credential: Credential,
  demand: Demand,
): Promise<Authenticated> | Authenticated {
  if (credential.kind === 'none') return passAnonymous(demand)
  if (credential.kind === 'api-key') return authenticateKey(exchange, credential.key, demand)
  if (credential.kind === 'bearer')
    return findTrusted(exchange, credential.token, demand) ?? judgeBearer(exchange, credential.token, demand)
  const session = findSessionCookie(exchange, credential.session)
  if (session === null || !demand.acceptsSelf) return passAnonymous(demand)
  return judgeCookies(exchange, session, credential.access, demand)
}

function passAnonymous({ access }: Demand): Authenticated {
  if (access === 'optional') return { identity: null, renewal: null }
  throw new Denial('credential_required')
}

/** A key is of the gateway itself, and nothing of it is ever renewed. */
function authenticateKey(exchange: Exchange, key: string, demand: Demand): Promise<Authenticated> | Authenticated {
  if (!demand.acceptsSelf) throw new Denial('invalid_token', { reason: 'issuer' })
  const identity = identifyKey(exchange, key, demand)
  return identity instanceof Promise
    ? identity.then((known) => ({ identity: known, renewal: null }))
    : { identity, renewal: null }
}

/** The short way: the token and its standing are known here, and nothing has to be waited for. */
function findTrusted(exchange: Exchange, token: string, demand: Demand): Authenticated | null {
  const remembered = findVerified(exchange, token, demand)
  return remembered === null ? null : trustHere(exchange, remembered, demand)
}

function trustHere(exchange: Exchange, { identity, ended }: Remembered, demand: Demand): Authenticated | null {
  return !ended && isTrustedHere(exchange, identity, demand) ? { identity, renewal: null } : null
}

async function judgeBearer(exchange: Exchange, token: string, demand: Demand): Promise<Authenticated> {
  const remembered = await verifyRemembered(exchange, token, demand)
  return trustHere(exchange, remembered, demand) ?? judgeUntrusted(exchange, token, remembered, demand)
}

async function judgeUntrusted(
  exchange: Exchange,
  token: string,
  remembered: Remembered,
  demand: Demand,
): Promise<Authenticated> {
  const standing = await judgeRemembered(exchange, token, remembered, demand)
  if (standing.outcome === 'replaced') throw refuseToken('credential replaced')
  if (standing.outcome === 'ended') throw refuseToken(remembered.identity.session === null ? 'revoked' : 'session over')
  return { identity: standing.identity, renewal: null }
}

function refuseToken(reason: string): Denial {
  return new Denial('invalid_token', { reason })
}

/** D1's answer replaces what the isolate remembers of the token, a death included. */
async function judgeRemembered(
  exchange: Exchange,
  token: string,
  remembered: Remembered,
  demand: Demand,
): Promise<Standing> {
  if (remembered.ended) return { outcome: 'ended' }
  const standing = await judgeStanding(exchange, remembered.identity, demand)
  if (standing.outcome === 'ended') exchange.runtime.tokens.remember(token, { ...remembered, ended: true })
  if (standing.outcome !== 'refreshed' || isUnchanged(remembered.identity, standing.identity)) return standing
  exchange.runtime.tokens.remember(token, { ...remembered, identity: standing.identity })
  return standing
}

function isUnchanged(remembered: Identity, current: OwnIdentity): boolean {
  return remembered.version === current.version
}

/** What a session cookie names; a forged one is as if absent. */
function findSessionCookie({ runtime }: Exchange, cookie: string | null): SessionToken | null {
  return cookie === null ? null : parseSessionToken(runtime.sessionKeys, 'c', cookie)
}

async function judgeCookies(
  exchange: Exchange,
  session: SessionToken,
  access: string | null,
  demand: Demand,
): Promise<Authenticated> {
  const remembered = await findAccess(exchange, session, access)
  if (access === null || remembered === null) return renewInline(exchange, await renewFor(exchange, session, demand))
  const standing = await judgeRemembered(exchange, access, remembered, demand)
  if (standing.outcome === 'ended') throw sessionEnded(exchange.runtime.config.insecureCookies)
  if (standing.outcome === 'replaced') return renewInline(exchange, await renewFor(exchange, session, demand))
  const current = standing.outcome === 'refreshed' ? standing.session : null
  if (current !== null && remembered.identity.version !== current.tokenVersion)
    return renewInline(exchange, await renewAccess(exchange, current))
  const renewal = demand.access === 'observe' ? null : renewBeside(exchange, session, standing.identity)
  return { identity: standing.identity, renewal }
}

/** The access cookie's token, which counts only where it is good and of the same session; else it is as if absent. */
export async function findAccess(
  exchange: Exchange,
  session: SessionToken,
  access: string | null,
): Promise<Remembered | null> {
  if (access === null) return null
  try {
    const remembered = await verifyRemembered(exchange, access, { acceptsSelf: true, issuers: [] })
    return remembered.identity.session === session.sessionId ? remembered : null
  } catch (error) {
    if (error instanceof Denial && error.code === 'invalid_token') return null
    throw error
  }
}

/** `observe` only looks: what a rotation made would never reach the browser. */
async function renewFor(exchange: Exchange, token: SessionToken, { access }: Demand): Promise<Renewal> {
  if (access !== 'observe') return renewSession(exchange, token)
  const { db, config, ended } = exchange.runtime
  if (ended.has(token.sessionId)) throw sessionEnded(config.insecureCookies)
  const session = await findSession(db, token.sessionId, config.sessions.idleTimeout)
  if (session?.alive === true) return renewAccess(exchange, session)
  ended.remember(token.sessionId)
  throw sessionEnded(config.insecureCookies)
}

async function renewInline(exchange: Exchange, { session, accessToken, cookies }: Renewal): Promise<Authenticated> {
  exchange.runtime.markers.learn(session.userId, session.tokenVersion)
  const { identity } = await verifyRemembered(exchange, accessToken, { acceptsSelf: true, issuers: [] })
  return { identity, renewal: Promise.resolve(cookies) }
}

/** In the last fifth of a token's life the mint runs beside the request, at most once in a while for a session. */
function renewBeside(exchange: Exchange, session: SessionToken, { expiresAt }: Identity): Promise<YoungCookies> | null {
  const { config, now, renewals, log } = exchange.runtime
  if (expiresAt - now() > config.tokens.accessTtl / 5 || !renewals.begin(session.sessionId)) return null
  const renewal = renewSession(exchange, session).then(({ cookies }) => cookies)
  exchange.waitUntil(
    renewal.catch((error: unknown) =>
      log({ event: 'fault', request_id: exchange.requestId, reason: 'renewal', ...describeFault(error) }),
    ),
  )
  return renewal
}
