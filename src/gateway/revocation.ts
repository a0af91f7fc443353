// Whether a token that is genuine still holds: recent changes or the marker, and D1 where they cannot tell (DESIGN §7, §8).

import type { Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { describeFault } from '../log.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import { findPrincipal, findSession } from '../sessions/lifecycle.ts'
import type { SessionState } from '../sessions/store.ts'
import type { Identity } from '../tokens/identity.ts'
import { RESERVED_CLAIMS } from '../tokens/mint.ts'

/** A token of the gateway's own: it names a version, and a session unless it is of a client that acts for itself. */
export interface OwnIdentity extends Identity {
  readonly version: number
}

export type Standing =
  | { readonly outcome: 'trusted'; readonly identity: Identity }
  /** D1 was asked: the session, if the token has one, is alive, and the identity has what its subject has now. */
  | { readonly outcome: 'refreshed'; readonly identity: OwnIdentity; readonly session: SessionState | null }
  | { readonly outcome: 'ended' }

export type RevocationRule = Pick<Route, 'revocation' | 'onOutage'>

/**
 * A token whose version is at least the marker's is trusted on the spot; anything else asks D1.
 * Tokens of other issuers name no version of ours and pass. Does NOT remember D1's answer; authenticate does.
 * @throws Denial `unavailable` where neither can be asked and the route does not say `on_outage = "allow"`.
 */
export async function judgeStanding(exchange: Exchange, identity: Identity, rule: RevocationRule): Promise<Standing> {
  if (!isOwn(identity) || isTrustedHere(exchange, identity, rule)) return { outcome: 'trusted', identity }
  if (rule.revocation === 'session') return askDatabase(exchange, identity, rule)
  const marker = findKnown(exchange, identity) ?? (await readMarker(exchange, identity.subject))
  if (marker !== null && identity.version >= marker) return { outcome: 'trusted', identity }
  return askDatabase(exchange, identity, rule)
}

/** True where this isolate by itself can trust the token on the spot. */
export function isTrustedHere(exchange: Exchange, identity: Identity, { revocation }: RevocationRule): boolean {
  if (!isOwn(identity) || revocation === 'expiry') return true
  return revocation === 'marker' && identity.version >= (findKnown(exchange, identity) ?? Infinity)
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
    return passOutage(exchange.runtime, identity, rule, error)
  }
}

async function askForSession(
  { db, config, markers }: Runtime,
  identity: OwnIdentity,
  sessionId: string,
): Promise<Standing> {
  const session = await findSession(db, sessionId, config.sessions.idleTimeout)
  if (session === null || !session.alive || session.userId !== identity.subject) return { outcome: 'ended' }
  markers.learn(session.userId, session.tokenVersion)
  return { outcome: 'refreshed', identity: withCurrent(identity, session), session }
}

/** What a client asked for is the most that its token is good for, whatever it has by now. */
async function askForPrincipal({ db, markers }: Runtime, identity: OwnIdentity): Promise<Standing> {
  const principal = await findPrincipal(db, identity.subject)
  if (principal === null || identity.version < principal.leastVersion) return { outcome: 'ended' }
  markers.learn(principal.userId, principal.tokenVersion)
  const scopes = identity.scopes.filter((scope) => principal.scopes.includes(scope))
  return { outcome: 'refreshed', identity: withCurrent(identity, { ...principal, scopes }), session: null }
}

/** `on_outage = "allow"` lets a token live until it expires, unless a marker seen here says that it is out of date. */
function passOutage({ markers }: Runtime, identity: OwnIdentity, rule: RevocationRule, cause: unknown): Standing {
  const outdated = (markers.known(identity.subject) ?? 0) > identity.version
  if (rule.revocation === 'session' || rule.onOutage === 'deny' || outdated) throw new Denial('unavailable', { cause })
  return { outcome: 'trusted', identity }
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
