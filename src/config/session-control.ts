// `session_control` of a route: off, on, or a table that says whom its upstream may sign in.

import type { Issuer, Route, SessionControl } from './config.ts'
import { readFlag, readMember, readTable, readText, refuse, type Table } from './read.ts'

/** `true` is the table with its defaults. `null`: this upstream controls no sessions. */
export function readSessionControl(table: Table, name: string): SessionControl | null {
  const value = readMember(table, name)
  if (value === undefined || value === false) return null
  if (value === true) return { subjectPrefix: '', administrators: false }
  if (typeof value !== 'object') return refuse(table, name, 'must be true, false or a table')
  const control = readTable(table, name, ['subject_prefix', 'administrators'])
  if (control === null) return null
  if (Object.keys(control.members).length === 0) return refuse(table, name, 'must not be an empty table')
  return { subjectPrefix: readPrefix(control), administrators: readFlag(control, 'administrators') ?? false }
}

/** A subject of an issuer with the same prefix, or a shorter one, could have the id of the upstream's user. */
export function refuseIssuerPrefixes(root: Table, routes: readonly Route[], issuers: readonly Issuer[]): void {
  for (const { key, sessionControl } of routes) {
    const prefix = sessionControl?.subjectPrefix ?? ''
    const other = issuers.find(
      ({ subjectPrefix }) => (subjectPrefix ?? '') !== '' && prefix.startsWith((subjectPrefix ?? '').toLowerCase()),
    )
    if (other !== undefined)
      root.report(`${key}.session_control.subject_prefix`, `must not begin with ${other.key}.subject_prefix`)
  }
}

/** Leaves most of the 255 characters of an id to the upstream. */
const MAX_PREFIX = 64

function readPrefix(control: Table): string {
  const name = 'subject_prefix'
  const prefix = readText(control, name)
  if (prefix === null) return ''
  if (!/^[!-@[-~]+$/.test(prefix) || prefix.length > MAX_PREFIX)
    refuse(control, name, `must be 1 to ${MAX_PREFIX} ASCII characters without spaces and capitals, such as "shop:"`)
  if (isReservedPrefix(prefix)) refuse(control, name, 'must not begin an id of the gateway itself: usr_, cli_, key_')
  return prefix
}

/** True for a prefix of ids of which some would be of those kinds: `usr_x`, and `u` with what may follow. */
function isReservedPrefix(prefix: string): boolean {
  return ['usr_', 'cli_', 'key_'].some((kind) => kind.startsWith(prefix) || prefix.startsWith(kind))
}
