// The SQL of figures over time: a number for an hour and a name. Hours are those of D1's clock, by their first second.

import type { Database } from '../database.ts'
import { isObject } from '../json.ts'
import { readInteger, readText } from '../rows.ts'

/** A denial's code follows. */
export const DENIALS = 'denial:'

const HOUR = 'unixepoch() / 3600 * 3600'
const SIGNED_IN = `action = 'sign_in' AND outcome = 'success'`

/** Seconds that figures are kept. */
const KEPT = 90 * 86_400

/** Adds to figures of the hour. */
export function addFigures(db: Database, counts: Readonly<Record<string, number>>): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO figures (hour, figure, count) SELECT ${HOUR}, key, value FROM json_each(?1) WHERE true
       ON CONFLICT (hour, figure) DO UPDATE SET count = count + excluded.count`,
    )
    .bind(JSON.stringify(counts))
}

/** Writes down, once, how many signed in during the hour that is over. Looks at that hour's events only, by their index. */
export function insertSignIns(db: Database): D1PreparedStatement {
  return db.prepare(
    `INSERT INTO figures (hour, figure, count)
     SELECT hour, 'sign_ins',
       (SELECT count(*) FROM audit_events WHERE ${SIGNED_IN} AND at >= hour AND at < hour + 3600)
     FROM (SELECT ${HOUR} - 3600 AS hour)
     WHERE NOT EXISTS (SELECT 1 FROM figures f WHERE f.hour = ${HOUR} - 3600 AND f.figure = 'sign_ins')`,
  )
}

/**
 * The first sessions in the order of their ids, which are random: how many there are, how many of them were seen since the
 * hour that is over began, and the last of their ids. No row where that hour has its figure, or is over for too long: what
 * was seen later hides what was seen then.
 */
export function selectSessionSample(db: Database, limit: number, within: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT ${HOUR} - 3600 AS hour, (
         SELECT json_object('looked', count(*), 'seen', coalesce(sum(last_seen_at >= ${HOUR} - 3600), 0), 'last', max(id))
         FROM (SELECT id, last_seen_at FROM sessions ORDER BY id LIMIT ?1)) AS sample
       WHERE unixepoch() % 3600 < ?2
         AND NOT EXISTS (SELECT 1 FROM figures f WHERE f.hour = ${HOUR} - 3600 AND f.figure = 'sessions')`,
    )
    .bind(limit, within)
}

/** Writes a figure down that is not there yet. */
export function insertFigure(db: Database, hour: number, figure: string, count: number): D1PreparedStatement {
  return db
    .prepare('INSERT INTO figures (hour, figure, count) VALUES (?1, ?2, ?3) ON CONFLICT (hour, figure) DO NOTHING')
    .bind(hour, figure, count)
}

/**
 * Figures since a moment, by spans of so many seconds: the most sessions of an hour, the sum of everything else. D1 binds
 * every number as a real one, which would divide without a remainder.
 */
export function selectFigures(db: Database, since: number, span: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT hour / CAST(?2 AS INTEGER) * CAST(?2 AS INTEGER) AS start, figure, iif(figure = 'sessions', max(count), sum(count)) AS count
       FROM (
         SELECT hour, figure, count FROM figures WHERE hour >= ?1
         UNION ALL
         SELECT ${HOUR}, 'sign_ins', (SELECT count(*) FROM audit_events WHERE ${SIGNED_IN} AND at >= ${HOUR})
       ) GROUP BY start, figure`,
    )
    .bind(since, span)
}

/** Forgets figures that are old. */
export function removeOldFigures(db: Database, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM figures WHERE (hour, figure) IN (
         SELECT hour, figure FROM figures WHERE hour < unixepoch() - ${KEPT} ORDER BY hour LIMIT ?1) RETURNING hour`,
    )
    .bind(limit)
}

/** A sample of the sessions. */
export interface Sample {
  /** The hour that it is of. */
  readonly hour: number
  readonly looked: number
  readonly seen: number
  /** `null` where there are none. */
  readonly last: string | null
}

/** A row of `selectSessionSample`. */
export function parseSample(row: unknown): Sample | null {
  if (!isObject(row)) return null
  const sample: unknown = JSON.parse(readText(row['sample']))
  if (!isObject(sample)) throw new TypeError('a sample is none')
  const last = sample['last'] === null ? null : readText(sample['last'])
  return {
    hour: readInteger(row['hour']),
    looked: readInteger(sample['looked']),
    seen: readInteger(sample['seen']),
    last,
  }
}

export interface Figure {
  /** Where its span begins, in unix seconds. */
  readonly start: number
  readonly figure: string
  readonly count: number
}

/** A row of `selectFigures`. */
export function parseFigure(row: unknown): Figure {
  if (!isObject(row)) throw new TypeError('a row is none')
  return { start: readInteger(row['start']), figure: readText(row['figure']), count: readInteger(row['count']) }
}
