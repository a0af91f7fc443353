// `npm test`: installs what is missing, then runs every check until one fails. `npm test -- <filter>` runs the tests of that name only.
import { spawnSync } from 'node:child_process'

import { environment, install, root } from './install.mjs'

const STEPS = [
  { name: 'types', command: ['tsc', '--noEmit', '-p', '.'] },
  { name: 'types of tests', command: ['tsc', '--noEmit', '-p', 'test'] },
  { name: 'types of the client', command: ['tsc', '--noEmit', '-p', 'client'] },
  { name: 'types of the demo', command: ['tsc', '--noEmit', '-p', 'examples/demo'] },
  { name: 'lint', command: ['oxlint', 'src', 'test', 'bin', 'bench', 'client', 'examples/demo'] },
  { name: 'format', command: ['oxfmt', '--check', '.'] },
  { name: 'dead code', command: ['knip'] },
  { name: 'tests', command: ['vitest', 'run'] },
]

const filters = process.argv.slice(2)

install()
if (filters.length > 0) process.exit(run('vitest', 'run', ...filters))
for (const { name, command } of STEPS) step(name, command)
console.log('All is well.')

function step(name, command) {
  console.log(`\n— ${name}: ${command.join(' ')}`)
  const began = Date.now()
  const status = run(...command)
  console.log(`— ${name}: ${status === 0 ? 'well' : 'FAILED'} after ${((Date.now() - began) / 1000).toFixed(1)} s`)
  if (status !== 0) process.exit(status)
}

/** The exit code of a command of node_modules. */
function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, env: environment, stdio: 'inherit' })
  if (error) console.error(`${command} cannot be run: ${error.message}`)
  return status ?? 1
}
