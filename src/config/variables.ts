// Which top-level names of the env are known; a plain value of any other name is a mistake.

import { isLive } from './bindings.ts'
import { isWritten, refuse, suggestion, type Table } from './read.ts'

/** Variables by name; those that begin with `ROUTES` come on top. */
export const VARIABLES: readonly string[] = [
  'ISSUER',
  'AUDIENCE',
  'AUTH_PATH',
  'WEB_ORIGINS',
  'ADMIN_ORIGIN',
  'ADMIN',
  'TOKENS',
  'SESSIONS',
  'REVOCATION',
  'PASSWORDS',
  'PAGES',
  'ROUTES',
  'ISSUERS',
  'PROVIDERS',
  'WEBHOOKS',
  'AUDIT',
]

/** What is no variable: names of the platform, secrets, and bindings that are asked for anyway. */
const BESIDE =
  /^(?:__.*|CF_VERSION_METADATA|SIGNING_KEYS|SESSION_KEYS|KEY_STATES|PROVIDER_.+_SECRET|WEBHOOK_.+_SECRET|DB|MARKERS|METRICS)$/s

/** The variables that hold routes, in the order of the env. */
export function routeVariables(root: Table): readonly string[] {
  const written = Object.keys(root.members).filter((name) => name.startsWith('ROUTES') && isWritten(root, name))
  return written.filter((name) => !isLive(root.members[name]))
}

/** Reports every plain value that nothing names. `secrets` are the names that ISSUERS entries give. */
export function refuseUnknownVariables(root: Table, secrets: readonly string[]): void {
  const known = new Set([...VARIABLES, ...routeVariables(root), ...secrets])
  for (const [name, value] of Object.entries(root.members)) {
    if (value === undefined || known.has(name) || BESIDE.test(name) || isLive(value)) continue
    refuse(root, name, `is an unknown variable${suggestion(name, VARIABLES)}`)
  }
}
