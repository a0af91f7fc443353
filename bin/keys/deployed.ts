// Whether a gateway runs with the signing keys of a file: its own JWK set says so, in the file's order.
import { isObject } from '../../src/json.ts'
import type { Ring } from './ring.ts'

export type Deployed = 'yes' | 'no' | 'cannot be told'

const LIMIT_MS = 10_000

/** Asks the gateway at `issuer`. The order counts as well: the first key signs. */
export async function isDeployed(issuer: string, signing: Ring): Promise<Deployed> {
  try {
    const init = { cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(LIMIT_MS) } as const
    const response = await fetch(`${issuer}/.well-known/jwks.json`, init)
    const served: unknown = response.status === 200 ? await response.json() : null
    if (!isObject(served) || !Array.isArray(served['keys'])) return 'cannot be told'
    const ids = served['keys'].map((key: unknown) => (isObject(key) ? key['kid'] : null))
    return JSON.stringify(ids) === JSON.stringify(signing.map(({ id }) => id)) ? 'yes' : 'no'
  } catch {
    return 'cannot be told'
  }
}
