// The cron's part in figures: what is known of an hour only when it is over.

import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import type { Sample } from './store.ts'
import { insertFigure, insertSignIns, parseSample, selectSessionSample } from './store.ts'

const LIMITS = {
  /** Sessions that are looked at in an hour, however many there are. */
  looks: 20_000,
  /** Seconds into the next hour in which the sessions of the last can still be told. */
  within: 600,
}

/** Writes the figures of the hour that is over, once. Reads a row or two in every other minute. */
export async function recordHour(db: Database, { looks, within } = LIMITS): Promise<void> {
  const [, rows] = await runBatch(db, [insertSignIns(db), selectSessionSample(db, looks, within)])
  const sample = parseSample(rows?.[0])
  if (sample !== null) await runBatch(db, [insertFigure(db, sample.hour, 'sessions', estimateSeen(sample, looks))])
}

/**
 * How many sessions were seen: exactly where all were looked at. Else by the part of all possible ids that lies before the
 * last one that was: ids are random, so as great a part of the sessions does.
 */
function estimateSeen({ looked, seen, last }: Sample, looks: number): number {
  return looked < looks || last === null ? seen : Math.round(seen / placeOf(last))
}

/** The characters of ids, in the order of D1. */
const ALPHABET = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz'
const PREFIX = 'ses_'

/** Where an id stands among all possible ones, above 0 and up to 1. */
function placeOf(id: string): number {
  const characters = id.slice(PREFIX.length).split('')
  const places = characters.map((character) => ALPHABET.indexOf(character))
  return places.reduceRight((place, index) => (index + place) / ALPHABET.length, 1)
}
