// What `wrangler deploy` would upload, made without uploading it.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { isObject } from '../src/json.ts'

const ROOT = join(import.meta.dirname, '..')

/** Bundles a configuration's Worker into `folder`, as `index.js`. Offline. Gives what wrangler printed. */
export async function bundleInto(
  folder: string,
  configuration = join(ROOT, 'wrangler.toml'),
  options: readonly string[] = [],
): Promise<string> {
  const wrangler = join(ROOT, 'node_modules', 'wrangler', 'bin', 'wrangler.js')
  const args = [wrangler, 'deploy', '--dry-run', '--outdir', folder, '--config', configuration, ...options]
  const env = { ...process.env, CI: '1', NO_COLOR: '1', WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' }
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env })
  return stdout
}

/** KiB of gzip, as wrangler counts. */
export interface BundleSize {
  readonly whole: number
  /** Without the modules that `import()` alone asks for, and what only they need: their code runs when somebody needs it. */
  readonly always: number
  /** Those modules, as they are written in the source. */
  readonly lazy: readonly string[]
}

/** Bundles the shipped configuration twice: as it is, and with an empty module for each that is imported dynamically. */
export async function measureBundle(folder: string): Promise<BundleSize> {
  const metafile = join(folder, 'meta.json')
  const empty = join(folder, 'empty.js')
  const whole = readSize(await bundleInto(folder, undefined, ['--metafile', metafile]))
  const lazy = lazyImports(JSON.parse(readFileSync(metafile, 'utf8')))
  writeFileSync(empty, 'export {}\n')
  const aliases = lazy.flatMap((name) => ['--alias', `${name}:${empty}`])
  return { whole, always: readSize(await bundleInto(folder, undefined, aliases)), lazy }
}

function readSize(printed: string): number {
  return Number(/gzip: ([\d.]+) KiB/.exec(printed)?.[1])
}

/** @throws Error where one is also imported statically under the same name: it would be there all the time. */
function lazyImports(meta: unknown): readonly string[] {
  const inputs = isObject(meta) && isObject(meta['inputs']) ? Object.values(meta['inputs']) : []
  const imports = inputs.flatMap((input) =>
    isObject(input) && Array.isArray(input['imports']) ? input['imports'] : [],
  )
  const named = (kind: string): readonly string[] =>
    imports.flatMap((each: unknown) =>
      isObject(each) && each['kind'] === kind && typeof each['original'] === 'string' ? [each['original']] : [],
    )
  const lazy = [...new Set(named('dynamic-import'))]
  const both = lazy.find((name) => named('import-statement').includes(name))
  if (both !== undefined) throw new Error(`${both} is imported statically too`)
  return lazy
}
