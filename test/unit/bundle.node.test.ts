// What is deployed: the shipped configuration, bundled as wrangler would upload it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, expect, it } from 'vitest'

import { measureBundle } from '../../bin/bundle.ts'

const MAX_KIB = 60

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bundle-'))
afterAll(() => rmSync(folder, { recursive: true }))

it(`the gateway is under ${MAX_KIB} KiB gzip as wrangler counts, without what is loaded only when asked for`, async () => {
  const { whole, always, lazy } = await measureBundle(folder)
  console.log(`bundle: ${always} KiB gzip of ${MAX_KIB}; ${whole} KiB with ${lazy.join(', ') || 'nothing else'}`)
  expect(always).toBeGreaterThan(1)
  expect(always).toBeLessThan(MAX_KIB)
  expect(lazy).toEqual(
    expect.arrayContaining(['./auth/provider-callback.ts', './common-passwords.ts', './pages/pages.ts']),
  )
  expect(whole).toBeGreaterThan(always + 5)
})
