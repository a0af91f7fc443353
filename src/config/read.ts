// Reads members of a table that the operator wrote; what is wrong is reported under its key, and reading goes on.

import { isObject, type JsonObject } from '../json.ts'
import { parseDuration } from './duration.ts'
import { findNearest } from './nearest.ts'

/** Takes one problem, told as the rest of a sentence that begins with the key. */
export type Report = (key: string, problem: string) => void

/** Every `read…` gives `null` for a member that is absent, and for one that is wrong, which is reported. */
export interface Table {
  /** As the operator wrote it: `ROUTES[2]`; `''` is the Worker's env itself. */
  readonly key: string
  readonly members: JsonObject
  readonly report: Report
}

/** A member's full key, quoted as TOML does where it has to be. */
export function memberKey(table: Table, name: string): string {
  const part = /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)
  return table.key === '' ? part : `${table.key}.${part}`
}

/** Reports a problem with a member. */
export function refuse(table: Table, name: string, problem: string): null {
  table.report(memberKey(table, name), problem)
  return null
}

export function readMember(table: Table, name: string): unknown {
  return Object.hasOwn(table.members, name) ? table.members[name] : undefined
}

export function isWritten(table: Table, name: string): boolean {
  return readMember(table, name) !== undefined
}

export function requireMember(table: Table, name: string): void {
  if (!isWritten(table, name)) refuse(table, name, 'is required')
}

export function readText(table: Table, name: string): string | null {
  const value = readMember(table, name)
  if (value === undefined) return null
  if (typeof value !== 'string' || value === '') return refuse(table, name, 'must be a string that is not empty')
  return value
}

export function readFlag(table: Table, name: string): boolean | null {
  const value = readMember(table, name)
  if (value === undefined) return null
  return typeof value === 'boolean' ? value : refuse(table, name, 'must be true or false')
}

export function readInteger(table: Table, name: string, least: number, most: number): number | null {
  const value = readMember(table, name)
  if (value === undefined) return null
  const good = typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
  return good ? value : refuse(table, name, `must be an integer from ${least} to ${most}`)
}

/** Seconds; the bounds are durations too. */
export function readDuration(table: Table, name: string, least: string, most: string): number | null {
  const value = readMember(table, name)
  if (value === undefined) return null
  const seconds = typeof value === 'string' ? parseDuration(value) : null
  if (seconds === null) return refuse(table, name, 'must be a duration such as "30s", "15m", "1h" or "14d"')
  const inside = seconds >= (parseDuration(least) ?? 0) && seconds <= (parseDuration(most) ?? 0)
  return inside ? seconds : refuse(table, name, `must be from ${least} to ${most}`)
}

/** A list of strings that are not empty; the list itself may be empty. */
export function readTexts(table: Table, name: string): readonly string[] | null {
  const value = readMember(table, name)
  if (value === undefined) return null
  const good = Array.isArray(value) && value.every(isText)
  return good ? [...value] : refuse(table, name, 'must be a list of strings that are not empty')
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** A list of strings that has at least one: an empty list of demands would demand nothing. */
export function readSomeTexts(table: Table, name: string): readonly string[] | null {
  const texts = readTexts(table, name)
  return texts?.length === 0 ? refuse(table, name, 'must not be an empty list') : texts
}

export function readChoice<const T extends string>(table: Table, name: string, choices: readonly T[]): T | null {
  const value = readMember(table, name)
  if (value === undefined) return null
  return choices.find((choice) => choice === value) ?? refuse(table, name, `must be ${listOf(choices)}`)
}

/** A list, possibly empty, of some of the choices. */
export function readChoices<const T extends string>(
  table: Table,
  name: string,
  choices: readonly T[],
): readonly T[] | null {
  const value = readMember(table, name)
  if (value === undefined) return null
  const chosen = Array.isArray(value) ? value.map((item) => choices.find((choice) => choice === item)) : [undefined]
  const known = chosen.filter((item) => item !== undefined)
  return known.length === chosen.length ? known : refuse(table, name, `must be a list of ${listOf(choices)}`)
}

/** A table whose members are all known; `null` for `known` takes any. */
export function readTable(table: Table, name: string, known: readonly string[] | null): Table | null {
  const value = readMember(table, name)
  if (value === undefined) return null
  if (!isObject(value)) return refuse(table, name, 'must be a table')
  return openTable(memberKey(table, name), value, known, table.report)
}

/** A table, or an empty one where it is absent or no table. */
export function readOptionalTable(table: Table, name: string, known: readonly string[]): Table {
  return readTable(table, name, known) ?? { key: memberKey(table, name), members: {}, report: table.report }
}

/** The tables of a list; what is no table is reported and left out. */
export function readTables(table: Table, name: string, known: readonly string[] | null): readonly Table[] {
  const value = readMember(table, name)
  if (value === undefined) return []
  if (!Array.isArray(value)) {
    refuse(table, name, `must be a list of tables, written [[vars.${name}]]`)
    return []
  }
  return value.flatMap((item: unknown, index) => {
    const key = `${memberKey(table, name)}[${index}]`
    if (isObject(item)) return [openTable(key, item, known, table.report)]
    table.report(key, 'must be a table')
    return []
  })
}

function openTable(key: string, members: JsonObject, known: readonly string[] | null, report: Report): Table {
  const table = { key, members, report }
  const unknown = known === null ? [] : Object.keys(members).filter((name) => !known.includes(name))
  for (const name of unknown) refuse(table, name, `is an unknown key${suggestion(name, known ?? [])}`)
  return table
}

/** `; did you mean upstream?`, or nothing. */
export function suggestion(name: string, known: readonly string[]): string {
  const nearest = findNearest(name, known)
  return nearest === null ? '' : `; did you mean ${nearest}?`
}

function listOf(choices: readonly string[]): string {
  const quoted = choices.map((choice) => JSON.stringify(choice))
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1) ?? ''}`
}
