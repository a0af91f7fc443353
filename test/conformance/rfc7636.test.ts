// RFC 7636: proof key for code exchange, on the client's side.
import { describe, expect, it, vi } from 'vitest'

import { sha256 } from '../../src/crypto.ts'
import { ada, createProviderScene, locationOf } from '../support/provider-scene.ts'

/** The challenge that was sent, and the verifier that came after it. */
async function exchange(): Promise<{ readonly challenge: string; readonly method: string; readonly verifier: string }> {
  const { browser, provider } = await createProviderScene()
  const location = locationOf(await browser.open('/auth/providers/corp/start'))
  await browser.open(provider.signIn(location, ada))
  const query = new URL(location).searchParams
  const bodies = vi.mocked(globalThis.fetch).mock.calls.map(([, init]) => init?.body)
  const form = bodies.findLast((body) => body instanceof URLSearchParams)
  return {
    challenge: query.get('code_challenge') ?? '',
    method: query.get('code_challenge_method') ?? '',
    verifier: form instanceof URLSearchParams ? (form.get('code_verifier') ?? '') : '',
  }
}

describe('RFC 7636', () => {
  it('§4.1 the verifier has 43 to 128 unreserved characters', async () => {
    expect((await exchange()).verifier).toMatch(/^[A-Za-z0-9._~-]{43,128}$/)
  })

  it('§4.1 no two sign-ins have the same verifier', async () => {
    expect((await exchange()).verifier).not.toBe((await exchange()).verifier)
  })

  it('§4.2, §4.3 the challenge is S256 of the verifier', async () => {
    const { challenge, method, verifier } = await exchange()
    expect([method, challenge]).toEqual(['S256', sha256(verifier)])
  })

  it('§7.2 the challenge is never plain, whatever the provider says that it takes', async () => {
    const { browser, provider } = await createProviderScene()
    provider.behave({ metadata: { code_challenge_methods_supported: ['plain'] } })
    const query = new URL(locationOf(await browser.open('/auth/providers/corp/start'))).searchParams
    expect(query.get('code_challenge_method')).toBe('S256')
  })
})
