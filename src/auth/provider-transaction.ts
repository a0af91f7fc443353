// A sign-in under way at a provider: it lives in one cookie of the browser that began it, and in the `state` of its URL.

import { decodeBase64url, equalInConstantTime, hmac, randomText, sha256 } from '../crypto.ts'
import { decodeUtf8 } from '../json.ts'

export interface Transaction {
  /** The provider's id. */
  readonly provider: string
  /** Unix seconds. */
  readonly createdAt: number
  /** Where the browser goes afterwards; judged when it began, and to be judged again. */
  readonly returnTo: string
  /** The session that asked to link this provider to its user; `null`: somebody signs in. */
  readonly linkedTo: string | null
}

/** What the provider is told and has to give back, and the verifier of the code (RFC 7636 §4.1, OpenID Connect Core §3.1.2.1). */
export interface Secrets {
  readonly nonce: string
  readonly codeVerifier: string
}

/** Seconds that somebody has at the provider's pages. */
export const LIFETIME = 600

/** 256 random bits. */
export function newState(): string {
  return randomText(32)
}

/** True for what `newState` makes. */
export function isState(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text)
}

/** The end of the cookie's name: each state has a cookie of its own, and none tells the state. */
export function transactionId(state: string): string {
  return sha256(`gatehouse sign-in\n${state}`).slice(0, 22)
}

/** The cookie's value, `<transaction>.<mac>`, under the first of the keys. It holds nothing secret. */
export function sealTransaction(keys: readonly Uint8Array[], id: string, transaction: Transaction): string {
  const { provider, createdAt, returnTo, linkedTo } = transaction
  const text = Buffer.from(JSON.stringify([provider, createdAt, returnTo, linkedTo])).toString('base64url')
  return `${text}.${hmac(firstOf(keys), macInput(id, text))}`
}

/** What a cookie's value says, or `null` where its mac is by none of the keys, or it is over. */
export function openTransaction(
  keys: readonly Uint8Array[],
  id: string,
  value: string,
  now: number,
): (Transaction & { readonly key: Uint8Array }) | null {
  const [text = '', mac = '', ...rest] = value.split('.')
  const key = keys.find((each) => equalInConstantTime(hmac(each, macInput(id, text)), mac))
  if (key === undefined || rest.length > 0) return null
  const transaction = parseTransaction(text)
  if (transaction === null || now - transaction.createdAt > LIFETIME) return null
  return { ...transaction, key }
}

/** Never kept anywhere: made anew from the state, and of one provider only. `key` is the one that sealed the transaction. */
export function deriveSecrets(key: Uint8Array, provider: string, state: string): Secrets {
  const derive = (purpose: string): string =>
    hmac(key, JSON.stringify([`gatehouse sign-in ${purpose}`, provider, state]))
  return { nonce: derive('nonce'), codeVerifier: derive('code verifier') }
}

/** The key that seals. */
export function firstOf(keys: readonly Uint8Array[]): Uint8Array {
  const [first] = keys
  if (first === undefined) throw new Error('no session key')
  return first
}

/** Unambiguous, and of no other purpose: an id has 22 characters, and no session token's input begins so. */
function macInput(id: string, text: string): string {
  return `gatehouse sign-in transaction\n${id}\n${text}`
}

/** What the mac is good for was written by `sealTransaction`; its form is looked at all the same. */
function parseTransaction(text: string): Transaction | null {
  const bytes = decodeBase64url(text)
  const json = bytes === null ? null : decodeUtf8(bytes)
  const members: unknown = json === null ? null : JSON.parse(json)
  if (!Array.isArray(members)) return null
  const [provider, createdAt, returnTo, linkedTo]: readonly unknown[] = members
  if (typeof provider !== 'string' || typeof createdAt !== 'number' || typeof returnTo !== 'string') return null
  return typeof linkedTo === 'string' || linkedTo === null ? { provider, createdAt, returnTo, linkedTo } : null
}
