// The bench in short: what a request costs in calls and bytes is asserted; what it costs in time is only printed.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { Bundle } from '../../bench/bundles.ts'
import { selectContestants } from '../../bench/contestants.ts'
import { countRequests } from '../../bench/counts.ts'
import { endAll } from '../../bench/processes.ts'
import { proveRefusals } from '../../bench/prove.ts'
import { reportOf } from '../../bench/report.ts'
import { takeTurn } from '../../bench/rounds.ts'
import type { Stage, StagedEntrant } from '../../bench/stage.ts'
import { setStage } from '../../bench/stage.ts'
import { measureStartupMs } from '../../bench/startup.ts'
import { tableOf } from '../../bench/table.ts'
import { measureBundle } from '../../bin/bundle.ts'

/** Of each contestant. */
const REQUESTS = 64

/** Of one request: D1's round trips, and KV's reads of markers. */
const EXPECTED = [
  ['public', 1, 0, 0],
  ['optional', 1, 0, 0],
  ['known', 1, 0, 0],
  ['known-rs256', 1, 0, 0],
  ['cookie', 1, 0, 0],
  ['marker-kv', 1, 0, 1],
  ['session', 1, 1, 0],
  ['first-seen', 1, 0, 0],
  ['first-seen-rs256', 1, 0, 0],
  ['newcomer', 1, 0, 1],
  ['garbage', 0, 0, 0],
  ['forged', 0, 0, 0],
] as const

const TIMED = ['hono', 'known', 'first-seen', 'garbage']

let stage: Stage

beforeAll(async () => {
  const contestants = selectContestants(['hono', ...EXPECTED.map(([name]) => name)])
  // However slow the machine, no marker that was read before the counting is read again while it lasts.
  stage = await setStage(contestants, { connections: 8, profile: null, vars: { REVOCATION: { isolate_ttl: '5m' } } })
})
afterAll(() => printTimes().finally(endAll))

function entrantOf(name: string): StagedEntrant {
  const entrant = stage.entrants.find(({ contestant }) => contestant.name === name)
  if (entrant === undefined) throw new Error(`${name} takes no part`)
  return entrant
}

/** Of one turn after a short warm-up, on a machine that does other things: an impression, nothing to judge by. */
async function printTimes(): Promise<void> {
  const entrants = TIMED.map(entrantOf)
  const rounds = new Map<string, [[Awaited<ReturnType<typeof takeTurn>>]]>()
  for (const entrant of entrants) await takeTurn(entrant, 400)
  for (const entrant of entrants) rounds.set(entrant.contestant.name, [[await takeTurn(entrant, 200)]])
  const startupsMs = new Map([['gatehouse', await measureStartupMs(bundleOf('known'), 1)]])
  const measured = { rounds, counts: new Map(), startupsMs }
  console.log(tableOf(reportOf(entrants, measured, { rounds: 1, requests: 200, connections: 8 })))
}

function bundleOf(name: string): Bundle {
  const { bundle } = entrantOf(name)
  if (bundle === null) throw new Error(`${name} is no Worker`)
  return bundle
}

describe('a request behind the gateway', () => {
  // KV that is slower than 500 ms, as on a machine that stalls, is not waited for.
  it.each(EXPECTED)(
    '(%s) asks upstream %d, D1 %d and KV %d times',
    { retry: 3 },
    async (name, upstream, database, markers) => {
      const entrant = entrantOf(name)
      await proveRefusals(entrant)
      expect(await countRequests(entrant, stage.scene, REQUESTS)).toMatchObject({
        upstreamRequests: upstream,
        databaseRoundTrips: database,
        databaseStatements: database,
        markerReads: markers,
        kvWrites: 0,
      })
    },
  )
})

it('the bundle that is measured is the whole one that is deployed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bundle-'))
  try {
    const { whole } = await measureBundle(folder)
    expect(Math.abs(bundleOf('known').kib - whole)).toBeLessThan(1)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
