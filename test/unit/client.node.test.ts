import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const FILE = join(ROOT, 'client', 'gatehouse.js')

describe('the browser helper', () => {
  it('is at most 2 KB, minified and gzipped', () => {
    const minified = execFileSync(join(ROOT, 'node_modules', '.bin', 'esbuild'), [FILE, '--minify', '--format=esm'])
    expect(gzipSync(minified).length).toBeLessThanOrEqual(2048)
  })

  it('is one file that asks for no other', () => {
    expect(readFileSync(FILE, 'utf8')).not.toMatch(/^import |import\(/m)
  })

  it('is explained in twenty lines', () => {
    const lines = readFileSync(join(ROOT, 'client', 'README.md'), 'utf8')
      .trim()
      .split('\n')
    expect(lines.length).toBeLessThanOrEqual(20)
  })
})
