// A bundled Worker in workerd alone: no proxy in front, KV and D1 in another process.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { MODULE, ROOT } from './bundles.ts'
import type { Running } from './processes.ts'
import { start } from './processes.ts'

export interface Placement {
  /** Of the process: several may run one bundle. */
  readonly name: string
  /** Of a bundle. */
  readonly folder: string
  readonly vars: Readonly<Record<string, unknown>>
  /** Port of servers/storage.ts. */
  readonly storagePort: number
  readonly isInspected: boolean
}

export function startWorkerd({ name, folder, vars, storagePort, isInspected }: Placement): Running {
  const file = `${name}.capnp`
  writeFileSync(join(folder, file), configOf(vars, storagePort))
  const inspector = isInspected ? ['--inspector-addr=127.0.0.1:0'] : []
  const args = ['serve', file, '--control-fd=3', ...inspector]
  return start('measured', join(ROOT, 'node_modules/.bin/workerd'), args, folder)
}

/** A rate-limit binding that lets everything pass. */
const LIMITER = `(name = "limiter", worker = (
      modules = [(name = "limiter.js", esModule = "import { WorkerEntrypoint } from 'cloudflare:workers'\\nexport default class extends WorkerEntrypoint { limit() { return { success: true } } }")],
      compatibilityDate = "2026-08-01",
    )),`

/** Cap'n Proto takes JSON's strings as they are. */
function configOf(vars: Placement['vars'], storagePort: number): string {
  const texts = Object.entries(vars).map(([name, value]) =>
    typeof value === 'string'
      ? `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`
      : `(name = ${JSON.stringify(name)}, json = ${JSON.stringify(JSON.stringify(value))})`,
  )
  const limited = 'PASSWORDS' in vars
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "network", network = (allow = ["local"])),
    (name = "storage", external = (address = "127.0.0.1:${storagePort}", http = ())),
    ${limited ? LIMITER : ''}
    (name = "worker", worker = (
      modules = [(name = "${MODULE}", esModule = embed "${MODULE}")],
      compatibilityDate = "2026-08-01",
      compatibilityFlags = ["nodejs_compat"],
      globalOutbound = "network",
      bindings = [
        (name = "MARKERS", kvNamespace = "storage"),
        (name = "DB", wrapped = (
          moduleName = "cloudflare-internal:d1-api",
          innerBindings = [(name = "fetcher", service = "storage")],
        )),
        ${[...texts, ...(limited ? ['(name = "SIGN_IN_LIMIT", service = "limiter")'] : [])].join(',\n        ')},
      ],
    )),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
`
}
