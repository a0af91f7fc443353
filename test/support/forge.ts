// Tokens for tests: good ones, and broken in every way that a header, a payload or a signature can be broken.
// Signs with Web Crypto alone, because a JOSE library refuses to make most of these.

import { Denial } from '../../src/denial.ts'

export type Members = Readonly<Record<string, unknown>>

/** An object to be written as JSON (members that are `undefined` are left out), or the text itself. */
export type Part = Members | string

export interface Signer {
  readonly alg: string
  readonly kid: string | undefined
  readonly sign: (input: string) => Promise<Uint8Array>
}

export interface ForgeKey extends Signer {
  readonly kid: string
  readonly privateJwk: Members
  readonly publicJwk: Members
  /** The public key as SubjectPublicKeyInfo in PEM. */
  readonly publicPem: string
}

const RSA = { modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }

/** How Web Crypto makes keys, and how it signs with them. */
const ALGORITHMS: Readonly<Record<string, { readonly make: Make; readonly sign: SubtleCryptoSignAlgorithm }>> = {
  RS256: { make: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', ...RSA }, sign: { name: 'RSASSA-PKCS1-v1_5' } },
  RS384: { make: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384', ...RSA }, sign: { name: 'RSASSA-PKCS1-v1_5' } },
  RS512: { make: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512', ...RSA }, sign: { name: 'RSASSA-PKCS1-v1_5' } },
  PS256: { make: { name: 'RSA-PSS', hash: 'SHA-256', ...RSA }, sign: { name: 'RSA-PSS', saltLength: 32 } },
  PS384: { make: { name: 'RSA-PSS', hash: 'SHA-384', ...RSA }, sign: { name: 'RSA-PSS', saltLength: 48 } },
  PS512: { make: { name: 'RSA-PSS', hash: 'SHA-512', ...RSA }, sign: { name: 'RSA-PSS', saltLength: 64 } },
  ES256: { make: { name: 'ECDSA', namedCurve: 'P-256' }, sign: { name: 'ECDSA', hash: 'SHA-256' } },
  ES384: { make: { name: 'ECDSA', namedCurve: 'P-384' }, sign: { name: 'ECDSA', hash: 'SHA-384' } },
  ES512: { make: { name: 'ECDSA', namedCurve: 'P-521' }, sign: { name: 'ECDSA', hash: 'SHA-512' } },
  EdDSA: { make: { name: 'Ed25519' }, sign: { name: 'Ed25519' } },
  Ed25519: { make: { name: 'Ed25519' }, sign: { name: 'Ed25519' } },
}

type Make = SubtleCryptoGenerateKeyAlgorithm

/** A key pair. `modulusLength` is for RSA keys only. */
export async function makeKey(alg = 'ES256', kid = `key-${alg}`, modulusLength = 2048): Promise<ForgeKey> {
  const algorithm = ALGORITHMS[alg]
  if (algorithm === undefined) throw new Error(`forge cannot make keys for ${alg}`)
  const make = 'modulusLength' in algorithm.make ? { ...algorithm.make, modulusLength } : algorithm.make
  const pair = await crypto.subtle.generateKey(make, true, ['sign', 'verify'])
  if (!('privateKey' in pair)) throw new Error('not a key pair')
  const spki = await crypto.subtle.exportKey('spki', pair.publicKey)
  return {
    alg,
    kid,
    sign: async (input) => new Uint8Array(await crypto.subtle.sign(algorithm.sign, pair.privateKey, utf8(input))),
    privateJwk: { ...(await exportJwk(pair.privateKey)), kid, alg },
    publicJwk: { ...(await exportJwk(pair.publicKey)), kid, alg, use: 'sig' },
    publicPem: pem(spki),
  }
}

/** Signs HS256 with any bytes: a shared secret, or somebody's public key. */
export function hmacSigner(secret: Uint8Array | string, kid?: string): Signer {
  return {
    alg: 'HS256',
    kid,
    sign: async (input) => {
      const bytes = typeof secret === 'string' ? utf8(secret) : secret
      const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
      return new Uint8Array(await crypto.subtle.sign('HMAC', key, utf8(input)))
    },
  }
}

/**
 * Signs a token. A header that is an object is laid over `alg`, `kid` and `typ: at+jwt`; a text is taken as it is, and
 * so is a payload that is a text.
 */
export async function forge(signer: Signer, payload: Part, header: Part = {}): Promise<string> {
  const { alg, kid } = signer
  const whole = typeof header === 'string' ? header : { alg, kid, typ: 'at+jwt', ...header }
  const input = `${segment(whole)}.${segment(payload)}`
  return `${input}.${base64url(await signer.sign(input))}`
}

/** `alg: none`, with whatever signature. */
export function unsigned(payload: Part, header: Members = {}, signature = ''): string {
  return `${segment({ alg: 'none', typ: 'at+jwt', ...header })}.${segment(payload)}.${signature}`
}

/** What the gateway at `https://gate.test` mints for itself. */
export function ownPayload(now: number, changes: Members = {}): Members {
  return {
    iss: 'https://gate.test',
    sub: 'usr_1',
    aud: 'https://gate.test',
    exp: now + 900,
    iat: now,
    jti: 'jti-1',
    client_id: 'gatehouse',
    auth_time: now - 60,
    amr: ['pwd'],
    scope: 'orders:read orders:write',
    roles: ['staff'],
    sid: 'ses_1',
    ver: 1_700_000_000_000,
    ...changes,
  }
}

/** What an issuer at `https://idp.test/` mints for the API. */
export function issuerPayload(now: number, changes: Members = {}): Members {
  return {
    iss: 'https://idp.test/',
    sub: 'auth0|42',
    aud: ['https://gate.test', 'https://idp.test/userinfo'],
    exp: now + 3600,
    iat: now,
    scope: 'openid orders:read',
    ...changes,
  }
}

/** Replaces one of the three segments. */
export function withSegment(token: string, index: 0 | 1 | 2, change: (segment: string) => string): string {
  return token
    .split('.')
    .map((text, at) => (at === index ? change(text) : text))
    .join('.')
}

/** Another spelling of the same bytes: the bits that base64url leaves unused are set. */
export function flipUnusedBits(text: string): string {
  if (text.length % 4 === 0) throw new Error('this segment has no unused bits')
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return text.slice(0, -1) + alphabet.charAt(alphabet.indexOf(text.slice(-1)) + 1)
}

/** The other ES256 signature that is good for the same text: (r, n - s). */
export function otherSignature(text: string): string {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  const bytes = Buffer.from(text, 'base64url')
  const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
  return base64url(Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]))
}

/** One segment: text in base64url. */
export function segment(part: Part): string {
  return base64url(utf8(typeof part === 'string' ? part : JSON.stringify(part)))
}

export function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

async function exportJwk(key: CryptoKey): Promise<Members> {
  const jwk = await crypto.subtle.exportKey('jwk', key)
  if (jwk instanceof ArrayBuffer) throw new Error('not a JWK')
  const { key_ops: _operations, ext: _extractable, ...members } = jwk
  return members
}

function pem(spki: unknown): string {
  if (!(spki instanceof ArrayBuffer)) throw new Error('not SubjectPublicKeyInfo')
  const lines = Buffer.from(spki)
    .toString('base64')
    .replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN PUBLIC KEY-----\n${lines}\n-----END PUBLIC KEY-----\n`
}

/** How a call was refused, as `code reason`; `passed` where it was not. */
export async function refusalOf(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'passed'
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return `${error.code} ${error.details.reason ?? ''}`.trim()
  }
}
