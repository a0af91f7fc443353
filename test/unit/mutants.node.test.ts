// The faults that `npm run test:mutants` plants: each still fits the sources, and changes them.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { MUTANTS } from '../../bin/mutants/planted.ts'

const root = join(import.meta.dirname, '..', '..')

describe('a planted fault', () => {
  it.each(MUTANTS.flatMap(({ name, edits }) => edits.map((edit) => ({ name, ...edit }))))(
    'fits one place only of $file: $name',
    ({ file, from, to }) => {
      expect(readFileSync(join(root, file), 'utf8').split(from)).toHaveLength(2)
      expect(to).not.toBe(from)
    },
  )

  it('has a name of its own', () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
  })
})
