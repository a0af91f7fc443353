// Rotation: what a presented session token is worth, decided by D1 in one round trip (DESIGN §6).

import type { Teller } from '../audit/tell.ts'
import { tell } from '../audit/tell.ts'
import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import type { Presentation, RaisedVersion, SessionState } from './store.ts'
import {
  endReused,
  parseRaised,
  parseSession,
  presentCurrent,
  raiseVersionForReuse,
  rotateSession,
  selectHonoured,
  selectSession,
} from './store.ts'
import { reusedSession } from './told-store.ts'

export type Presented =
  /** The token is current and young enough, and stays what it is. */
  | { readonly outcome: 'current'; readonly session: SessionState }
  /** A successor was made. */
  | { readonly outcome: 'rotated'; readonly session: SessionState }
  /** A parallel or repeated request: the successor that was made for the first. */
  | { readonly outcome: 'replayed'; readonly session: SessionState }
  /** The credential was replaced on purpose a moment ago: this one is refused, and nothing ends. */
  | { readonly outcome: 'superseded' }
  /** There is no such session any more; `raised` where it was ended just now, because the token was reused. */
  | { readonly outcome: 'ended'; readonly raised: readonly RaisedVersion[] }

/** The living session of a token that would be honoured if it were presented now, else `null`. Changes nothing. One round trip. */
export async function findHonoured(
  db: Database,
  presented: Omit<Presentation, 'spacing'>,
): Promise<SessionState | null> {
  const [honoured = [], selected] = await runBatch(db, [
    selectHonoured(db, presented),
    selectSession(db, presented.sessionId, presented.idleTimeout),
  ])
  return honoured.length === 0 ? null : parseSession(selected?.[0])
}

/**
 * Presents a session token whose mac is good. One transaction decides, remembers and reads, on D1's clock, so no race
 * can fork a session, and an end beats a rotation.
 * @throws Error when D1 fails; whether it rotated is then unknown, and presenting the same token again is safe
 */
export async function presentToken(db: Database, presented: Presentation, teller: Teller): Promise<Presented> {
  const reused = reusedSession(presented)
  const [rotated = [], , raised = [], , selected] = await runBatch(db, [
    rotateSession(db, presented),
    presentCurrent(db, presented),
    tell(db, teller, 'session.reuse', {}, reused),
    tell(db, teller, 'session.end', { reason: 'reuse' }, reused),
    raiseVersionForReuse(db, presented),
    endReused(db, presented),
    selectSession(db, presented.sessionId, presented.idleTimeout),
  ])
  const session = parseSession(selected?.[0])
  if (session === null || !session.alive) {
    return { outcome: 'ended', raised: raised.map(parseRaised).filter((user) => user !== null) }
  }
  if (rotated.length > 0) return { outcome: 'rotated', session }
  if (session.generation === presented.generation) return { outcome: 'current', session }
  return session.previousGeneration === presented.generation
    ? { outcome: 'replayed', session }
    : { outcome: 'superseded' }
}
