// Workers bundled as `wrangler deploy` would upload them.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

import { bundleInto } from '../bin/bundle.ts'

export interface Bundle {
  /** Holds the Worker as MODULE. */
  readonly folder: string
  /** Gzip, as wrangler counts. */
  readonly kib: number
}

export const ROOT = join(import.meta.dirname, '..')

export const MODULE = 'worker.js'

const GATEHOUSE = join(ROOT, 'src/index.ts')

/** `worker` is a file of workers/, or `gatehouse`. Names stay readable where the Worker is to be profiled. */
export async function bundle(worker: string, temporary: string, isReadable: boolean): Promise<Bundle> {
  const main = worker === 'gatehouse' ? GATEHOUSE : join(ROOT, 'bench/workers', `${worker}.ts`)
  const folder = join(temporary, worker)
  const configuration = join(folder, 'wrangler.toml')
  mkdirSync(folder)
  writeFileSync(configuration, configurationOf(main, `minify = ${!isReadable}\nkeep_names = false`))
  const printed = await bundleInto(folder, configuration)
  renameSync(join(folder, `${basename(main, '.ts')}.js`), join(folder, MODULE))
  return { folder, kib: Number(/gzip: ([\d.]+) KiB/.exec(printed)?.[1]) }
}

/** `rest` is TOML. */
export function configurationOf(main: string, rest: string): string {
  return `
name = "bench"
main = ${JSON.stringify(main)}
compatibility_date = "2026-08-01"
compatibility_flags = ["nodejs_compat"]
${rest}
`
}
