// D1 as the stores see it: statements are prepared freely and run in one bounded round trip.

import { D1_LIMIT_MS, withinTime } from './time-limit.ts'

/**
 * Everything runs through `batch`: one transaction, one round trip. It is one database; of several a flow would say which
 * (docs/scale.md).
 */
export type Database = Pick<D1Database, 'prepare' | 'batch'>

/**
 * A `SELECT` that finds what another statement of the batch changes, on the same terms: a row for each event, with its
 * `target` and, as a JSON object, its `details`. It comes before that statement where that one makes the terms untrue.
 */
export interface Source {
  /** Parameters are numbered from 1 without a gap. */
  readonly sql: string
  readonly parameters: readonly (string | number | null)[]
}

/** @throws Error when D1 fails or does not answer within its limit; whether a write was done is then unknown. */
export function createDatabase(d1: D1Database): Database {
  return {
    prepare: (sql) => d1.prepare(sql),
    batch: (statements) => withinTime(d1.batch(statements), D1_LIMIT_MS),
  }
}

/** A statement, or a list of those that are run for what they leave behind alone. */
export type Part = D1PreparedStatement | readonly D1PreparedStatement[]

/** The rows of each statement, in their order; a list within the list has none. */
export async function runBatch(db: Database, parts: readonly Part[]): Promise<readonly (readonly unknown[])[]> {
  const isAsked = parts.flatMap((part) => (isList(part) ? part.map(() => false) : [true]))
  const results = await db.batch(parts.flatMap((part) => (isList(part) ? part : [part])))
  return results.filter((_, at) => isAsked[at]).map((result) => result.results)
}

function isList(part: Part): part is readonly D1PreparedStatement[] {
  return Array.isArray(part)
}

/** The column whose `UNIQUE` rolled a batch back, `users.email`; `null` for every other failure. */
export function findTakenColumn(error: unknown): string | null {
  return /UNIQUE constraint failed: (\w+\.\w+)/.exec(messageOf(error))?.[1] ?? null
}

/**
 * The column whose `NOT NULL` rolled a batch back, `users.claims`; `null` for every other failure.
 * D1 tells what its code is about in the message alone.
 */
export function findBrokenColumn(error: unknown): string | null {
  return /NOT NULL constraint failed: (\w+\.\w+)/.exec(messageOf(error))?.[1] ?? null
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

/** @throws Error unless D1 answers. */
export async function probeDatabase(db: Database): Promise<void> {
  await runBatch(db, [db.prepare('SELECT 1')])
}
