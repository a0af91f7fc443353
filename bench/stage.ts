// What a run needs before its first request: upstream, storage, keys, and each contestant's Worker in a process of its own.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { randomText } from '../src/crypto.ts'
import type { Bundle } from './bundles.ts'
import { bundle } from './bundles.ts'
import type { Contestant } from './contestants.ts'
import { connect } from './load.ts'
import type { Options } from './options.ts'
import type { Running } from './processes.ts'
import { startServer } from './processes.ts'
import type { Entrant } from './rounds.ts'
import type { Tokens } from './tokens.ts'
import { createTokens, ISSUER } from './tokens.ts'
import { seedUsers } from './users.ts'
import { startWorkerd } from './workerd.ts'

export interface Stage {
  readonly entrants: readonly StagedEntrant[]
}

export interface StagedEntrant extends Entrant {
  readonly process: Running
  readonly bundle: Bundle
}

/** Processes end with the bench itself, and so does the folder of the bundles. */
export async function setStage(contestants: readonly Contestant[], options: Options): Promise<Stage> {
  const temporary = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  process.on('exit', () => rmSync(temporary, { recursive: true }))
  const isProfiled = options.profile !== null
  const bundles = await bundleAll(contestants, temporary, isProfiled)
  const upstreamPort = await startServer('servers/upstream.ts').port('http')
  const storagePort = await startServer('servers/storage.ts').port('http')
  await seedUsers(storagePort)
  const tokens = await createTokens()
  const upstream = `http://127.0.0.1:${upstreamPort}`
  const entrants = contestants.map(async (contestant) => {
    const bundled = bundles.get(contestant.worker)
    if (bundled === undefined) throw new Error(`${contestant.worker} is not bundled`)
    const vars = contestant.worker === 'gatehouse' ? varsOfGatehouse(tokens, upstream) : { UPSTREAM: upstream }
    const running = startWorkerd({
      name: contestant.name,
      folder: bundled.folder,
      vars,
      storagePort,
      isInspected: isProfiled,
    })
    const connections = connect(await running.port('http'), options.connections)
    const supply = await contestant.credentials(tokens)
    return { contestant, pid: running.pid, connections, supply, process: running, bundle: bundled }
  })
  return { entrants: await Promise.all(entrants) }
}

async function bundleAll(
  contestants: readonly Contestant[],
  temporary: string,
  isReadable: boolean,
): Promise<ReadonlyMap<string, Bundle>> {
  const workers = [...new Set(contestants.map(({ worker }) => worker))]
  return new Map(
    await Promise.all(workers.map(async (name) => [name, await bundle(name, temporary, isReadable)] as const)),
  )
}

function varsOfGatehouse(tokens: Tokens, upstream: string): Readonly<Record<string, unknown>> {
  return {
    ISSUER,
    SIGNING_KEYS: tokens.signingKeys,
    SESSION_KEYS: randomText(32),
    ROUTES: [
      { path: '/public/*', upstream, access: 'public' },
      { path: '/orders/*', upstream, scopes: ['orders:read'] },
    ],
  }
}
