// `npm run test:mutants`: plants one fault after another in a copy of the sources, and asks that the interleavings find it.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Mutant } from './mutants/planted.ts'
import { MUTANTS } from './mutants/planted.ts'

interface Verdict {
  readonly colour: 'red' | 'GREEN' | 'BROKEN'
  readonly finding: string
}

const root = join(import.meta.dirname, '..')
const TEST = 'test/faults/interleavings.node.test.ts'
const COPIED = ['src', 'test', 'schema.sql', 'package.json', 'tsconfig.json', 'vitest.config.ts', 'wrangler.toml']
/** Each fault is found many times in as many; the control runs to the end of its own. */
const SCHEDULES = 15_000
const CONTROL_SCHEDULES = 3000
const CONTROL: Mutant = { name: 'nothing, which must stay green', edits: [] }

const wanted = process.argv.slice(2).join(' ')
const mutants = MUTANTS.filter(({ name }) => name.includes(wanted))
const unexpected = [CONTROL, ...mutants].filter((mutant) => !isAsExpected(mutant))
console.log(unexpected.length === 0 ? `All ${mutants.length} planted faults are found.` : 'Not all is as expected.')
process.exitCode = unexpected.length === 0 ? 0 : 1

/** Prints a line of the table. */
function isAsExpected(mutant: Mutant): boolean {
  const began = Date.now()
  const { colour, finding } = tryMutant(mutant, mutant === CONTROL ? CONTROL_SCHEDULES : SCHEDULES)
  const isExpected = colour === (mutant === CONTROL ? 'GREEN' : 'red')
  const seconds = ((Date.now() - began) / 1000).toFixed(0).padStart(3)
  console.log(`${isExpected ? ' ' : '!'} ${colour.padEnd(6)} ${seconds} s  ${mutant.name.padEnd(64)} ${finding}`)
  return isExpected
}

function tryMutant(mutant: Mutant, schedules: number): Verdict {
  const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-mutant-'))
  try {
    for (const name of COPIED) cpSync(join(root, name), join(scratch, name), { recursive: true })
    symlinkSync(realpathSync(join(root, 'node_modules')), join(scratch, 'node_modules'))
    plant(mutant, scratch)
    return judge(scratch, schedules)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function plant({ edits }: Mutant, scratch: string): void {
  for (const { file, from, to } of edits) {
    const source = readFileSync(join(scratch, file), 'utf8')
    if (source.split(from).length !== 2) throw new Error(`${file} does not hold once: ${from}`)
    writeFileSync(
      join(scratch, file),
      source.replace(from, () => to),
    )
  }
}

/** Red is a promise that was broken; a copy that does not even run shows nothing. */
function judge(scratch: string, schedules: number): Verdict {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    [vitest, 'run', '--root', scratch, '--project', 'node', TEST],
    {
      cwd: scratch,
      encoding: 'utf8',
      env: { ...process.env, SCHEDULES: String(schedules), SHRINK: 'no', NO_COLOR: '1' },
    },
  )
  if (status === 0) return { colour: 'GREEN', finding: `nothing is found in ${schedules} schedules` }
  const output = `${String(error ?? '')}\n${stdout}\n${stderr}`
  const schedule = /Property failed after (\d+) tests/.exec(output)?.[1]
  if (schedule === undefined) return { colour: 'BROKEN', finding: output.slice(-2000) }
  const [, promise = ''] = /^Error: ([^{[\n]*)/m.exec(output) ?? []
  return { colour: 'red', finding: `${promise.trim()} (schedule ${schedule})` }
}
