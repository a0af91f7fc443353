// The gateway as the client of a provider, for tokens that are verified without a flow around them.

import type { Provider } from '../../src/config/config.ts'
import { randomText } from '../../src/crypto.ts'
import { createIssuerKeys } from '../../src/tokens/jwks.ts'
import type { Relying } from '../../src/tokens/provider-token.ts'
import type { ForgeKey, Members, Signer } from './forge.ts'
import { forge, makeKey } from './forge.ts'

export const ISSUER = 'https://login.example/'
export const CLIENT = 'gatehouse'
export const NOW = 1_800_000_000

export interface RelyingParty {
  readonly relying: Relying
  readonly key: ForgeKey
  /** Claims over what every token of the provider has; `undefined` leaves out. */
  readonly sign: (claims: Members, header?: Members, signer?: Signer) => Promise<string>
}

export async function createRelyingParty(alg = 'ES256', clientId = CLIENT): Promise<RelyingParty> {
  const key = await makeKey(alg, 'one')
  const provider: Provider = { key: 'PROVIDERS[0]', id: 'corp', issuer: ISSUER, clientId, scopes: ['openid'] }
  const issuerKeys = createIssuerKeys({
    fetch: async (url) =>
      url.endsWith('/jwks')
        ? Response.json({ keys: [key.publicJwk] })
        : Response.json({ issuer: ISSUER, jwks_uri: `${ISSUER}jwks` }),
    now: () => NOW,
    cache: { read: async () => null, write: async () => undefined },
    secrets: new Map(),
    log: () => undefined,
  })
  return {
    relying: { provider, issuerKeys, waitUntil: () => undefined, now: NOW, clockSkew: 5 },
    key,
    sign: (claims, header = {}, signer = key) =>
      forge(signer, { iss: ISSUER, aud: clientId, iat: NOW, exp: NOW + 120, jti: randomText(9), ...claims }, header),
  }
}
