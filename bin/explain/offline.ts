// The gateway itself, on this machine and without a network: D1, KV and upstreams are not there, and say so when they are asked.
import type { App } from '../../src/app.ts'
import { createApp } from '../../src/app.ts'
import type { Config, Route } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { parseSecrets, secretNames } from '../../src/config/secrets.ts'
import { randomText } from '../../src/crypto.ts'
import type { JsonObject } from '../../src/json.ts'
import type { LogEvent } from '../../src/log.ts'
import type { Runtime } from '../../src/runtime.ts'
import { loadRuntime } from '../../src/runtime.ts'
import { createIssuerKeys } from '../../src/tokens/jwks.ts'
import { buildEnv } from '../check/env.ts'
import { makeSecrets } from '../secrets.ts'

export interface Offline {
  /** As it was written. */
  readonly config: Config
  readonly runtime: Runtime
  readonly app: App
  /** Secrets that were not at hand; what they would decide cannot be told. */
  readonly missing: ReadonlySet<string>
  /** What the app has sent upstream, and logged, so far. */
  readonly sent: readonly Sent[]
  readonly logged: readonly LogEvent[]
}

export interface Sent {
  readonly url: string
  readonly method: string
  readonly headers: readonly (readonly [name: string, value: string])[]
}

export interface Given {
  readonly toml: JsonObject
  readonly secrets: JsonObject
  /** Whether issuers may be asked for their keys. */
  readonly mayFetch: boolean
}

/** D1 was asked, which only a deployment has. */
export const ONLY_D1_KNOWS = 'OnlyD1Knows'

/** Through which every upstream is reached; a name that no binding of an operator has. */
const UPSTREAM = '__EXPLAIN_UPSTREAM'

/** @throws Error that lists what is wrong with the configuration, each by its key */
export async function openOffline({ toml, secrets, mayFetch }: Given): Promise<Offline> {
  const sent: Sent[] = []
  const logged: LogEvent[] = []
  const written = buildEnv(toml, secrets)
  const parsed = parseConfig(written)
  if (parsed.outcome === 'refused') throw new Error(listProblems(parsed.problems))
  const { config } = parsed
  const missing = new Set(secretNames(config).filter((name) => written[name] === undefined))
  const env = { ...written, ...(await standIns(missing)), ...storage(), [UPSTREAM]: recordingFetcher(sent) }
  const log = (event: LogEvent): void => void logged.push(event)
  const loaded = await loadRuntime(env, log)
  if (loaded.outcome === 'misconfigured') throw new Error(listProblems(loaded.problems))
  const runtime = { ...loaded.runtime, config: withoutStorage(config), metrics: null, issuerKeys: issuerKeys() }
  return { config, runtime, app: createApp({ outcome: 'ready', runtime }), missing, sent, logged }

  function issuerKeys() {
    const known = parseSecrets(env, config)
    return createIssuerKeys({
      fetch: async (url, init) => {
        if (mayFetch) return fetch(url, init)
        throw new Error('offline')
      },
      now: () => Math.floor(Date.now() / 1000),
      cache: { read: async () => null, write: async () => undefined },
      secrets: known.outcome === 'parsed' ? known.secrets.issuerSecrets : new Map(),
      log,
    })
  }
}

function listProblems(problems: readonly string[]): string {
  return ['The gateway would not serve:', ...problems.map((problem) => `  ${problem}`)].join('\n')
}

/** Secrets of nobody, which no token and no cookie is by. */
async function standIns(missing: ReadonlySet<string>): Promise<JsonObject> {
  const made: JsonObject = { ...(await makeSecrets()) }
  return Object.fromEntries([...missing].map((name) => [name, made[name] ?? randomText(32)]))
}

function storage(): JsonObject {
  const statement = { bind: () => statement }
  return { DB: { prepare: () => statement, batch: failUnknown }, MARKERS: { get: failUnknown, put: failUnknown } }
}

async function failUnknown(): Promise<never> {
  throw Object.assign(new Error('only D1 knows'), { name: ONLY_D1_KNOWS })
}

/** An upstream that is content with everything and answers nothing. */
function recordingFetcher(sent: Sent[]) {
  return {
    fetch: async (url: string, { method = 'GET', headers }: RequestInit) => {
      sent.push({ url, method, headers: [...new Headers(headers)] })
      return new Response(null, { status: 204 })
    },
  }
}

/** The same rules, but what only D1, KV or a rate limit know is taken to be in the request's favour. */
function withoutStorage(config: Config): Config {
  return { ...config, routes: config.routes.map(openRoute) }
}

function openRoute(route: Route): Route {
  return Object.assign({}, route, {
    revocation: 'expiry',
    rateLimit: null,
    upstream: Object.assign({}, route.upstream, { binding: UPSTREAM }),
  } as const)
}
