import { describe, expect, it } from 'vitest'

import { createTokenMemory } from '../../src/tokens/memory.ts'
import type { Remembered } from '../../src/tokens/memory.ts'
import { identityOf } from '../support/identity.ts'

const KEY: Remembered['key'] = {
  key: await crypto.subtle.importKey('raw', new Uint8Array(32), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']),
  kid: 'k',
  algorithms: [],
  parameters: { name: 'HMAC' },
}

function keeps(token: string, claims: Readonly<Record<string, unknown>>): boolean {
  const memory = createTokenMemory()
  memory.remember(token, { identity: identityOf({ claims }), key: KEY, ended: false })
  return memory.find(token) !== null
}

const nested = (depth: number): unknown => (depth === 0 ? 'x' : [nested(depth - 1)])

describe('what an isolate keeps of tokens that it has verified', () => {
  it.each([
    ['an ordinary token', 'x'.repeat(1000), { sub: 'usr_1', roles: ['a', 'b'], realm_access: { roles: ['c'] } }, true],
    ['4 KB', 'x'.repeat(4096), {}, true],
    ['more than 4 KB', 'x'.repeat(4097), {}, false],
    ['deep claims', 'x', { custom: nested(5) }, false],
    ['claims that are just not deep', 'x', { custom: nested(2) }, true],
    ['many claims', 'x', { groups: Array.from({ length: 250 }, () => 1) }, false],
  ])('is bounded by what it holds: %s', (_, token, claims, kept) => {
    expect(keeps(token, claims)).toBe(kept)
  })
})
