// The bundled Worker in workerd itself: no wrangler and no Miniflare has a hand in what it is given.

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'

import { afterAll } from 'vitest'

import { bundleInto } from '../../../bin/bundle.ts'

export interface RawWorkerd {
  readonly port: number
  /** The Worker's log lines so far. */
  readonly log: readonly string[]
}

const ROOT = join(import.meta.dirname, '../../..')

/** workerd alone has neither D1 nor KV; whoever asks them here finds out. */
const ENTRY = `
import gateway from './index.js'
const refuse = () => { throw new Error('there is no storage here') }
const storage = { DB: { prepare: refuse, batch: refuse }, MARKERS: { get: refuse, put: refuse } }
let env
export default { fetch: (request, vars, context) => gateway.fetch(request, (env ??= { ...vars, ...storage }), context) }
`

/** Starts one with these variables; it stops when the test file is through. */
export async function startRawWorkerd(vars: Readonly<Record<string, unknown>>): Promise<RawWorkerd> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-'))
  await bundleInto(folder)
  writeFileSync(join(folder, 'entry.js'), ENTRY)
  writeFileSync(join(folder, 'config.capnp'), configOf(vars))
  const workerd = spawn(join(ROOT, 'node_modules/.bin/workerd'), ['serve', 'config.capnp', '--control-fd=3'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  })
  afterAll(() => {
    workerd.kill()
    rmSync(folder, { recursive: true })
  })
  return { port: await readPort(workerd), log: collect(readable(workerd.stdout)) }
}

/** Cap'n Proto takes JSON's strings as they are. */
function configOf(vars: Readonly<Record<string, unknown>>): string {
  const bindings = Object.entries(vars).map(([name, value]) =>
    typeof value === 'string'
      ? `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`
      : `(name = ${JSON.stringify(name)}, json = ${JSON.stringify(JSON.stringify(value))})`,
  )
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "network", network = (allow = ["local"])),
    (name = "gatehouse", worker = (
      modules = [(name = "entry.js", esModule = embed "entry.js"), (name = "index.js", esModule = embed "index.js")],
      compatibilityDate = "2026-08-01",
      compatibilityFlags = ["nodejs_compat"],
      globalOutbound = "network",
      bindings = [${bindings.join(', ')}],
    )),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "gatehouse")],
);
`
}

/** Which port the system has given it. */
async function readPort({ stdio }: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: readable(stdio[3]) })) {
    const event: unknown = JSON.parse(line)
    if (typeof event === 'object' && event !== null && 'port' in event) return Number(event.port)
  }
  throw new Error('workerd did not start')
}

function readable(stream: unknown): Readable {
  if (stream instanceof Readable) return stream
  throw new TypeError('not a stream to read')
}

function collect(stdout: Readable): readonly string[] {
  const lines: string[] = []
  createInterface({ input: stdout }).on('line', (line) => lines.push(line))
  return lines
}
