// The access tokens of the bench: good ones as the gateway mints them, bad ones, and another issuer's.

import { createPublicKey } from 'node:crypto'

import type { JWK } from 'jose'
import { exportJWK, generateKeyPair } from 'jose'

import type { KeyRing } from '../src/tokens/keys.ts'
import { importSigningKeys } from '../src/tokens/keys.ts'
import { mintAccessToken, signJwt } from '../src/tokens/mint.ts'
import { ISSUER, WEB_APP } from './issuer.ts'
import type { User } from './users.ts'
import { USERS, VERSION } from './users.ts'

export interface Tokens {
  /** What the gateway gets as SIGNING_KEYS: it signs by ES256, and verifies both. */
  readonly signingKeys: string
  /** What everybody else may verify with: a JWK set, and PEM. */
  readonly publicJwks: { readonly keys: readonly JWK[] }
  readonly publicPems: { readonly ES256: string; readonly RS256: string }
  /** Of ES256, as the two after it: so many tokens, each new, of users who take turns. */
  readonly mint: Mint
  /** Of users of whom there are more than connections. */
  readonly mintForMany: Mint
  /** Genuine in everything but the signature, which is another token's. */
  readonly forge: Mint
  readonly mintByRsa: Mint
  /** Session tokens as Clerk issues them, by the same RSA key. */
  readonly mintAsClerk: Mint
}

type Mint = (count: number) => Promise<readonly string[]>

export async function createTokens(): Promise<Tokens> {
  const [elliptic, rsa] = await Promise.all([generateKey('ES256'), generateKey('RS256')])
  const ring = await importSigningKeys({ keys: [elliptic, rsa] })
  const rsaRing = await importSigningKeys({ keys: [rsa, elliptic] })
  const few = USERS.slice(0, FEW)
  return {
    signingKeys: JSON.stringify({ keys: [elliptic, rsa] }),
    publicJwks: ring.publicJwks,
    publicPems: { ES256: publicPem(elliptic), RS256: publicPem(rsa) },
    mint: (count) => mintMany(few, count, (user) => mintOwn(ring, user)),
    mintForMany: (count) => mintMany(USERS, count, (user) => mintOwn(ring, user)),
    forge: async (count) => {
      const genuine = await mintMany(few, count + 1, (user) => mintOwn(ring, user))
      return genuine.slice(1).map((token, at) => withSignatureOf(token, genuine[at] ?? ''))
    },
    mintByRsa: (count) => mintMany(few, count, (user) => mintOwn(rsaRing, user)),
    mintAsClerk: (count) => mintMany(few, count, (user) => mintClerk(rsaRing, user)),
  }
}

/** Users so few that reading their markers again, every few seconds, is no part of what is measured. */
const FEW = 4

/** RSA of the size that issuers use. */
async function generateKey(alg: 'ES256' | 'RS256'): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 })
  return { kid: alg, alg, use: 'sig', ...(await exportJWK(privateKey)) }
}

function publicPem(jwk: JWK): string {
  const key = createPublicKey({ key: { ...jwk, kty: jwk.kty ?? '' }, format: 'jwk' })
  return key.export({ type: 'spki', format: 'pem' }).toString()
}

async function mintMany(
  users: readonly User[],
  count: number,
  mint: (user: User) => Promise<string>,
): Promise<readonly string[]> {
  const turns = Array.from({ length: Math.ceil(count / users.length) }, () => users).flat()
  return Promise.all(turns.slice(0, count).map((user) => mint(user)))
}

function mintOwn(ring: KeyRing, { id, session }: User): Promise<string> {
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

/** The claims of Clerk's session tokens, version 2. */
function mintClerk(ring: KeyRing, { id, session }: User): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return signJwt(ring, 'JWT', {
    azp: WEB_APP,
    exp: now + 3600,
    fva: [1, -1],
    iat: now - 5,
    iss: 'https://clerk.app.test',
    jti: crypto.randomUUID(),
    nbf: now - 15,
    sid: session,
    sts: 'active',
    sub: id,
    v: 2,
  })
}

function withSignatureOf(token: string, other: string): string {
  return token.slice(0, token.lastIndexOf('.')) + other.slice(other.lastIndexOf('.'))
}
