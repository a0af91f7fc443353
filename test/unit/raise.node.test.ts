import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const FOLDERS = ['src', 'bin', 'docs', 'examples']
/** Plants faults. */
const EXCEPT = 'bin/mutants/planted.ts'
const RAISES = /token_version = max\([^`"]*/g

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name)),
)
const texts = [...files, join(root, 'README.md')]
  .filter((file) => !file.endsWith(EXCEPT))
  .map((file) => readFileSync(file, 'utf8'))

it('whatever raises a token version says when: digests of recent changes go by it', () => {
  const raises = texts.flatMap((text) => text.match(RAISES) ?? [])
  expect(raises.length).toBeGreaterThanOrEqual(3)
  expect(raises.filter((sql) => !/^.*, changed_at = unixepoch\(\)/.test(sql))).toEqual([])
})

it('nothing sets a token version in another way', () => {
  const sets = texts.flatMap((text) => text.match(/\btoken_version\s*=(?!\s*max\(token_version \+ 1,).*/g) ?? [])
  expect(sets).toEqual([])
})
