// wrangler, run for what it prints.
import { execFile } from 'node:child_process'
import { join } from 'node:path'

const WRANGLER = join(import.meta.dirname, '..', 'node_modules', 'wrangler', 'bin', 'wrangler.js')

const QUIET = { NO_COLOR: '1', WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' }

export type Wrangler = (...args: readonly string[]) => Promise<string>

/** @throws Error with wrangler's own words where it fails */
export const runWrangler: Wrangler = (...args) => {
  const options = { env: { ...process.env, ...QUIET }, maxBuffer: Number.POSITIVE_INFINITY }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [WRANGLER, ...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`wrangler ${args.slice(0, 3).join(' ')} failed:\n${stderr}${stdout}`.trim()))
    })
  })
}
