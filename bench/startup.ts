// What a Worker's script costs before its first request, as `wrangler check startup` measures it. Offline.

import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import type { Bundle } from './bundles.ts'
import { configurationOf, MODULE, ROOT } from './bundles.ts'
import type { Profile } from './profile.ts'
import { parseProfile } from './profile.ts'
import { selfTimesOf } from './self-time.ts'
import { medianOf } from './statistics.ts'

/** Milliseconds of CPU, the median of so many starts. */
export async function measureStartupMs({ folder }: Bundle, starts: number): Promise<number> {
  const configuration = join(folder, 'startup.toml')
  writeFileSync(configuration, configurationOf(MODULE, 'no_bundle = true'))
  const measured: number[] = []
  while (measured.length < starts) measured.push(activeMsOf(await profileStart(folder, configuration)))
  return medianOf(measured)
}

/** All that was not idle: the script, the modules that it asks for, and compiling both. */
export function activeMsOf(profile: Profile): number {
  return selfTimesOf(profile).reduce((sum, { micros }) => sum + micros, 0) / 1000
}

async function profileStart(folder: string, configuration: string): Promise<Profile> {
  const file = join(folder, 'startup.cpuprofile')
  const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
  const args = [wrangler, 'check', 'startup', '--config', configuration, '--outfile', file]
  const env = { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' }
  await promisify(execFile)(process.execPath, args, { cwd: folder, env })
  return parseProfile(JSON.parse(readFileSync(file, 'utf8')))
}
