// The gateway under wrangler: its database, its process, and whether it is well.
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { Problem } from './problem.ts'
import type { Group } from './processes.ts'
import { startNode } from './processes.ts'

export interface Site {
  readonly root: string
  /** File name of the configuration that runs. */
  readonly configuration: string
  readonly verbose: boolean
}

/** Where everything goes that the gateway and the demo API say, relative to the root. */
export const LOG_FILE = join('.wrangler', 'start.log')

const WRANGLER = join('node_modules', 'wrangler', 'bin', 'wrangler.js')

/** Nobody is asked, counted or called. */
const QUIET = {
  CI: '1',
  NO_COLOR: '1',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
}

const HEALTHY_WITHIN_MS = 60_000

/** Begins a new log. */
export function clearLog({ root }: Site): void {
  mkdirSync(join(root, '.wrangler'), { recursive: true })
  writeFileSync(join(root, LOG_FILE), '')
}

/** Brings the local database to the newest schema, whatever it has been. @throws Problem where that fails */
export async function migrate(site: Site): Promise<void> {
  await runD1(site, ['migrations', 'apply', 'DB'])
}

/** Runs SQL on the local database. @throws Problem where it fails */
export async function applySql(site: Site, sql: string): Promise<void> {
  const file = join('.wrangler', 'start.sql')
  writeFileSync(join(site.root, file), sql, { mode: 0o600 })
  try {
    await runD1(site, ['execute', 'DB', '--yes', '--file', file])
  } finally {
    rmSync(join(site.root, file))
  }
}

async function runD1(site: Site, args: readonly string[]): Promise<void> {
  const group = startLogged(site, [WRANGLER, 'd1', ...args, '--local', '-c', site.configuration])
  const code = await group.ended
  await group.stop()
  if (code !== 0) throw new Problem('The local database cannot be prepared.', lastLines(site))
}

/** Starts `wrangler dev` on this machine only. */
export function startGateway(site: Site, port: number): Group {
  const options = ['--ip', '127.0.0.1', '--port', String(port), '--infer-origin-from-routes=false']
  return startLogged(site, [
    WRANGLER,
    'dev',
    '-c',
    site.configuration,
    '--show-interactive-dev-session=false',
    ...options,
  ])
}

/** Runs a file in Node; what it says goes to the log, or to the terminal where that is wanted. */
export function startLogged(site: Site, args: readonly string[], env: NodeJS.ProcessEnv = {}): Group {
  const log = openSync(join(site.root, LOG_FILE), 'a')
  const output = site.verbose ? 'inherit' : log
  try {
    return startNode(args, { cwd: site.root, env: { ...process.env, ...QUIET, ...env }, output })
  } finally {
    closeSync(log)
  }
}

/** Resolves when the gateway says that it is well. @throws Problem where it stops, is misconfigured, or takes a minute */
export async function untilHealthy(site: Site, gateway: Group, healthUrl: string): Promise<void> {
  const stopped = gateway.ended.then(() => 'stopped' as const)
  const deadline = Date.now() + HEALTHY_WITHIN_MS
  while (Date.now() < deadline) {
    const state = await Promise.race([stopped, askHealth(healthUrl)])
    if (state === 'well') return
    if (state === 'stopped') throw new Problem('The gateway stopped.', lastLines(site))
    if (state === 'misconfigured') throw new Problem('The configuration is wrong.', await problemsIn(site))
    await sleep(200)
  }
  throw new Problem('The gateway does not become healthy.', lastLines(site))
}

async function askHealth(url: string): Promise<'well' | 'misconfigured' | 'not yet'> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) })
    const body = await response.text()
    if (response.ok) return 'well'
    return body.includes('"misconfigured"') ? 'misconfigured' : 'not yet'
  } catch {
    return 'not yet'
  }
}

/** What the gateway's log says is wrong with the configuration, a line each. Another process writes it, perhaps a moment later. */
async function problemsIn(site: Site): Promise<string> {
  for (let look = 0; look < 25; look += 1) {
    const line = readLog(site).findLast((each) => each.startsWith('{') && each.includes('"event":"misconfigured"'))
    const { problems = [] }: { problems?: readonly string[] } = line === undefined ? {} : JSON.parse(line)
    if (problems.length > 0) return problems.map((problem) => `  ${problem}`).join('\n')
    await sleep(200)
  }
  return lastLines(site)
}

function lastLines(site: Site): string {
  return readLog(site).slice(-30).join('\n').trim()
}

function readLog({ root }: Site): readonly string[] {
  return readFileSync(join(root, LOG_FILE), 'utf8').split('\n')
}
