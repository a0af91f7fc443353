// Makes node_modules what package-lock.json says. Plain JavaScript, because the machine's own Node runs it before anything is installed.
import { spawnSync } from 'node:child_process'
import { lstatSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const bin = join(root, 'node_modules', '.bin')

/** The Node that comes with the dependencies. */
export const node = join(bin, 'node')

/** The environment in which every command is the one of node_modules. */
export const environment = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` }

/** Runs `npm ci` where node_modules is not what the lock file says; ends the process where that fails. */
export function install() {
  if (isInstalled()) return
  if (isLink(join(root, 'node_modules'))) fail('node_modules is a link, and what it points to is out of date.')
  console.log('Installing the dependencies (npm ci) …')
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const { status, error } = spawnSync('npm', args, { cwd: root, stdio: 'inherit' })
  if (error) fail(`npm cannot be run: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
  if (!isInstalled()) fail('npm ci left no Node 24 in node_modules: does its configuration ignore install scripts?')
}

/** npm keeps the list of what it has installed in node_modules, in the lock file's own form. */
function isInstalled() {
  const wanted = packagesOf(join(root, 'package-lock.json'))
  const present = packagesOf(join(root, 'node_modules', '.package-lock.json'))
  return Object.entries(wanted).every(([path, entry]) => path === '' || matches(entry, present[path])) && runsNode24()
}

function matches(wanted, present) {
  if (present === undefined) return wanted.optional === true
  return present.version === wanted.version && present.integrity === wanted.integrity
}

function packagesOf(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')).packages
  } catch (error) {
    if (error.code === 'ENOENT') return {}
    throw error
  }
}

function runsNode24() {
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  return stdout?.startsWith('v24.') ?? false
}

function isLink(path) {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
