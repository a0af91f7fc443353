// parseSecrets: the keys of a Worker, and problems that never quote them.
import { describe, expect, it } from 'vitest'

import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { parseSecrets, secretNames } from '../../src/config/secrets.ts'
import { configEnv, type Env, issuer, provider } from '../support/config-env.ts'

function config(): Config {
  const webhook = { id: 'my-crm', url: 'https://crm.example.com/hook', events: ['user.changed'] }
  const legacy = { ...issuer, secret: 'LEGACY_JWT', accept_until: '2027-03-01' }
  const asking = { ISSUERS: [legacy], PROVIDERS: [{ ...provider, id: 'my-idp' }], WEBHOOKS: [webhook] }
  const result = parseConfig(configEnv(asking))
  if (result.outcome === 'refused') throw new Error(result.problems.join('\n'))
  return result.config
}

const key = { kty: 'OKP', kid: 'k1', alg: 'Ed25519', crv: 'Ed25519', x: 'x', d: 'sesame' }
const jwks = (...keys: readonly unknown[]) => JSON.stringify({ keys })
const A = 'A'.repeat(43)
const B = `${'B'.repeat(42)}A`
const HOOK = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
const good = {
  SIGNING_KEYS: jwks(key),
  SESSION_KEYS: `${A},${B}`,
  LEGACY_JWT: 'sesame'.repeat(6),
  PROVIDER_MY_IDP_SECRET: 'open sesame',
  WEBHOOK_MY_CRM_SECRET: `${HOOK}, ${HOOK}`,
}

function problems(changes: Env): readonly string[] {
  const result = parseSecrets({ ...good, ...changes }, config())
  return result.outcome === 'refused' ? result.problems : []
}

describe('secrets', () => {
  it('are keys once they are parsed', () => {
    expect(parseSecrets(good, config())).toEqual({
      outcome: 'parsed',
      secrets: {
        signingKeys: { keys: [key] },
        sessionKeys: [Buffer.alloc(32), Buffer.from(B, 'base64url')],
        issuerSecrets: new Map([['LEGACY_JWT', new TextEncoder().encode(good.LEGACY_JWT)]]),
        providerSecrets: new Map([['my-idp', 'open sesame']]),
        webhookSecrets: new Map([['my-crm', [Buffer.alloc(24, 7), Buffer.alloc(24, 7)]]]),
      },
    })
  })

  it('are named by the configuration', () => {
    expect(secretNames(config())).toEqual([
      'SIGNING_KEYS',
      'SESSION_KEYS',
      'LEGACY_JWT',
      'PROVIDER_MY_IDP_SECRET',
      'WEBHOOK_MY_CRM_SECRET',
    ])
  })

  const SET = 'SIGNING_KEYS must be a JSON Web Key set with at least one key'
  const ALG =
    'SIGNING_KEYS.keys[0].alg must be "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA" or "Ed25519"'
  const BYTES = 'must be 32 bytes as base64url without padding'
  const WHSEC = 'must be whsec_ and 24 to 64 bytes as base64, or several with commas between'

  it.each<[Env, readonly string[]]>([
    [{ SIGNING_KEYS: undefined }, ['SIGNING_KEYS is required']],
    [{ SIGNING_KEYS: 'sesame' }, [SET]],
    [{ SIGNING_KEYS: '[]' }, [SET]],
    [{ SIGNING_KEYS: 'null' }, [SET]],
    [{ SIGNING_KEYS: '{"keys":[]}' }, [SET]],
    [{ SIGNING_KEYS: '{"keys":{}}' }, [SET]],
    [{ SIGNING_KEYS: jwks(key, 'sesame') }, ['SIGNING_KEYS.keys[1] must be a table']],
    [{ SIGNING_KEYS: jwks({ ...key, d: undefined }) }, ['SIGNING_KEYS.keys[0].d is required']],
    [{ SIGNING_KEYS: jwks({ ...key, kid: undefined }) }, ['SIGNING_KEYS.keys[0].kid is required']],
    [{ SIGNING_KEYS: jwks({ ...key, kid: '' }) }, ['SIGNING_KEYS.keys[0].kid must be a string that is not empty']],
    [{ SIGNING_KEYS: jwks({ ...key, kty: 5 }) }, ['SIGNING_KEYS.keys[0].kty must be a string that is not empty']],
    [{ SIGNING_KEYS: jwks({ ...key, alg: 'HS256' }) }, [ALG]],
    [{ SIGNING_KEYS: jwks({ ...key, alg: undefined }) }, ['SIGNING_KEYS.keys[0].alg is required']],
    [{ SIGNING_KEYS: jwks(key, key) }, ['SIGNING_KEYS.keys[1].kid must not be the kid of another key']],
    [{ SESSION_KEYS: undefined }, ['SESSION_KEYS is required']],
    [{ SESSION_KEYS: '' }, ['SESSION_KEYS must be a string that is not empty']],
    [{ SESSION_KEYS: `${A},` }, [`SESSION_KEYS[1] ${BYTES}`]],
    [{ SESSION_KEYS: `${A}=` }, [`SESSION_KEYS[0] ${BYTES}`]],
    [{ SESSION_KEYS: `${'A'.repeat(42)}B` }, [`SESSION_KEYS[0] ${BYTES}`]],
    [{ SESSION_KEYS: 'c2VzYW1l' }, [`SESSION_KEYS[0] ${BYTES}`]],
    [{ SESSION_KEYS: `${A}, ${A}` }, ['SESSION_KEYS[1] must not be the same as another']],
    [{ LEGACY_JWT: undefined }, ['LEGACY_JWT is required']],
    [{ LEGACY_JWT: 'sesame'.repeat(5) }, ['LEGACY_JWT must be 32 bytes or more']],
    [{ PROVIDER_MY_IDP_SECRET: undefined }, ['PROVIDER_MY_IDP_SECRET is required']],
    [{ PROVIDER_MY_IDP_SECRET: '' }, ['PROVIDER_MY_IDP_SECRET must be a string that is not empty']],
    [{ PROVIDER_MY_IDP_SECRET: 'sesame\n' }, ['PROVIDER_MY_IDP_SECRET must be printable ASCII']],
    [{ WEBHOOK_MY_CRM_SECRET: undefined }, ['WEBHOOK_MY_CRM_SECRET is required']],
    ...['c2VzYW1l'.repeat(5), 'whsec_c2VzYW1l', `whsec_${'c2VzYW1l'.repeat(11)}`, `${HOOK},`, `${HOOK}=`].map(
      (secret): [Env, readonly string[]] => [{ WEBHOOK_MY_CRM_SECRET: secret }, [`WEBHOOK_MY_CRM_SECRET ${WHSEC}`]],
    ),
    [
      { SIGNING_KEYS: 1, LEGACY_JWT: {} },
      ['SIGNING_KEYS', 'LEGACY_JWT'].map((name) => `${name} must be a string that is not empty`),
    ],
  ])('%j are refused', (changes, expected) => {
    expect(problems(changes)).toEqual(expected)
  })

  it('never appear in a problem', () => {
    const changes = {
      SIGNING_KEYS: jwks({ ...key, alg: 'sesame', kid: 'sesame' }, { kid: 'sesame' }),
      SESSION_KEYS: 'sesame',
    }
    expect(problems(changes).join()).not.toContain('sesame')
  })
})
