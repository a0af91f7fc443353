// An API key's life: created, proved, rotated, ended. D1 decides each step; tokens and HTTP are not known here.

import { equalInConstantTime } from '../crypto.ts'
import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import type { RaisedVersion } from '../sessions/store.ts'
import { parseRaised } from '../sessions/store.ts'
import type { PresentedKey } from './format.ts'
import { createKeyId, createKeyText } from './format.ts'
import type { KeyEntry, KeyState, NewKey } from './store.ts'
import {
  disableKeyUser,
  forgetSecrets,
  insertKey,
  insertKeyUser,
  noteUse,
  parseKey,
  parseKeyEntry,
  raiseVersionForRotation,
  rotateSecret,
  selectKey,
  selectKeys,
} from './store.ts'

/** Statements of other stores that belong to the transaction, such as its audit event. */
type Others = (id: string) => readonly D1PreparedStatement[]

export interface Created {
  readonly id: string
  /** The key itself, which nobody can tell a second time. */
  readonly text: string
  /** What must be published. */
  readonly raised: RaisedVersion
}

export type Rotated =
  | { readonly outcome: 'rotated'; readonly text: string; readonly raised: RaisedVersion }
  /** The secret before this one still lives. */
  | { readonly outcome: 'overlapping' }
  | { readonly outcome: 'over' }

/** A key whose secret was right. */
export interface ProvedKey extends KeyState {
  /** Unix seconds at which this secret of it ends; `null` is never. */
  readonly endsAt: number | null
}

/** Makes a key and its user: one batch. Does NOT check the profile; whoever asks has, by `profileProblem`. */
export async function createKey(db: Database, key: NewKey, others: Others): Promise<Created> {
  const id = createKeyId()
  const { text, digest } = createKeyText(id)
  const [rows] = await runBatch(db, [insertKeyUser(db, id, key), insertKey(db, id, digest, key), ...others(id)])
  const raised = parseRaised(rows?.[0])
  if (raised === null) throw new Error('a key was not stored')
  return { id, text, raised }
}

/**
 * The key that a request presents, if its secret is right and it is alive. One round trip, and the same work for a key that
 * never was, one that is over and a wrong secret.
 */
export async function proveKey(db: Database, { id, digest }: PresentedKey): Promise<ProvedKey | null> {
  const [rows] = await runBatch(db, [selectKey(db, id)])
  const key = parseKey(rows?.[0])
  const isCurrent = equalInConstantTime(key?.secretHash ?? NO_DIGEST, digest)
  const isPrevious = equalInConstantTime(key?.previousSecretHash ?? NO_DIGEST, digest)
  if (key === null || !key.alive) return null
  if (isCurrent) return { ...key, endsAt: key.expiresAt }
  if (!isPrevious || key.previousUntil === null) return null
  return { ...key, endsAt: Math.min(key.previousUntil, key.expiresAt ?? Infinity) }
}

/** As long as a digest. */
const NO_DIGEST = '='.repeat(43)

/** Notes that a key is used; nothing where that was noted within the hour. */
export async function rememberUse(db: Database, id: string): Promise<void> {
  await runBatch(db, [noteUse(db, id)])
}

/**
 * Gives a key its next secret: one batch. The one before lives on for `overlap` seconds; with 0 it ends, as does one before
 * it that still lived. Refused where one does, so that nobody loses a secret that was promised to him.
 */
export async function rotateKey(db: Database, id: string, overlap: number, others: Others): Promise<Rotated> {
  const { text, digest } = createKeyText(id)
  const results = await runBatch(db, [
    raiseVersionForRotation(db, id, overlap),
    rotateSecret(db, id, overlap, digest),
    selectKey(db, id),
    ...others(id),
  ])
  const raised = parseRaised(results[0]?.[0])
  if (raised !== null) return { outcome: 'rotated', text, raised }
  return parseKey(results[2]?.[0])?.alive === true ? { outcome: 'overlapping' } : { outcome: 'over' }
}

/** Ends a key for good: one batch. What must be published; `null` where there is no such key, or it had ended. */
export async function endKey(db: Database, id: string, others: Others): Promise<RaisedVersion | null> {
  const [raised] = await runBatch(db, [disableKeyUser(db, id), forgetSecrets(db, id), ...others(id)])
  return parseRaised(raised?.[0])
}

/** Keys in the order of their ids, from the one after `after`, ended ones too. Never a secret, nor its digest. */
export async function listKeys(db: Database, after: string, limit: number): Promise<readonly KeyEntry[]> {
  const [rows = []] = await runBatch(db, [selectKeys(db, after, limit)])
  return rows.map(parseKeyEntry).filter((entry) => entry !== null)
}
