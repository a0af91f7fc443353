// Keys: the gateway's own ring, and single keys of other issuers. A key is good for one algorithm (RFC 8725 §3.1).

import type { JWK } from 'jose'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from 'jose'

import type { Algorithm } from '../config/config.ts'
import type { JsonObject } from '../json.ts'
import { isObject } from '../json.ts'
import { keyTypeOf, privateMembers, publicMembers } from './jwk.ts'
import type { SignatureParameters } from './signature.ts'
import { ALGORITHMS, HMAC, isSignedBy, sign } from './signature.ts'

export interface VerificationKey {
  readonly kid: string
  /** Values of the header's `alg` that this key verifies: one, but for Ed25519, which has two names (RFC 9864). */
  readonly algorithms: readonly string[]
  readonly parameters: SignatureParameters
  readonly key: CryptoKey
}

export interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly parameters: SignatureParameters
  readonly key: CryptoKey
}

export interface KeyRing {
  /** The first key of the set. */
  readonly signing: SigningKey
  readonly verification: ReadonlyMap<string, VerificationKey>
  /** What `/.well-known/jwks.json` shows (RFC 7517): public members only. */
  readonly publicJwks: { readonly keys: readonly JWK[] }
}

const ED25519_NAMES = ['EdDSA', 'Ed25519']

/**
 * The key ring of a private JWK set: the first key signs by its `alg`, every key verifies and is published.
 * @throws Error whose message names the member that is wrong, and never its value
 */
export async function importSigningKeys(jwks: JsonObject): Promise<KeyRing> {
  const { keys } = jwks
  if (!Array.isArray(keys)) throw new TypeError('keys must be an array')
  const imported = await Promise.all(keys.map((jwk: unknown, index) => importSigningKey(jwk, `keys[${index}]`)))
  const [first] = imported
  if (first === undefined) throw new Error('keys must hold at least one key')
  const verification = new Map(imported.map((key) => [key.signing.kid, key.verification]))
  if (verification.size !== imported.length) throw new Error('keys must have different kid')
  return { signing: first.signing, verification, publicJwks: { keys: imported.map((key) => key.published) } }
}

/**
 * A key of another issuer's JWK set (RFC 7517), or `null` where it cannot serve: no `kid`, not for signatures, of an
 * algorithm that is not allowed, symmetric, malformed, or RSA below 2048 bits. Private members are dropped. A key
 * that names no `alg` serves the first allowed algorithm that fits it.
 */
export async function importVerificationKey(
  jwk: unknown,
  allowed: readonly Algorithm[],
): Promise<VerificationKey | null> {
  if (!isObject(jwk) || !isFor(jwk, 'verify')) return null
  const { kid, alg } = jwk
  const members = publicMembers(jwk)
  const algorithm = allowed.find((name) => fits(jwk, name) && (alg === undefined || isNameOf(name, alg)))
  if (typeof kid !== 'string' || kid === '' || members === null || algorithm === undefined) return null
  const key = await tryImport(members, algorithm)
  return key === null || isWeak(key) ? null : verificationKey(kid, algorithm, key)
}

/** The key of an issuer that shares a secret with the gateway: HS256 and nothing else. */
export async function hmacKey(secret: Uint8Array): Promise<VerificationKey> {
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
  return { kid: '', algorithms: ['HS256'], parameters: HMAC, key }
}

/** A new private JWK, named by its thumbprint (RFC 7638); RSA keys have 3072 bits. */
export async function generateSigningKey(alg = 'ES256'): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 3072 })
  const jwk = await exportJWK(privateKey)
  return { kid: await calculateJwkThumbprint(jwk), alg, use: 'sig', ...jwk }
}

interface ImportedKey {
  readonly signing: SigningKey
  readonly verification: VerificationKey
  readonly published: JWK
}

async function importSigningKey(jwk: unknown, at: string): Promise<ImportedKey> {
  if (!isObject(jwk)) throw new TypeError(`${at} must be an object`)
  const { kid, alg } = jwk
  if (typeof kid !== 'string' || kid === '') throw new Error(`${at}.kid must be a text`)
  if (typeof alg !== 'string' || !ALGORITHMS.has(alg)) throw new Error(`${at}.alg must be one of ${algorithmNames()}`)
  if (!fits(jwk, alg)) throw new Error(`${at} is not a key for its alg`)
  if (!isFor(jwk, 'sign')) throw new Error(`${at} is not meant for signing`)
  if (jwk['d'] === undefined) throw new Error(`${at} is a public key, and the private one is needed`)
  const [secret, open] = [privateMembers(jwk), publicMembers(jwk)]
  if (secret === null || open === null) throw new Error(`${at} lacks a member of its kty`)
  const [key, publicKey] = [await tryImport(secret, alg), await tryImport(open, alg)]
  if (key === null || publicKey === null) throw new Error(`${at} is not a valid key`)
  if (isWeak(publicKey)) throw new Error(`${at} is an RSA key below 2048 bits`)
  const verification = verificationKey(kid, alg, publicKey)
  const signing = { kid, alg, parameters: verification.parameters, key }
  if (!(await isPair(signing, verification))) throw new Error(`${at} is not a valid key`)
  return {
    signing,
    verification,
    published: { ...open, kid, alg, use: 'sig' },
  }
}

function fits(jwk: JsonObject, alg: string): boolean {
  return ALGORITHMS.get(alg)?.keyType === keyTypeOf(jwk)
}

/** RFC 7517 §4.2, §4.3: what a key says about its use binds, where it says something. */
function isFor({ use, key_ops: operations }: JsonObject, operation: 'sign' | 'verify'): boolean {
  if (use !== undefined && use !== 'sig') return false
  return operations === undefined || (Array.isArray(operations) && operations.includes(operation))
}

function namesOf(alg: string): readonly string[] {
  return ED25519_NAMES.includes(alg) ? ED25519_NAMES : [alg]
}

function isNameOf(alg: string, name: unknown): boolean {
  return typeof name === 'string' && namesOf(alg).includes(name)
}

function algorithmNames(): string {
  return [...ALGORITHMS.keys()].join(', ')
}

/** What the library says of a key that it does not take may quote the key, so it ends here. */
async function tryImport(jwk: JWK, alg: string): Promise<CryptoKey | null> {
  try {
    const key = await importJWK(jwk, alg, { extractable: false })
    return key instanceof CryptoKey ? key : null
  } catch {
    return null
  }
}

/** @throws TypeError where the algorithm is none of the table, which `fits` has asked */
function verificationKey(kid: string, alg: string, key: CryptoKey): VerificationKey {
  const algorithm = ALGORITHMS.get(alg)
  if (algorithm === undefined) throw new TypeError('no such algorithm')
  return { kid, algorithms: namesOf(alg), parameters: algorithm.parameters, key }
}

/** Importing an Ed25519 key does not compare its halves. */
async function isPair(signing: SigningKey, { key, parameters }: VerificationKey): Promise<boolean> {
  const signature = await sign('', signing.key, signing.parameters)
  return isSignedBy(key, parameters, '', Buffer.from(signature, 'base64url'))
}

function isWeak({ algorithm }: CryptoKey): boolean {
  return 'modulusLength' in algorithm && algorithm.modulusLength < 2048
}
