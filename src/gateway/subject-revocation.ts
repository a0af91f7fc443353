// Whether a token of another issuer still holds: its issuer's revocations, as many as the issuer's marker counts (DESIGN §7).

import { Denial } from '../denial.ts'
import { loadRevocations, SLACK } from '../issuers/lifecycle.ts'
import type { Revocations } from '../issuers/revoked.ts'
import { issuerMarkerId } from '../issuers/store.ts'
import { describeFault } from '../log.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { Identity } from '../tokens/identity.ts'
import type { RevocationRule } from './revocation.ts'

/**
 * True where an administrator has revoked the subject since the token was issued. An isolate that knows as many revocations
 * as the issuer's marker counts judges by itself, any other asks D1; without a marker there are none.
 * Does NOT ask whether the route wants to know; judgeStanding does.
 * @throws Denial `unavailable` where it cannot be told and the route does not say `on_outage = "allow"`
 */
export async function isSubjectRevoked(exchange: Exchange, identity: Identity, rule: RevocationRule): Promise<boolean> {
  const { runtime } = exchange
  if (isListed(runtime.revoked.find(identity.issuer), identity)) return true
  const marker = await readMarker(exchange, identity.issuer)
  const known = runtime.revoked.find(identity.issuer)
  if (isUpToDate(runtime, known, marker) && isCovered(known, identity)) return isListed(known, identity)
  return askDatabase(runtime, identity, marker, rule)
}

/** Tokens that were issued in the second of the revocation are among those that it ends. */
function isListed({ subjects }: Pick<Revocations, 'subjects'>, identity: Identity): boolean {
  return issuedAt(identity) <= (subjects.get(identity.issuerSubject) ?? -Infinity)
}

/** Verifying has made sure that it is there. */
function issuedAt({ claims }: Identity): number {
  return Number(claims['iat'])
}

interface Marker {
  /** The version of an issuer's revocations, as far as this isolate has been told; 0 where there is no marker. */
  readonly version: number
  /** KV could tell. */
  readonly isRead: boolean
}

async function readMarker({ runtime, requestId }: Exchange, issuer: string): Promise<Marker> {
  const { markers, log } = runtime
  const id = issuerMarkerId(issuer)
  const fresh = markers.fresh(id)
  if (fresh !== null) return { version: fresh, isRead: true }
  try {
    if ((await markers.read(id)) === null) markers.learn(id, 0)
    return { version: markers.known(id) ?? 0, isRead: true }
  } catch (error) {
    log({ event: 'fault', request_id: requestId, reason: 'marker', issuer, ...describeFault(error) })
    return { version: markers.known(id) ?? 0, isRead: false }
  }
}

/** Where KV cannot tell, what D1 said is as good as a marker while it is as young as one. */
function isUpToDate({ config, now }: Runtime, known: Revocations, { version, isRead }: Marker): boolean {
  const { isolateTtl, kvTtl } = config.revocation
  return known.version >= version && (isRead || now() - known.askedAt < isolateTtl + kvTtl)
}

/** When D1 said of a token, older than all that is remembered, that it holds: what came later is remembered. */
const cleared = new WeakMap<Identity, number>()

/** True where no revocation of the token can have been forgotten. */
function isCovered({ since }: Revocations, identity: Identity): boolean {
  return Math.max(issuedAt(identity), cleared.get(identity) ?? 0) >= since
}

async function askDatabase(
  runtime: Runtime,
  identity: Identity,
  marker: Marker,
  rule: RevocationRule,
): Promise<boolean> {
  const { db, revoked, markers, now } = runtime
  const { issuer } = identity
  try {
    const said = await loadRevocations(db, { issuer, subject: identity.issuerSubject }, revoked.find(issuer), now())
    // What a marker tells of is in D1 before the marker is put, so it is in what D1 said after the marker was read.
    revoked.learn(issuer, { ...said, version: Math.max(said.version, marker.version) })
    markers.learn(issuerMarkerId(issuer), said.version)
    if (isListed(said, identity)) return true
    cleared.set(identity, said.readAt - SLACK)
    return isListed(revoked.find(issuer), identity)
  } catch (cause) {
    enforceOutageRule(runtime, issuer, marker, rule, cause)
    return false
  }
}

/** As with tokens of our own, nothing passes that a marker seen here may have ended. */
function enforceOutageRule(
  { revoked }: Runtime,
  issuer: string,
  { version }: Marker,
  { onOutage }: RevocationRule,
  cause: unknown,
): void {
  if (onOutage === 'deny' || version > revoked.find(issuer).version) throw new Denial('unavailable', { cause })
}
