// What the memory of tokens weighs: the real one, filled with tokens that the gateway minted and verified.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { exportJWK, generateKeyPair } from 'jose'

import { importSigningKeys } from '../../src/tokens/keys.ts'
import type { KeyRing } from '../../src/tokens/keys.ts'
import type { Remembered, TokenMemory } from '../../src/tokens/memory.ts'
import { createTokenMemory } from '../../src/tokens/memory.ts'
import { mintAccessToken } from '../../src/tokens/mint.ts'
import { verifyToken } from '../../src/tokens/verify.ts'

export interface Footprint {
  readonly tokenCharacters: number
  readonly bytesPerEntry: number
  /** One of what was remembered. */
  readonly sample: Remembered
}

const ORIGIN = 'https://api.example.com'
const NOW = 1_790_000_000

/** Bytes of heap per token and identity, by the growth of the heap after a collection. */
export async function measureFootprint(entries: number): Promise<Footprint> {
  const ring = await createRing()
  const memory = createTokenMemory(entries, Infinity)
  const token = await rememberUser(memory, ring, 0)
  const before = usedHeap()
  for (let user = 1; user < entries; user += 1) await rememberUser(memory, ring, user)
  const bytesPerEntry = (usedHeap() - before) / (entries - 1)
  const sample = memory.find(token)
  if (sample === null) throw new Error('the memory forgot what was measured')
  return { tokenCharacters: token.length, bytesPerEntry, sample }
}

async function createRing(): Promise<KeyRing> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return importSigningKeys({ keys: [{ ...(await exportJWK(privateKey)), kid: '2026-11', alg: 'ES256' }] })
}

async function rememberUser(memory: TokenMemory, ring: KeyRing, user: number): Promise<string> {
  const minted = await mintAccessToken(ring, {
    issuer: ORIGIN,
    audience: ORIGIN,
    subject: `usr_${String(user).padStart(22, '0')}`,
    clientId: 'gatehouse',
    issuedAt: NOW,
    expiresAt: NOW + 900,
    authTime: NOW - 86_400,
    amr: ['pwd'],
    scopes: ['orders:read', 'orders:write', 'profile:read'],
    roles: ['staff', 'billing'],
    session: `ses_${String(user).padStart(22, '0')}`,
    version: NOW * 1000 + user,
    claims: { tenant: 'north', plan: 'team' },
  })
  const token = asReceived(minted)
  memory.remember(token, await verify(token, ring))
  return token
}

async function verify(token: string, keys: KeyRing): Promise<Remembered> {
  const verified = await verifyToken(token, {
    self: { issuer: ORIGIN, audience: ORIGIN, keys },
    issuers: [],
    findIssuerKey: () => Promise.resolve(null),
    now: NOW + 1,
    clockSkew: 5,
  })
  return { ...verified, ended: false }
}

/** A flat text of its own, as it comes in a header, and no chain of pieces. */
function asReceived(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

function usedHeap(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') for (let round = 0; round < 3; round += 1) collect()
  return process.memoryUsage().heapUsed
}
