// A JWK set of another issuer, as far as its keys can serve.

import type { Algorithm } from '../config/config.ts'
import type { JsonObject } from '../json.ts'
import { isObject } from '../json.ts'
import { JwksFailure } from './jwks-source.ts'
import type { VerificationKey } from './keys.ts'
import { importVerificationKey } from './keys.ts'

export interface KeySet {
  /** Unix seconds. */
  readonly fetchedAt: number
  /** By `kid`; the first of two that share one. */
  readonly entries: ReadonlyMap<string, Entry>
}

interface Entry {
  readonly source: string
  readonly key: VerificationKey
}

const MAX_KEYS = 100

/**
 * Imports the keys that can serve; others are left out. A key that `previous` has already is taken from there, so
 * that it stays the same object for whoever remembers what it verified.
 * @throws JwksFailure where it is no JWK set (RFC 7517 §5), or one of more than 100 keys
 */
export async function parseKeySet(
  jwks: JsonObject,
  algorithms: readonly Algorithm[],
  fetchedAt: number,
  previous: KeySet | null,
): Promise<KeySet> {
  const { keys } = jwks
  if (!Array.isArray(keys)) throw new JwksFailure('no_keys')
  if (keys.length > MAX_KEYS) throw new JwksFailure('too_many_keys')
  const entries = await Promise.all(keys.map((jwk: unknown) => parseEntry(jwk, algorithms, previous)))
  const serving = entries.filter((entry) => entry !== null).toReversed()
  return { fetchedAt, entries: new Map(serving.map((entry) => [entry.key.kid, entry])) }
}

async function parseEntry(
  jwk: unknown,
  algorithms: readonly Algorithm[],
  previous: KeySet | null,
): Promise<Entry | null> {
  const source = JSON.stringify(jwk)
  const known = isObject(jwk) && typeof jwk['kid'] === 'string' ? previous?.entries.get(jwk['kid']) : undefined
  if (known?.source === source) return known
  const key = await importVerificationKey(jwk, algorithms)
  return key === null ? null : { source, key }
}
