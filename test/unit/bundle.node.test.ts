// What is deployed: the shipped configuration, bundled as wrangler would upload it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, expect, it } from 'vitest'

import { bundleInto } from '../../bin/bundle.ts'

const MAX_KIB = 60

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bundle-'))
afterAll(() => rmSync(folder, { recursive: true }))

it(`the Worker is under ${MAX_KIB} KiB gzip, as wrangler counts`, async () => {
  const stdout = await bundleInto(folder)
  const kib = Number(/gzip: ([\d.]+) KiB/.exec(stdout)?.[1])
  console.log(`bundle: ${kib} KiB gzip of ${MAX_KIB}`)
  expect(kib).toBeGreaterThan(1)
  expect(kib).toBeLessThan(MAX_KIB)
})
