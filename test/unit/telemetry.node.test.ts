import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const page = readFileSync(join(ROOT, 'docs', 'telemetry.md'), 'utf8')
const source = readFileSync(join(ROOT, 'src', 'log.ts'), 'utf8')
const [, shape = ''] = /interface LogEvent \{([^]*?)\n\}/.exec(source) ?? []

describe('docs/telemetry.md', () => {
  it('lists the fields of the log, all of them and no others', () => {
    const fields = [...shape.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name)
    const [log = ''] = page.split('## Counts')
    const listed = [...log.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
    expect(fields.length).toBeGreaterThan(5)
    expect(listed).toEqual(fields)
  })

  it('lists the events of the log, all of them', () => {
    const events = [...(/readonly event: (.*)/.exec(shape)?.[1] ?? '').matchAll(/'(\w+)'/g)].map(([, name]) => name)
    expect(events.length).toBeGreaterThan(3)
    expect(events.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  })

  it('asks only for columns that there are', () => {
    const used = new Set(page.match(/\b(?:blob|double|index)\d+\b/g))
    expect([...used].toSorted()).toEqual(['blob1', 'blob2', 'blob3', 'double1', 'double2', 'index1'])
  })

  it('compares outcomes with codes that the table of denials has', () => {
    const denials = readFileSync(join(ROOT, 'src', 'denial.ts'), 'utf8')
    const compared = [...page.matchAll(/blob2 (?:NOT )?(?:IN|=|!=) ?\(?([^)\n]*)/g)].flatMap(([, list = '']) =>
      [...list.matchAll(/'(\w+)'/g)].map(([, code = '']) => code),
    )
    expect(compared.length).toBeGreaterThan(5)
    expect(compared.filter((code) => !/^(?:passed|answered)$/.test(code) && !denials.includes(`  ${code}: {`))).toEqual(
      [],
    )
  })
})
