// A client's assertion: a JWT by which it proves that it holds the private half of a key that we know (RFC 7523 §3).

import { ASYMMETRIC } from '../config/issuers.ts'
import type { JsonObject } from '../json.ts'
import { isObject } from '../json.ts'
import type { AssertionProof, Clock } from './claims.ts'
import { readAssertionClaims } from './claims.ts'
import { parseToken } from './grammar.ts'
import type { VerificationKey } from './keys.ts'
import { importVerificationKey } from './keys.ts'
import { verifySignature } from './verify.ts'

export interface AssertionRules extends Clock {
  readonly clientId: string
  /** The client's own JWK set. */
  readonly jwks: JsonObject
  /** What `aud` may be. */
  readonly audiences: readonly string[]
}

/**
 * Verifies an assertion by the keys of the client that it is said to be of; the key picks the algorithm, and none is
 * symmetric. An assertion without `kid` is judged by the client's only key.
 * Does NOT know whether it has come before; who calls does.
 * @throws Denial `invalid_token`
 */
export async function verifyAssertion(assertion: string, rules: AssertionRules): Promise<AssertionProof> {
  const parsed = parseToken(assertion)
  const keys = await importClientKeys(rules.jwks)
  await verifySignature(parsed, pickKey(keys, parsed.kid))
  return readAssertionClaims(parsed, rules.clientId, rules.audiences, rules)
}

function pickKey(keys: readonly VerificationKey[], kid: string | null): VerificationKey | undefined {
  if (kid !== null) return keys.find((key) => key.kid === kid)
  return keys.length === 1 ? keys[0] : undefined
}

async function importClientKeys({ keys }: JsonObject): Promise<readonly VerificationKey[]> {
  const imported = listOf(keys).map((jwk) => importVerificationKey(jwk, ASYMMETRIC))
  return (await Promise.all(imported)).filter((key) => key !== null)
}

/** A client that needs more keys than to rotate them is several clients. */
const MAX_KEYS = 10

/** What is wrong with the JWK set of a client, or `null`: with whatever passes here, every key can serve. */
export async function clientKeysProblem(jwks: JsonObject): Promise<string | null> {
  const keys = listOf(jwks['keys'])
  if (keys.length === 0 || keys.length > MAX_KEYS) return `keys must be an array of 1 to ${MAX_KEYS} keys`
  if (keys.some((jwk) => isObject(jwk) && jwk['d'] !== undefined))
    return 'a private key is for the client alone to have'
  const imported = await importClientKeys(jwks)
  if (imported.length < keys.length) return 'a key has no kid, is not for signatures, or is of no kind that can serve'
  return new Set(imported.map(({ kid }) => kid)).size < keys.length ? 'two keys have the same kid' : null
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
