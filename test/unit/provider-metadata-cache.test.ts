// What a provider says of itself, as the location's cache keeps it: only what this gateway signed counts.
import { describe, expect, it, vi } from 'vitest'

import type { Provider } from '../../src/config/config.ts'
import type { Discovery } from '../../src/providers/discovery.ts'
import { findMetadata } from '../../src/providers/discovery.ts'
import { createSignedText } from '../../src/signed-text.ts'

const NOW = 1_790_000_000
const provider: Provider = {
  key: 'PROVIDERS[0]',
  id: 'corp',
  issuer: 'https://corp.test',
  clientId: 'c',
  scopes: ['openid'],
}

function documentOf(host: string) {
  return {
    issuer: provider.issuer,
    authorization_endpoint: `https://${host}/authorize`,
    token_endpoint: `https://${host}/token`,
    jwks_uri: `https://${host}/jwks`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    code_challenge_methods_supported: ['S256'],
  }
}

/** An isolate that remembers nothing, whose provider answers as `host` says. */
function isolate(keyFill = 1) {
  const fetched: string[] = []
  const waited: Promise<unknown>[] = []
  const discovery: Discovery = {
    fetch: async (url) => {
      fetched.push(url)
      return Response.json(documentOf('corp.test'))
    },
    now: () => NOW,
    log: () => undefined,
    memory: new Map(),
    signed: createSignedText({ keys: [new Uint8Array(32).fill(keyFill)], now: () => NOW, log: () => undefined }),
    waitUntil: (work) => void waited.push(work),
  }
  return { fetched, find: () => findMetadata(discovery, provider), settle: () => Promise.all(waited) }
}

describe('metadata in the Cache API', () => {
  it('is used by another isolate with the same keys, and fetched again by one with others', async () => {
    const first = isolate()
    await first.find()
    await first.settle()
    const [second, stranger] = [isolate(), isolate(2)]
    await second.find()
    await stranger.find()
    expect([first, second, stranger].map(({ fetched }) => fetched.length)).toEqual([1, 0, 1])
  })

  it('that another Worker of the zone put leads nowhere', async () => {
    const put = vi.spyOn(caches.default, 'put')
    const first = isolate(3)
    await first.find()
    await first.settle()
    const url = new Request(put.mock.calls[0]?.[0] ?? '').url
    put.mockRestore()
    const evil = JSON.stringify({ document: documentOf('corp.test/evil'), fetchedAt: NOW })
    for (const body of [evil, `${'A'.repeat(43)}\n${evil}`]) {
      await caches.default.put(url, new Response(body, { headers: { 'Cache-Control': 'max-age=60' } }))
      const next = isolate()
      expect(JSON.stringify(await next.find())).not.toContain('/evil')
      expect(next.fetched).toHaveLength(1)
    }
  })
})
