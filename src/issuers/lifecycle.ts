// Revocations of other issuers' subjects: made, loaded, published. D1 decides; tokens and HTTP are not known here.

import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import type { Publisher } from '../sessions/publish.ts'
import { publishInLanes } from '../sessions/publish.ts'
import type { RaisedVersion } from '../sessions/store.ts'
import { parseRaised } from '../sessions/store.ts'
import type { Revocations } from './revoked.ts'
import { MAX_SUBJECTS } from './revoked.ts'
import {
  confirmIssuerPublished,
  parseRevocations,
  parseRevokedSubject,
  raiseRevocations,
  revokeSubject,
  selectRevocations,
  selectRevokedIssuers,
  selectRevokedSubject,
  selectRevokedSubjects,
} from './store.ts'

/** Refuses what the issuer gave to a subject until now: one batch with `others`. What must be published. Safe to repeat. */
export async function revoke(
  db: Database,
  issuer: string,
  subject: string,
  others: readonly D1PreparedStatement[],
): Promise<RaisedVersion> {
  const [, rows] = await runBatch(db, [revokeSubject(db, issuer, subject), raiseRevocations(db, issuer), ...others])
  const raised = parseRaised(rows?.[0])
  if (raised === null) throw new Error('a revocation was not stored')
  return raised
}

/** Seconds by which D1's clock may have gone back between two readings. */
export const SLACK = 60

/**
 * What D1 has on top of what is known: all that was revoked since, at most `limit`, and what it has of one subject. One
 * round trip. `askedAt` is our own time before it.
 */
export async function loadRevocations(
  db: Database,
  { issuer, subject }: { readonly issuer: string; readonly subject: string },
  known: Revocations,
  askedAt: number,
  limit = MAX_SUBJECTS,
): Promise<Revocations> {
  const [head, recent = [], own = []] = await runBatch(db, [
    selectRevocations(db, issuer),
    selectRevokedSubjects(db, issuer, known.readAt - SLACK, limit),
    selectRevokedSubject(db, issuer, subject),
  ])
  const listed = recent.map(parseRevokedSubject)
  const oldest = listed.at(-1)?.[1] ?? 0
  return {
    ...parseRevocations(head?.[0]),
    askedAt,
    since: listed.length < limit ? known.since : oldest + 1,
    subjects: new Map([...listed, ...own.map(parseRevokedSubject)]),
  }
}

/** Issuers of one tick: with a KV and a D1 operation each, beside those of users. */
const TICK_ISSUERS = 40

/**
 * The cron's part: puts the marker of each issuer that has revocations, again and again. An absent one would mean that
 * there are none, so one that was lost, or overtaken by an older, is not left alone.
 */
export async function republishIssuers(publisher: Publisher): Promise<void> {
  const { db } = publisher
  const [rows = []] = await runBatch(db, [selectRevokedIssuers(db, TICK_ISSUERS)])
  const issuers = rows.map(parseRaised).filter((issuer) => issuer !== null)
  await publishInLanes(publisher, issuers, confirmIssuerPublished)
}
