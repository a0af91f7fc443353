// What a run needs before its first request: the scene, and each contestant in a process of its own.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Bundle } from './bundles.ts'
import { bundle } from './bundles.ts'
import type { Contestant } from './contestants.ts'
import { startHaproxy } from './haproxy.ts'
import { connect } from './load.ts'
import type { Running } from './processes.ts'
import { end } from './processes.ts'
import type { Entrant } from './rounds.ts'
import type { Scene, Vars } from './scene.ts'
import { setScene, varsOf } from './scene.ts'
import { startWorkerd } from './workerd.ts'

export interface Stage {
  readonly scene: Scene
  readonly entrants: readonly StagedEntrant[]
  /** Ends one's process, and starts another. */
  readonly restart: (entrant: StagedEntrant) => Promise<StagedEntrant>
}

export interface StagedEntrant extends Entrant {
  readonly process: Running
  /** `null` where it is no Worker. */
  readonly bundle: Bundle | null
}

export interface StageOptions {
  readonly connections: number
  /** A contestant to write a CPU profile of. */
  readonly profile: string | null
  /** For every gateway that does not say otherwise. */
  readonly vars?: Vars
}

/** Processes end with the bench itself, and so does the folder of the bundles. */
export async function setStage(contestants: readonly Contestant[], options: StageOptions): Promise<Stage> {
  const temporary = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  process.on('exit', () => rmSync(temporary, { recursive: true }))
  const isProfiled = options.profile !== null
  const bundles = await bundleAll(contestants, temporary, isProfiled)
  const scene = await setScene()

  async function enter(contestant: Contestant): Promise<StagedEntrant> {
    const bundled = bundles.get(contestant.program) ?? null
    const running =
      bundled === null
        ? await startHaproxy(scene, temporary)
        : startWorkerd({
            name: contestant.name,
            folder: bundled.folder,
            vars: varsOf(contestant, scene, options.vars ?? {}),
            storagePort: scene.storagePort,
            isInspected: isProfiled,
          })
    const connections = connect(await running.port('http'), options.connections)
    const supply = await contestant.supplyOf(scene)
    return { contestant, pid: running.pid, connections, supply, process: running, bundle: bundled }
  }

  async function restart({ contestant, connections, process: running }: StagedEntrant): Promise<StagedEntrant> {
    await Promise.all(connections.map((client) => client.destroy()))
    end(running)
    return enter(contestant)
  }

  return { scene, entrants: await Promise.all(contestants.map(enter)), restart }
}

/** Of each Worker. */
async function bundleAll(
  contestants: readonly Contestant[],
  temporary: string,
  isReadable: boolean,
): Promise<ReadonlyMap<string, Bundle>> {
  const programs = new Set(contestants.map(({ program }) => program).filter((program) => program !== 'haproxy'))
  return new Map(
    await Promise.all([...programs].map(async (name) => [name, await bundle(name, temporary, isReadable)] as const)),
  )
}
