// Key sets in the Cache API, so that a new isolate of a location need not ask the issuer. Each is signed: other Workers of
// the zone can write to the same cache.

import type { Issuer } from '../config/config.ts'
import { sha256 } from '../crypto.ts'
import type { JsonObject } from '../json.ts'
import { isObject, parseJsonObject } from '../json.ts'
import type { Place, SignedText } from '../signed-text.ts'

/** Whose keys, where they are, and for what; an object of its own for each. */
export type KeySource = Pick<Issuer, 'issuer' | 'jwksUri' | 'algorithms' | 'secret'>

export interface StoredJwks {
  readonly jwks: JsonObject
  /** Unix seconds. */
  readonly fetchedAt: number
}

export interface JwksCache {
  readonly read: (issuer: KeySource) => Promise<StoredJwks | null>
  readonly write: (issuer: KeySource, stored: StoredJwks) => Promise<void>
}

const MAX_AGE = 24 * 60 * 60

/**
 * What is not signed for this issuer is as if not cached. An old set that is put back is as old as it says.
 * Does NOT bound its waiting; who calls it does.
 */
export function createJwksCache(signed: SignedText): JwksCache {
  return {
    read: async (issuer) => {
      const response = await caches.default.match(cacheUrl(issuer))
      const text = response === undefined ? null : signed.verify(placeOf(issuer), await response.text())
      return text === null ? null : parseStored(text)
    },
    write: async (issuer, stored) => {
      const headers = { 'Content-Type': 'text/plain', 'Cache-Control': `max-age=${MAX_AGE}` }
      const text = signed.sign(placeOf(issuer), JSON.stringify(stored))
      await caches.default.put(cacheUrl(issuer), new Response(text, { headers }))
    },
  }
}

/** A host that no request can reach. */
function cacheUrl(issuer: KeySource): string {
  return `https://gatehouse.invalid/signed/jwks/${sha256(placeOf(issuer).name)}`
}

/** Whatever changes which keys are good is in the name. */
function placeOf({ issuer, jwksUri, algorithms }: KeySource): Place {
  return { purpose: 'key set', name: JSON.stringify([issuer, jwksUri, algorithms]) }
}

function parseStored(text: string): StoredJwks | null {
  const { jwks, fetchedAt } = parseJsonObject(text) ?? {}
  return isObject(jwks) && typeof fetchedAt === 'number' && Number.isSafeInteger(fetchedAt) ? { jwks, fetchedAt } : null
}
