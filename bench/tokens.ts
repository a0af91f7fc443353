// The access tokens of the bench: good ones as the gateway mints them, and bad ones.

import type { KeyRing } from '../src/tokens/keys.ts'
import { generateSigningKey, importSigningKeys } from '../src/tokens/keys.ts'
import { mintAccessToken } from '../src/tokens/mint.ts'
import type { User } from './users.ts'
import { USERS, VERSION } from './users.ts'

export const ISSUER = 'https://gateway.test'
export interface Tokens {
  /** What the gateway gets as SIGNING_KEYS. */
  readonly signingKeys: string
  /** So many tokens, each new, of users who take turns. */
  readonly mint: (count: number) => Promise<readonly string[]>
  /** Genuine in everything but the signature, which is another token's. */
  readonly forge: (count: number) => Promise<readonly string[]>
}

export async function createTokens(alg = 'ES256'): Promise<Tokens> {
  const jwks = { keys: [await generateSigningKey(alg)] }
  const ring = await importSigningKeys(jwks)
  return {
    signingKeys: JSON.stringify(jwks),
    mint: (count) => mintMany(ring, count),
    forge: async (count) => {
      const genuine = await mintMany(ring, count + 1)
      return genuine.slice(1).map((token, at) => withSignatureOf(token, genuine[at] ?? ''))
    },
  }
}

async function mintMany(ring: KeyRing, count: number): Promise<readonly string[]> {
  const users = Array.from({ length: Math.ceil(count / USERS.length) }, () => USERS).flat()
  return Promise.all(users.slice(0, count).map((user) => mint(ring, user)))
}

function mint(ring: KeyRing, { id, session }: User): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return mintAccessToken(ring, {
    issuer: ISSUER,
    audience: ISSUER,
    subject: id,
    clientId: 'gatehouse',
    issuedAt: now - 5,
    expiresAt: now + 3600,
    authTime: now - 60,
    amr: ['pwd'],
    scopes: ['orders:read', 'orders:write'],
    roles: ['staff'],
    session,
    version: VERSION,
    claims: {},
  })
}

function withSignatureOf(token: string, other: string): string {
  return token.slice(0, token.lastIndexOf('.')) + other.slice(other.lastIndexOf('.'))
}
