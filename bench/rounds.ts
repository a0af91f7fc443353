// Rounds of many short turns: in each of them everybody comes on again and again, so that all see the same machine.

import { setTimeout as sleep } from 'node:timers/promises'

import type { Contestant, Supply } from './contestants.ts'
import { readCpuMicros } from './cpu.ts'
import type { Connections } from './load.ts'
import { serve } from './load.ts'
import { quantile } from './statistics.ts'

/** A contestant whose Worker runs. */
export interface Entrant {
  readonly contestant: Contestant
  readonly pid: number
  readonly connections: Connections
  readonly supply: Supply
}

export interface Effort {
  readonly rounds: number
  /** Of each contestant in a round. */
  readonly requests: number
}

/** What one contestant took in one round. */
export interface Round {
  readonly cpuMicrosPerRequest: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

interface Turn {
  readonly requests: number
  readonly cpuMicros: number
  readonly seconds: number
  readonly latenciesMs: Float64Array
}

/** Requests of each contestant before the first that counts, in which the JIT has its say. */
const WARM_UP = 4000
/** Requests of a turn: a tenth of a second or so, short enough to come through undisturbed now and then. */
const TURN = 200
/** Requests at the beginning of a turn that do not count: they bring caches and markers to where steady traffic has them. */
const LEAD_IN = 50
/** In which a process does what it put off until its answers were out. */
const SETTLING_MS = 5
/**
 * Whatever else runs on a machine only ever adds to what a turn takes (cold caches, above all), so a round is worth
 * what its turns with the least disturbance say: their lower decile. It was within 2 % with ten others at work.
 */
const UNDISTURBED = 0.1

/** By contestant's name. */
export async function runRounds(
  entrants: readonly Entrant[],
  effort: Effort,
): Promise<ReadonlyMap<string, readonly Round[]>> {
  const rounds = new Map<string, Round[]>(entrants.map(({ contestant }) => [contestant.name, []]))
  for (const entrant of entrants) await takeTurn(entrant, WARM_UP)
  for (let round = 0; round < effort.rounds; round += 1) {
    for (const [name, turns] of await takeTurns(entrants, Math.ceil(effort.requests / TURN))) {
      rounds.get(name)?.push(summarize(turns))
    }
  }
  return rounds
}

async function takeTurns(entrants: readonly Entrant[], count: number): Promise<ReadonlyMap<string, readonly Turn[]>> {
  const turns = new Map<string, Turn[]>(entrants.map(({ contestant }) => [contestant.name, []]))
  for (let turn = 0; turn < count; turn += 1) {
    for (const entrant of entrants) turns.get(entrant.contestant.name)?.push(await takeTurn(entrant, TURN))
  }
  return turns
}

/** CPU is read while nothing but the turn's requests can use it: credentials are made before. */
export async function takeTurn({ contestant, pid, connections, supply }: Entrant, requests: number): Promise<Turn> {
  const { path, status } = contestant
  const credentials = await supply(LEAD_IN + requests)
  await serve(connections, { path, status, credentials: credentials.slice(0, LEAD_IN) })
  const before = readCpuMicros(pid)
  const { seconds, latenciesMs } = await serve(connections, { path, status, credentials: credentials.slice(LEAD_IN) })
  await sleep(SETTLING_MS)
  return { requests, cpuMicros: readCpuMicros(pid) - before, seconds, latenciesMs }
}

function summarize(turns: readonly Turn[]): Round {
  const cpu = turns.map(({ cpuMicros, requests }) => cpuMicros / requests)
  const rates = turns.map(({ seconds, requests }) => requests / seconds)
  const latenciesMs = Float64Array.from(turns.flatMap((turn) => [...turn.latenciesMs])).toSorted()
  return {
    cpuMicrosPerRequest: quantile(
      cpu.toSorted((one, other) => one - other),
      UNDISTURBED,
    ),
    requestsPerSecond: quantile(
      rates.toSorted((one, other) => one - other),
      1 - UNDISTURBED,
    ),
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
  }
}
