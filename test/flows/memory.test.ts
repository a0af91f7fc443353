import { describe, expect, it, onTestFinished, vi } from 'vitest'

import type { TokenMemory } from '../../src/tokens/memory.ts'
import { createTokenMemory } from '../../src/tokens/memory.ts'
import type { Remembered } from '../../src/tokens/memory.ts'
import { createWorld, UPSTREAM } from '../support/world.ts'

const issuer = { issuer: 'https://idp.example.com/', audience: ['https://api.example.com'] }
const routes = [
  { path: '/*', upstream: UPSTREAM },
  { path: '/expiry/*', upstream: UPSTREAM, revocation: 'expiry' },
  { path: '/strict/*', upstream: UPSTREAM, revocation: 'session' },
  { path: '/theirs/*', upstream: UPSTREAM, issuers: [issuer.issuer] },
  { path: '/admin/*', upstream: UPSTREAM, roles: ['admin'] },
]

describe('a token that the isolate remembers', () => {
  it('is refused from its expiry on, clock skew included, and not a second before', async () => {
    const world = await createWorld({ routes, vars: { ISSUERS: [issuer] } })
    const { access } = await world.signInForTokens()
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => {
      vi.useRealTimers()
    })
    const status = async () => (await world.bearer(access, '/expiry/x')).status
    const { exp } = JSON.parse(atob(access.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''))
    expect(await status()).toBe(200)
    vi.setSystemTime((exp + 4) * 1000)
    expect(await status()).toBe(200)
    vi.setSystemTime((exp + 5) * 1000)
    expect(await status()).toBe(401)
  })

  it('is judged anew by each route: its issuer, its roles', async () => {
    const world = await createWorld({ routes, vars: { ISSUERS: [issuer] } })
    const { access } = await world.signInForTokens()
    const statuses = []
    for (const path of ['/x', '/theirs/x', '/admin/x', '/x']) statuses.push((await world.bearer(access, path)).status)
    expect(statuses).toEqual([200, 401, 403, 200])
  })

  it('is refused on every route once D1 has said that its session is over', async () => {
    const world = await createWorld({ routes, vars: { ISSUERS: [issuer] } })
    const { access, refresh } = await world.signInForTokens()
    expect((await world.bearer(access, '/expiry/x')).status).toBe(200)
    await world.sendFresh('/auth/sign-out', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ refresh_token: refresh }),
    })
    expect((await world.bearer(access, '/expiry/x')).status).toBe(200)
    expect((await world.bearer(access, '/strict/x')).status).toBe(401)
    expect((await world.bearer(access, '/expiry/x')).status).toBe(401)
  })

  it('is found by its whole text only', async () => {
    const world = await createWorld({ routes, vars: { ISSUERS: [issuer] } })
    const { access } = await world.signInForTokens()
    await world.bearer(access, '/x')
    for (const other of [`${access}.`, access.slice(0, -1), `${access}=`, access.toUpperCase()]) {
      expect((await world.bearer(other, '/x')).status).toBe(401)
    }
  })
})

const remembered: Remembered = {
  identity: {
    issuer: '',
    subject: '',
    issuerSubject: '',
    session: null,
    scopes: [],
    roles: [],
    claims: {},
    authTime: null,
    expiresAt: 0,
    version: null,
  },
  key: {
    kid: '',
    algorithms: [],
    parameters: { name: 'HKDF' },
    key: await crypto.subtle.importKey('raw', new Uint8Array(32), 'HKDF', false, ['deriveBits']),
  },
  ended: false,
}

describe('the memory', () => {
  it('holds so many tokens and no more, and lets those go first that nobody asks for', () => {
    const memory = createTokenMemory(4, 1000)
    for (const token of ['a', 'b', 'c']) memory.remember(token, remembered)
    expect(memory.find('a')).not.toBeNull()
    memory.remember('d', remembered)
    expect(heldOf(memory, ['a', 'b', 'c', 'd'])).toEqual(['a', 'c', 'd'])
  })

  it('holds so many characters and no more', () => {
    const memory = createTokenMemory(100, 10)
    for (const token of ['aaaa', 'bbb', 'cc', 'd']) memory.remember(token, remembered)
    for (let again = 0; again < 5; again += 1) memory.remember('d', remembered)
    expect(heldOf(memory, ['aaaa', 'bbb', 'cc', 'd'])).toEqual(['bbb', 'cc', 'd'])
  })

  it('never goes back to what it knew of a token before', () => {
    const memory = createTokenMemory(4, 1000)
    for (const token of ['a', 'b', 'c']) memory.remember(token, remembered)
    memory.remember('a', { ...remembered, ended: true })
    for (const token of ['d', 'e', 'f']) memory.remember(token, remembered)
    expect(memory.find('a')?.ended).not.toBe(false)
  })
})

function heldOf(memory: TokenMemory, tokens: readonly string[]): readonly string[] {
  return tokens.filter((token) => memory.find(token) !== null)
}
