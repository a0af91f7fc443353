// What the upstream and the storage process see of a contestant, exactly: nothing here is measured in time.

import { setTimeout as sleep } from 'node:timers/promises'

import { isObject } from '../src/json.ts'
import { serve } from './load.ts'
import type { Entrant } from './rounds.ts'
import type { Scene } from './scene.ts'

/** Under the names that servers/ give them. */
export type Counts = Readonly<Record<string, number>>

/** In which what is done beside a request reaches whoever counts. */
const SETTLING_MS = 50

/** What a request causes, on average of so many, at a contestant that has seen as many before. */
export async function countRequests(entrant: Entrant, scene: Scene, requests: number): Promise<Counts> {
  const { contestant, connections, supply } = entrant
  const [before, after] = [await supply(requests), await supply(requests)]
  await serve(connections, { ...contestant, credentials: before })
  await sleep(SETTLING_MS)
  const counted = await readCounts(scene)
  await serve(connections, { ...contestant, credentials: after })
  await sleep(SETTLING_MS)
  return perRequest(await readCounts(scene), counted, requests)
}

async function readCounts({ countPorts }: Scene): Promise<Counts> {
  const shown = await Promise.all(countPorts.map(readCountsAt))
  return Object.assign({}, ...shown)
}

async function readCountsAt(port: number): Promise<Counts> {
  const shown: unknown = await (await fetch(`http://127.0.0.1:${port}`)).json()
  if (!isObject(shown)) throw new TypeError('no counts')
  return Object.fromEntries(Object.entries(shown).map(([name, count]) => [name, Number(count)]))
}

function perRequest(later: Counts, earlier: Counts, requests: number): Counts {
  return Object.fromEntries(
    Object.entries(later).map(([name, count]) => [name, (count - (earlier[name] ?? 0)) / requests]),
  )
}
