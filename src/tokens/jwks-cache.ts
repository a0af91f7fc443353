// Key sets in the Cache API, so that a new isolate of a location need not ask the issuer.

import type { Issuer } from '../config/config.ts'
import { sha256 } from '../crypto.ts'
import type { JsonObject } from '../json.ts'
import { isObject, parseJsonObject } from '../json.ts'

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

/** Does NOT bound its waiting; who calls it does. */
export function createJwksCache(): JwksCache {
  return {
    read: async (issuer) => {
      const response = await caches.default.match(cacheUrl(issuer))
      return response === undefined ? null : parseStored(await response.text())
    },
    write: async (issuer, stored) => {
      const headers = { 'Content-Type': 'application/json', 'Cache-Control': `max-age=${MAX_AGE}` }
      await caches.default.put(cacheUrl(issuer), new Response(JSON.stringify(stored), { headers }))
    },
  }
}

/** A host that no request can reach. Whatever changes which keys are good is in the name. */
function cacheUrl({ issuer, jwksUri, algorithms }: KeySource): string {
  return `https://gatehouse.invalid/jwks/${sha256(JSON.stringify([issuer, jwksUri, algorithms]))}`
}

function parseStored(text: string): StoredJwks | null {
  const { jwks, fetchedAt } = parseJsonObject(text) ?? {}
  return isObject(jwks) && typeof fetchedAt === 'number' && Number.isSafeInteger(fetchedAt) ? { jwks, fetchedAt } : null
}
