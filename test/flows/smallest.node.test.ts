import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { parse } from 'smol-toml'
import { afterAll, describe, expect, it } from 'vitest'

import { bundleInto } from '../../bin/bundle.ts'
import { generateSigningKey } from '../../src/tokens/keys.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-smallest-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** DESIGN §3: the smallest whole file. */
const smallest = `
name = "gatehouse"
main = "${join(ROOT, 'src', 'index.ts')}"
compatibility_date = "2026-08-01"
compatibility_flags = ["nodejs_compat"]
routes = [{ pattern = "api.example.com", custom_domain = true }]
d1_databases = [{ binding = "DB", database_name = "gatehouse" }]
kv_namespaces = [{ binding = "MARKERS" }]
triggers = { crons = ["* * * * *"] }
vars.ISSUER = "https://api.example.com"
[[vars.ROUTES]]
path = "/*"
upstream = "https://origin.example.com"
`

describe('the smallest configuration', () => {
  it('is deployed by wrangler, and serves', async () => {
    const file = join(folder, 'wrangler.toml')
    writeFileSync(file, smallest)
    const dist = join(folder, 'dist')
    await bundleInto(dist, file)

    const { vars } = parse(smallest)
    const secrets = {
      SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
      SESSION_KEYS: randomBytes(32).toString('base64url'),
    }
    const options = {
      name: 'gatehouse',
      modules: true as const,
      script: readFileSync(join(dist, 'index.js'), 'utf8'),
      compatibilityDate: '2026-08-01',
      compatibilityFlags: ['nodejs_compat'],
      d1Databases: ['DB'],
      kvNamespaces: ['MARKERS'],
    }
    const serving = new Miniflare(convertV4MiniflareOptions({ ...options, bindings: { ...Object(vars), ...secrets } }))
    const bare = new Miniflare(convertV4MiniflareOptions({ ...options, bindings: { ...Object(vars) } }))
    try {
      const refused = await serving.dispatchFetch('https://api.example.com/orders')
      expect([refused.status, refused.headers.get('WWW-Authenticate')]).toEqual([401, 'Bearer'])
      const healthy = await serving.dispatchFetch('https://api.example.com/auth/health')
      expect(healthy.status).toBe(200)
      const withoutSecrets = await bare.dispatchFetch('https://api.example.com/auth/health')
      expect([withoutSecrets.status, await withoutSecrets.json()]).toMatchObject([503, { code: 'misconfigured' }])
    } finally {
      await Promise.all([serving.dispose(), bare.dispose()])
    }
  })
})
