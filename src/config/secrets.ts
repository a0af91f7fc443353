// The Worker's secrets -> keys; problems name a secret and never its value.

import { decodeBase64url } from '../crypto.ts'
import { isObject, type JsonObject } from '../json.ts'
import type { Config, Provider, Webhook } from './config.ts'
import { ASYMMETRIC } from './issuers.ts'
import { providerSecretName } from './providers.ts'
import { isWritten, readChoice, readTables, readText, refuse, requireMember, type Table } from './read.ts'
import { webhookSecretName } from './webhooks.ts'

export interface Secrets {
  /** A private JWK set, `{ keys: […] }`, checked for its shape only. The first key signs. */
  readonly signingKeys: JsonObject
  /** 32 bytes each, at least one. The first signs. */
  readonly sessionKeys: readonly Uint8Array[]
  /** By the secret's name; 32 bytes or more. */
  readonly issuerSecrets: ReadonlyMap<string, Uint8Array>
  /** By the provider's id. */
  readonly providerSecrets: ReadonlyMap<string, string>
  /** By the webhook's id; 24 to 64 bytes each, at least one. Every one signs. */
  readonly webhookSecrets: ReadonlyMap<string, readonly Uint8Array[]>
}

export type ParsedSecrets =
  | { readonly outcome: 'parsed'; readonly secrets: Secrets }
  | { readonly outcome: 'refused'; readonly problems: readonly string[] }

/** The parts of a configuration that ask for secrets of their own. */
type Asking = Pick<Config, 'issuers' | 'providers' | 'webhooks'>

/** The secrets that a configuration needs. Does NOT import keys; `tokens/keys` does. */
export function parseSecrets(env: Readonly<Record<string, unknown>>, config: Asking): ParsedSecrets {
  const problems: string[] = []
  const report = (key: string, problem: string): void => void problems.push(`${key} ${problem}`)
  const root: Table = { key: '', members: env, report }
  const secrets = {
    signingKeys: readSigningKeys(root),
    sessionKeys: readSessionKeys(root),
    issuerSecrets: new Map(issuerSecretNames(config).map((name) => [name, readIssuerSecret(root, name)])),
    providerSecrets: new Map(config.providers.map((provider) => [provider.id, readProviderSecret(root, provider)])),
    webhookSecrets: new Map(config.webhooks.map((webhook) => [webhook.id, readWebhookSecrets(root, webhook)])),
  }
  return problems.length > 0 ? { outcome: 'refused', problems } : { outcome: 'parsed', secrets }
}

/** Every secret that a configuration cannot do without. */
export function secretNames(config: Asking): readonly string[] {
  const others = [...config.providers.map(providerSecretName), ...config.webhooks.map(webhookSecretName)]
  return ['SIGNING_KEYS', 'SESSION_KEYS', ...issuerSecretNames(config), ...others]
}

function issuerSecretNames(config: Asking): readonly string[] {
  return [...new Set(config.issuers.flatMap((issuer) => issuer.secret ?? []))]
}

function readSigningKeys(root: Table): JsonObject {
  requireMember(root, 'SIGNING_KEYS')
  const text = readText(root, 'SIGNING_KEYS')
  if (text === null) return {}
  const set = parseJsonObject(text)
  if (set === null || !Array.isArray(set['keys']) || set['keys'].length === 0) {
    refuse(root, 'SIGNING_KEYS', 'must be a JSON Web Key set with at least one key')
    return {}
  }
  refuseBadKeys({ key: 'SIGNING_KEYS', members: set, report: root.report })
  return set
}

function refuseBadKeys(set: Table): void {
  const keys = readTables(set, 'keys', null)
  for (const key of keys) {
    for (const name of ['kty', 'kid', 'alg', 'd']) requireMember(key, name)
    for (const name of ['kty', 'kid', 'd']) readText(key, name)
    readChoice(key, 'alg', [...ASYMMETRIC, 'Ed25519'])
  }
  for (const [index, key] of keys.entries()) {
    const twin = keys.slice(0, index).some((other) => other.members['kid'] === key.members['kid'])
    if (twin && isWritten(key, 'kid')) refuse(key, 'kid', 'must not be the kid of another key')
  }
}

function readSessionKeys(root: Table): readonly Uint8Array[] {
  requireMember(root, 'SESSION_KEYS')
  const texts =
    readText(root, 'SESSION_KEYS')
      ?.split(',')
      .map((text) => text.trim()) ?? []
  return texts.flatMap((text, index) => {
    const bytes = decodeBase64url(text)
    if (bytes?.length !== 32) root.report(`SESSION_KEYS[${index}]`, 'must be 32 bytes as base64url without padding')
    if (texts.indexOf(text) < index) root.report(`SESSION_KEYS[${index}]`, 'must not be the same as another')
    return bytes ?? []
  })
}

function readIssuerSecret(root: Table, name: string): Uint8Array {
  requireMember(root, name)
  const bytes = new TextEncoder().encode(readText(root, name) ?? '')
  if (bytes.length > 0 && bytes.length < 32) refuse(root, name, 'must be 32 bytes or more')
  return bytes
}

/** RFC 6749 §A.2: printable ASCII; anything else came in by mistake, such as a line break. */
function readProviderSecret(root: Table, provider: Provider): string {
  const name = providerSecretName(provider)
  requireMember(root, name)
  const text = readText(root, name) ?? ''
  if (!/^[ -~]*$/.test(text)) refuse(root, name, 'must be printable ASCII')
  return text
}

/** Standard Webhooks' form of a secret: `whsec_` and base64. Two, with a comma between, while one takes the other's place. */
function readWebhookSecrets(root: Table, webhook: Webhook): readonly Uint8Array[] {
  const name = webhookSecretName(webhook)
  requireMember(root, name)
  const texts = readText(root, name)?.split(',') ?? []
  return texts.flatMap((text) => {
    const bytes = decodeWebhookSecret(text.trim())
    if (bytes === null)
      refuse(root, name, 'must be whsec_ and 24 to 64 bytes as base64, or several with commas between')
    return bytes ?? []
  })
}

function decodeWebhookSecret(text: string): Uint8Array | null {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(text) ?? []
  const bytes = Buffer.from(base64, 'base64')
  return bytes.toString('base64') === base64 && bytes.length >= 24 && bytes.length <= 64 ? bytes : null
}

function parseJsonObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}
