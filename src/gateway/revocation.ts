// Whether a token that is genuine still holds: recent changes or the marker, and D1 where they cannot tell (DESIGN §7, §8).

import type { Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { isGatewayScope } from '../gateway-scopes.ts'
import { describeFault } from '../log.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import { findPrincipal, findSession } from '../sessions/lifecycle.ts'
import type { SessionState } from '../sessions/store.ts'
import type { Identity } from '../tokens/identity.ts'
import { RESERVED_CLAIMS } from '../tokens/mint.ts'
import { isSubjectRevoked } from './subject-revocation.ts'

/** A token of the gateway's own: it names a version, and a session unless it is of a client that acts for itself. */
export interface OwnIdentity extends Identity {
  readonly version: number
}

export type Standing =
  | { readonly outcome: 'trusted'; readonly identity: Identity }
  /** D1 was asked: the session, if the token has one, is alive, and the identity has what its subject has now. */
  | { readonly outcome: 'refreshed'; readonly identity: OwnIdentity; readonly session: SessionState | null }
  | { readonly outcome: 'ended' }
  /** The session is alive, and its credentials were replaced since the token was minted. */
  | { readonly outcome: 'replaced' }

export type RevocationRule = Pick<Route, 'revocation' | 'onOutage'>

/**
 * A token whose version is at least the marker's is trusted on the spot; anything else asks D1.
 * Tokens of other issuers name no version of ours and pass. Does NOT remember D1's answer; authenticate does.
 * @throws Denial `unavailable` where neither can be asked and the route does not say `on_outage = "allow"`.
 */
export async function judgeStanding(exchange: Exchange, identity: Identity, rule: RevocationRule): Promise<Standing> {
  if (isTrustedHere(exchange, identity, rule)) return { outcome: 'trusted', identity }
  if (!isOwn(identity)) return judgeSubject(exchange, identity, rule)
  if (rule.revocation === 'session') return askDatabase(exchange, identity, rule)
  if (await isTrustedByMarker(exchange, identity)) return { outcome: 'trusted', identity }
  return askDatabase(exchange, identity, rule)
}

async function judgeSubject(exchange: Exchange, identity: Identity, rule: RevocationRule): Promise<Standing> {
  const isRevoked = await isSubjectRevoked(exchange, identity, rule)
  return isRevoked ? { outcome: 'ended' } : { outcome: 'trusted', identity }
}

/** True where the marker, in this isolate or in KV, is no newer than the identity. */
export async function isTrustedByMarker(exchange: Exchange, identity: OwnIdentity): Promise<boolean> {
  const marker = findKnown(exchange, identity) ?? (await readMarker(exchange, identity.subject))
  return marker !== null && identity.version >= marker
}

/** True where this isolate by itself can trust the identity on the spot. */
export function isTrustedHere(exchange: Exchange, identity: Identity, { revocation }: RevocationRule): boolean {
  if (revocation === 'expiry') return true
  return revocation === 'marker' && isOwn(identity) && identity.version >= (findKnown(exchange, identity) ?? Infinity)
}

function isOwn(identity: Identity): identity is OwnIdentity {
  return identity.version !== null
}

/** The version that a digest of recent changes, or else a marker that was read just now, tells of the user. */
function findKnown(exchange: Exchange, identity: OwnIdentity): number | null {
  return findRecent(exchange, identity) ?? exchange.runtime.markers.fresh(identity.subject)
}

/**
 * What a digest of recent changes says in place of the marker: 0 of a user of whom no version is known; `null` where
 * there is no digest to go by. What it says is learnt, as old as it is.
 */
function findRecent({ runtime, waitUntil }: Exchange, { subject, claims }: OwnIdentity): number | null {
  const { recent, markers } = runtime
  recent.refresh(waitUntil)
  const digest = recent.covering(claims['iat'])
  if (digest === null) return null
  const listed = digest.versions.get(subject) ?? 0
  if (listed > (markers.known(subject) ?? 0)) markers.learn(subject, listed, digest.asOf)
  return markers.known(subject) ?? 0
}

/** The marker in KV; `null` where there is none or KV cannot tell. */
async function readMarker({ runtime, requestId }: Exchange, userId: string): Promise<number | null> {
  try {
    return await runtime.markers.read(userId)
  } catch (error) {
    runtime.log({ event: 'fault', request_id: requestId, reason: 'marker', ...describeFault(error) })
    return null
  }
}

async function askDatabase(exchange: Exchange, identity: OwnIdentity, rule: RevocationRule): Promise<Standing> {
  try {
    return await (identity.session === null
      ? askForPrincipal(exchange.runtime, identity)
      : askForSession(exchange.runtime, identity, identity.session))
  } catch (error) {
    enforceOutageRule(exchange.runtime, identity, rule, error)
    return { outcome: 'trusted', identity }
  }
}

/** A token never gains a scope of the gateway that it was minted without, be its session one that asked for it. */
async function askForSession(
  { db, config, markers }: Runtime,
  identity: OwnIdentity,
  sessionId: string,
): Promise<Standing> {
  const session = await findSession(db, sessionId, config.sessions.idleTimeout)
  if (session === null || !session.alive || session.userId !== identity.subject) return { outcome: 'ended' }
  markers.learn(session.userId, session.tokenVersion)
  if (identity.version < session.leastVersion) return { outcome: 'replaced' }
  const scopes = session.scopes.filter((scope) => !isGatewayScope(scope) || identity.scopes.includes(scope))
  return { outcome: 'refreshed', identity: withCurrent(identity, { ...session, scopes }), session }
}

/** What a client asked for is the most that its token is good for, whatever it has by now. */
async function askForPrincipal({ db, markers }: Runtime, identity: OwnIdentity): Promise<Standing> {
  const principal = await findPrincipal(db, identity.subject)
  if (principal === null || identity.version < principal.leastVersion) return { outcome: 'ended' }
  markers.learn(principal.userId, principal.tokenVersion)
  const scopes = identity.scopes.filter((scope) => principal.scopes.includes(scope))
  return { outcome: 'refreshed', identity: withCurrent(identity, { ...principal, scopes }), session: null }
}

/**
 * `on_outage = "allow"` lets an identity pass until it expires, unless a marker seen here says that it is out of date.
 * @throws Denial `unavailable`
 */
export function enforceOutageRule(
  { markers }: Runtime,
  { subject, version }: OwnIdentity,
  { revocation, onOutage }: RevocationRule,
  cause: unknown,
): void {
  const isOutdated = (markers.known(subject) ?? 0) > version
  if (revocation === 'session' || onOutage === 'deny' || isOutdated) throw new Denial('unavailable', { cause })
}

/** The token's identity with the roles, scopes, claims and version that its subject has in D1 now. */
function withCurrent(
  identity: OwnIdentity,
  current: Pick<SessionState, 'roles' | 'scopes' | 'claims' | 'tokenVersion'>,
): OwnIdentity {
  const registered = Object.entries(identity.claims).filter(([name]) => RESERVED_CLAIMS.has(name))
  const { scopes, roles, tokenVersion: version } = current
  const claims = { ...current.claims, ...Object.fromEntries(registered), scope: scopes.join(' '), roles, ver: version }
  return { ...identity, scopes, roles, version, claims }
}
