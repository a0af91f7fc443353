// PASSWORDS, and the rate limit that it needs.

import { hasMethods } from './bindings.ts'
import type { Config } from './config.ts'
import { readFlag, readOptionalTable, refuse, type Table } from './read.ts'

export function readPasswords(root: Table): Config['passwords'] {
  const table = readOptionalTable(root, 'PASSWORDS', ['sign_in', 'sign_up'])
  const signIn = readFlag(table, 'sign_in') ?? false
  const signUp = readFlag(table, 'sign_up') ?? false
  if (signUp && !signIn) refuse(table, 'sign_up', 'needs sign_in = true')
  if (signIn && !hasMethods(root.members, 'SIGN_IN_LIMIT', ['limit'])) {
    refuse(root, 'SIGN_IN_LIMIT', 'must be a rate limit binding, because PASSWORDS.sign_in is on')
  }
  return { signIn, signUp }
}
