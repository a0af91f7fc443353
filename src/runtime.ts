// From the Worker's env to everything that a request needs; the only reader of bindings and of the clock.

import type { Hashing } from './accounts/hashing.ts'
import { createHashing } from './accounts/hashing.ts'
import type { Config, Provider } from './config/config.ts'
import { parseConfig } from './config/parse.ts'
import type { Secrets } from './config/secrets.ts'
import { parseSecrets } from './config/secrets.ts'
import type { Database } from './database.ts'
import { createDatabase } from './database.ts'
import type { Tally } from './figures/tally.ts'
import { createTally } from './figures/tally.ts'
import type { RevokedSubjects } from './issuers/revoked.ts'
import { createRevokedSubjects } from './issuers/revoked.ts'
import type { KeyMemory } from './keys/memory.ts'
import { createKeyMemory } from './keys/memory.ts'
import type { Log } from './log.ts'
import { writeLog } from './log.ts'
import type { Note } from './metrics.ts'
import type { Fetch } from './outbound.ts'
import type { Known } from './providers/discovery.ts'
import type { RequestHead } from './request-head.ts'
import type { EndedSessions } from './sessions/ended.ts'
import { createEndedSessions } from './sessions/ended.ts'
import type { Markers } from './sessions/markers.ts'
import { createMarkers } from './sessions/markers.ts'
import type { Recent } from './sessions/recent.ts'
import { createRecent } from './sessions/recent.ts'
import type { Renewals } from './sessions/renewals.ts'
import { createRenewals } from './sessions/renewals.ts'
import type { SignedText } from './signed-text.ts'
import { createSignedText } from './signed-text.ts'
import type { IssuerKeys } from './tokens/jwks.ts'
import { createIssuerKeys, createJwksCache } from './tokens/jwks.ts'
import type { KeyRing } from './tokens/keys.ts'
import { importSigningKeys } from './tokens/keys.ts'
import type { TokenMemory } from './tokens/memory.ts'
import { createTokenMemory } from './tokens/memory.ts'

/** What lives as long as the isolate and its env. */
export interface Runtime {
  readonly config: Config
  readonly keys: KeyRing
  readonly sessionKeys: readonly Uint8Array[]
  /** Signs what is kept in the Cache API and as digests in KV. */
  readonly signed: SignedText
  readonly issuerKeys: IssuerKeys
  readonly tokens: TokenMemory
  readonly apiKeys: KeyMemory
  readonly db: Database
  readonly markers: Markers
  readonly recent: Recent
  readonly revoked: RevokedSubjects
  readonly renewals: Renewals
  readonly hashing: Hashing
  readonly ended: EndedSessions
  /** Unix seconds. */
  readonly now: () => number
  readonly sleepUntil: (unixSeconds: number) => Promise<void>
  readonly log: Log
  /** `null` where no console shows what it counts. */
  readonly tally: Tally | null
  /** Client secrets at providers, by the provider's id. */
  readonly providerSecrets: ReadonlyMap<string, string>
  /** What providers say of themselves. */
  readonly providerMetadata: Map<Provider, Known>
  /** What messages to webhooks are signed by, by the webhook's id. */
  readonly webhookSecrets: Secrets['webhookSecrets']
  /** Asks servers that are no upstream. */
  readonly fetch: Fetch
  /** Where data points go; `null` where nobody wants any. */
  readonly metrics: AnalyticsEngineDataset | null
  readonly findFetcher: (binding: string) => Fetcher | null
  readonly findRateLimit: (binding: string) => RateLimit | null
}

/** What lives as long as one request. */
export interface Exchange {
  readonly request: Request
  /** What every step but the last needs of it. */
  readonly head: RequestHead
  readonly requestId: string
  /** The client's address as Cloudflare gives it. */
  readonly clientAddress: string | null
  readonly runtime: Runtime
  /** Tells the request's data point what became of it; `null` where there is none. */
  readonly note: Note | null
  readonly waitUntil: (work: Promise<unknown>) => void
}

export type Loaded =
  | { readonly outcome: 'ready'; readonly runtime: Runtime }
  | { readonly outcome: 'misconfigured'; readonly problems: readonly string[] }

type Env = Readonly<Record<string, unknown>>

/** Reads the whole env once. Never throws: whatever is wrong comes back as problems, all at once where that can be. */
export async function loadRuntime(env: Env, log: Log = writeLog): Promise<Loaded> {
  const parsed = parseConfig(env)
  if (parsed.outcome === 'refused') return { outcome: 'misconfigured', problems: parsed.problems }
  const { config } = parsed
  const secrets = parseSecrets(env, config)
  if (secrets.outcome === 'refused') return { outcome: 'misconfigured', problems: secrets.problems }
  const { signingKeys, ...others } = secrets.secrets
  try {
    const keys = await importSigningKeys(signingKeys)
    return { outcome: 'ready', runtime: assemble(env, { config, keys, log, ...others }) }
  } catch (error) {
    return { outcome: 'misconfigured', problems: [`SIGNING_KEYS: ${error instanceof Error ? error.message : 'bad'}`] }
  }
}

interface Parts extends Omit<Secrets, 'signingKeys'> {
  readonly config: Config
  readonly keys: KeyRing
  readonly log: Log
}

function assemble(env: Env, parts: Parts): Runtime {
  const { config, keys, sessionKeys, issuerSecrets, providerSecrets, webhookSecrets, log } = parts
  const { isolateTtl, kvTtl } = config.revocation
  const tally = config.console === null ? null : createTally(log, now)
  const signed = createSignedText({ keys: sessionKeys, now, log: tally?.log ?? log })
  const markers = createMarkers({ kv: bindingOf(env, 'MARKERS', isNamespace), kvTtl, isolateTtl, now })
  return {
    config,
    keys,
    sessionKeys,
    signed,
    issuerKeys: createIssuerKeys({
      fetch: ask,
      now,
      cache: createJwksCache(signed),
      secrets: issuerSecrets,
      log,
    }),
    tokens: createTokenMemory(),
    apiKeys: createKeyMemory(now),
    db: createDatabase(bindingOf(env, 'DB', isDatabase)),
    markers,
    recent: createRecent({ markers, signed, config, now }),
    revoked: createRevokedSubjects(),
    renewals: createRenewals(config.sessions.reuseGrace, now),
    ended: createEndedSessions(now),
    hashing: createHashing({ nowMs: () => Date.now(), sleepMs: (milliseconds) => scheduler.wait(milliseconds) }),
    now,
    sleepUntil: (unixSeconds) => scheduler.wait(Math.max(0, unixSeconds * 1000 - Date.now())),
    log: tally?.log ?? log,
    tally,
    providerSecrets,
    providerMetadata: new Map(),
    webhookSecrets,
    fetch: ask,
    metrics: findBinding(env, 'METRICS', isDataset),
    findFetcher: (name) => findBinding(env, name, isFetcher),
    findRateLimit: (name) => findBinding(env, name, isRateLimit),
  }
}

/** Looked up at each call, so that a test can stand in for the network. */
function ask(url: string, init: RequestInit): Promise<Response> {
  return fetch(url, init)
}

/** Unix seconds, rounded down. */
function now(): number {
  return Math.floor(Date.now() / 1000)
}

function findBinding<T>(env: Env, name: string, is: (value: unknown) => value is T): T | null {
  const value = env[name]
  return is(value) ? value : null
}

/** Parsing the configuration has made sure that the binding is there. */
function bindingOf<T>(env: Env, name: string, is: (value: unknown) => value is T): T {
  const value = env[name]
  if (!is(value)) throw new TypeError(`binding ${name} is missing`)
  return value
}

function isDatabase(value: unknown): value is D1Database {
  return hasMethod(value, 'prepare') && hasMethod(value, 'batch')
}

function isNamespace(value: unknown): value is KVNamespace {
  return hasMethod(value, 'get') && hasMethod(value, 'put')
}

function isFetcher(value: unknown): value is Fetcher {
  return hasMethod(value, 'fetch')
}

function isDataset(value: unknown): value is AnalyticsEngineDataset {
  return hasMethod(value, 'writeDataPoint')
}

function isRateLimit(value: unknown): value is RateLimit {
  return hasMethod(value, 'limit')
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, name) === 'function'
}
