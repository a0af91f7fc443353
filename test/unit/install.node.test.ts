// The step that both commands begin with, before a stand-in for npm that writes down what it was asked.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')

let tree = ''
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'gatehouse-install-'))
  cpSync(join(ROOT, 'bin', 'install.mjs'), join(tree, 'bin', 'install.mjs'))
  cpSync(join(ROOT, 'package-lock.json'), join(tree, 'package-lock.json'))
})
afterEach(() => rmSync(tree, { recursive: true }))

/** Runs the step; `npm` is a shell script in npm's place. */
function install(npm: string): {
  readonly status: number | null
  readonly output: string
  readonly asked: string | null
} {
  const commands = join(tree, 'commands')
  const asked = join(tree, 'asked')
  mkdirSync(commands, { recursive: true })
  rmSync(asked, { force: true })
  writeFileSync(join(commands, 'npm'), `#!/bin/sh\necho "$@" > '${asked}'\n${npm}\n`)
  chmodSync(join(commands, 'npm'), 0o755)
  const code = `import { install } from './bin/install.mjs'; install(); console.log('went on')`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: tree,
    encoding: 'utf8',
    env: { PATH: `${commands}${delimiter}${process.env['PATH']}` },
  })
  return { status, output: stdout + stderr, asked: existsSync(asked) ? readFileSync(asked, 'utf8') : null }
}

/** What `npm ci` would leave, or, with another lock file, would have left some time ago. */
function installed(lock = readFileSync(join(ROOT, 'node_modules', '.package-lock.json'), 'utf8')): void {
  mkdirSync(join(tree, 'node_modules'))
  writeFileSync(join(tree, 'node_modules', '.package-lock.json'), lock)
  symlinkSync(join(ROOT, 'node_modules', '.bin'), join(tree, 'node_modules', '.bin'))
}

const SUCCEEDS = `ln -s '${join(ROOT, 'node_modules')}' node_modules`

describe('installing', () => {
  it('runs npm ci where nothing is installed, development dependencies included, and goes on', () => {
    const { status, output, asked } = install(SUCCEEDS)
    expect(asked).toMatch(/^ci --include=dev /)
    expect(output).toContain('went on')
    expect(status).toBe(0)
  })

  it('runs nothing where node_modules is what the lock file says', () => {
    installed()
    const { status, output, asked } = install('exit 1')
    expect({ status, output, asked }).toEqual({ status: 0, output: 'went on\n', asked: null })
  })

  it('runs npm ci where one installed version is another than the lock file says', () => {
    const lock = JSON.parse(readFileSync(join(ROOT, 'node_modules', '.package-lock.json'), 'utf8'))
    lock.packages['node_modules/hono'].version = '4.0.0'
    installed(JSON.stringify(lock))
    const { asked } = install('exit 0')
    expect(asked).toMatch(/^ci /)
  })

  it('runs npm ci where Node 24 is not there, and says so where it still is not', () => {
    installed()
    rmSync(join(tree, 'node_modules', '.bin'))
    const { status, output, asked } = install('exit 0')
    expect(asked).toMatch(/^ci /)
    expect(output).toContain('left no Node 24')
    expect(status).toBe(1)
  })

  it("ends with npm's exit code where npm fails", () => {
    const { status, output } = install('exit 3')
    expect(status).toBe(3)
    expect(output).not.toContain('went on')
  })

  it('never empties what a link points to', () => {
    const elsewhere = join(tree, 'elsewhere')
    mkdirSync(elsewhere)
    symlinkSync(elsewhere, join(tree, 'node_modules'))
    const { status, output, asked } = install('exit 0')
    expect(asked).toBeNull()
    expect(output).toContain('node_modules is a link')
    expect(status).toBe(1)
  })
})
