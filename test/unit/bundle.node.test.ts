// What is deployed: the shipped configuration, bundled as wrangler would upload it.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const MAX_KIB = 60

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bundle-'))
afterAll(() => rmSync(folder, { recursive: true }))

it(`the Worker is under ${MAX_KIB} KiB gzip, as wrangler counts`, async () => {
  const wrangler = join(ROOT, 'node_modules', 'wrangler', 'bin', 'wrangler.js')
  const env = { ...process.env, CI: '1', NO_COLOR: '1', WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' }
  const args = [wrangler, 'deploy', '--dry-run', '--outdir', folder]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env })
  const kib = Number(/gzip: ([\d.]+) KiB/.exec(stdout)?.[1])
  console.log(`bundle: ${kib} KiB gzip of ${MAX_KIB}`)
  expect(kib).toBeGreaterThan(1)
  expect(kib).toBeLessThan(MAX_KIB)
})
