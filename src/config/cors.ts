// A route's `cors`: which web origins may read its answers.

import { isToken } from '../header-names.ts'
import type { Cors } from './config.ts'
import { readOrigins } from './origin.ts'
import { readDuration, readFlag, readMember, readTable, readTexts, refuse, requireMember, type Table } from './read.ts'

/** `false` is none; where nothing is written, the web apps of WEB_ORIGINS may call with cookies. */
export function readCors(table: Table, webOrigins: readonly string[]): Cors | null {
  const written = readMember(table, 'cors')
  if (written === false) return null
  if (written === undefined)
    return webOrigins.length === 0 ? null : { ...DEFAULTS, origins: webOrigins, credentials: true }
  const cors = readTable(table, 'cors', ['origins', 'credentials', 'headers', 'expose', 'max_age'])
  if (cors === null) return null
  const credentials = readFlag(cors, 'credentials') ?? false
  return {
    origins: readCorsOrigins(cors, credentials),
    credentials,
    headers: readNames(cors, 'headers')?.map((name) => name.toLowerCase()) ?? DEFAULTS.headers,
    expose: readNames(cors, 'expose') ?? DEFAULTS.expose,
    maxAge: readDuration(cors, 'max_age', '0s', '24h') ?? DEFAULTS.maxAge,
  }
}

/** What CORS of AUTH_PATH and of routes is made of where the operator says nothing. */
const DEFAULTS = { headers: ['authorization', 'content-type'], expose: [], maxAge: 600 } as const

/** The Fetch standard ignores `*` for requests with credentials; an echo of any origin would open them to all. */
function readCorsOrigins(cors: Table, credentials: boolean): readonly string[] {
  requireMember(cors, 'origins')
  const origins = readOrigins(cors, 'origins', ['*'])
  if (origins === null) return []
  if (origins.length === 0) refuse(cors, 'origins', 'must not be an empty list')
  if (origins.includes('*') && origins.length > 1) refuse(cors, 'origins', 'must have "*" alone')
  if (origins.includes('*') && credentials) refuse(cors, 'origins', 'must not have "*" where credentials is true')
  return origins
}

function readNames(cors: Table, name: string): readonly string[] | null {
  const names = readTexts(cors, name)
  return names === null || names.every(isToken) ? names : refuse(cors, name, 'must be a list of header names')
}
