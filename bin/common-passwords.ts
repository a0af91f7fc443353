// Writes src/accounts/common-passwords.ts anew: `node bin/common-passwords.ts <src/passwords.json of @zxcvbn-ts/language-common>`.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { DATE } from '../src/accounts/password-policy.ts'

/** ASVS 6.2.4 asks for the top 3,000 that a policy would let pass. */
const COUNT = 3000
const MIN_LENGTH = 8

const HEAD = `// The 3,000 most common passwords of 8 characters or more but the dates among them; written by bin/common-passwords.ts.
// Source: @zxcvbn-ts/language-common 4.1.3, MIT licence, (c) 2012-2016 Dan Wheeler and Dropbox, Inc., (c) 2021 @zxcvbn-ts.
`

const ranked = parseList(process.argv[2])
const common = ranked.map((word) => word.toLowerCase()).filter((word) => word.length >= MIN_LENGTH)
const top = [...new Set(common)].slice(0, COUNT).filter((word) => !DATE.test(word))
const text = `${HEAD}export const COMMON_PASSWORDS =\n  '${top.toSorted().join(' ')}'\n`
writeFileSync(join(import.meta.dirname, '../src/accounts/common-passwords.ts'), text)
console.log(`${top.length} passwords`)

/** The words of a JSON list, the commonest first; printable ASCII without what a quoted string would need escaped. */
function parseList(path: string | undefined): readonly string[] {
  if (path === undefined) throw new Error('usage: node bin/common-passwords.ts <passwords.json>')
  const list: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (!Array.isArray(list)) throw new Error('not a list')
  return list.filter((word) => typeof word === 'string' && /^[\x21-\x26\x28-\x5b\x5d-\x7e]+$/.test(word))
}
