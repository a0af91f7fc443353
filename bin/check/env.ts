// A wrangler file -> an env like the one that the Worker will get, with stubs for live bindings.
import { isObject, type JsonObject } from '../../src/json.ts'

/** `vars` as the platform hands them over (through JSON), secrets over them, and a stub for every binding. */
export function buildEnv(toml: JsonObject, secrets: JsonObject): JsonObject {
  const bindings = Object.entries(toml)
    .filter(([key]) => key !== 'vars' && key !== 'env')
    .flatMap(([key, value]) => bindingNames(key, value).map((name) => [name, stub(key)] as const))
  return { ...variables(toml), ...secrets, ...Object.fromEntries(bindings) }
}

/** TOML dates become strings, as they do in a deployment. */
export function variables(toml: JsonObject): JsonObject {
  const vars: unknown = JSON.parse(JSON.stringify(toml['vars'] ?? {}))
  return isObject(vars) ? vars : {}
}

/** What the gateway looks for in a binding, by the table that makes it. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  d1_databases: ['prepare', 'batch'],
  kv_namespaces: ['get', 'put'],
  analytics_engine_datasets: ['writeDataPoint'],
  ratelimits: ['limit'],
  services: ['fetch'],
  mtls_certificates: ['fetch'],
  vpc_services: ['fetch'],
  vpc_networks: ['fetch'],
}

/** Tables whose entries call their binding `name`. */
const NAMED = new Set(['ratelimits', 'durable_objects', 'send_email', 'unsafe'])

function bindingNames(key: string, value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item) => bindingNames(key, item))
  if (!isObject(value)) return []
  const name = NAMED.has(key) ? value['name'] : value['binding']
  const nested = Object.values(value).flatMap((member) => bindingNames(key, member))
  return typeof name === 'string' ? [name, ...nested] : nested
}

/** Version metadata is the one binding without a method. */
function stub(key: string): JsonObject {
  if (key === 'version_metadata') return {}
  const methods = METHODS[key] ?? ['other']
  return Object.fromEntries(methods.map((method) => [method, () => null]))
}
