import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

const here = (path: string) => join(import.meta.dirname, path)

export default defineConfig({
  test: {
    projects: [
      {
        // The Worker's own modules, inside workerd, with real D1 and KV.
        plugins: [
          cloudflareTest({
            wrangler: { configPath: here('wrangler.toml') },
            miniflare: { bindings: { TEST_SCHEMA: readFileSync(here('schema.sql'), 'utf8') } },
          }),
        ],
        test: {
          name: 'workerd',
          include: ['test/{unit,flows,conformance,faults}/**/*.test.ts'],
          exclude: ['**/*.node.test.ts'],
          testTimeout: 30_000,
          isolate: false,
          maxWorkers: 1,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // What surrounds the Worker, from Node: raw sockets, real upstreams, the commands.
        test: {
          name: 'node',
          include: ['test/**/*.node.test.ts'],
          exclude: ['test/browser/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // What people see, in Chromium.
        test: {
          name: 'browser',
          include: ['test/browser/**/*.node.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // Not how fast a page is, but whether it gets there.
          expect: { poll: { timeout: 20_000 } },
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
