// PASSWORDS: whether people sign in and up with e-mail and password.

import type { Config } from './config.ts'
import { readFlag, readOptionalTable, refuse, type Table } from './read.ts'

export function readPasswords(root: Table): Config['passwords'] {
  const table = readOptionalTable(root, 'PASSWORDS', ['sign_in', 'sign_up'])
  const signIn = readFlag(table, 'sign_in') ?? false
  const signUp = readFlag(table, 'sign_up') ?? false
  if (signUp && !signIn) refuse(table, 'sign_up', 'needs sign_in = true')
  return { signIn, signUp }
}
