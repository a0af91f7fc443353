// Rounds of many short turns: in each of them everybody comes on again and again, so that all see the same machine.

import { setTimeout as sleep } from 'node:timers/promises'

import type { Contestant } from './contestants.ts'
import { readCpuMicros } from './cpu.ts'
import type { Connections } from './load.ts'
import { serve } from './load.ts'
import { proveRefusals } from './prove.ts'
import type { Supply } from './supply.ts'

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

/** What a contestant took for some requests one after another. */
export interface Turn {
  readonly cpuMicrosPerRequest: number
  readonly requestsPerSecond: number
  /** Shortest first. */
  readonly latenciesMs: Float64Array
}

/** By contestant's name its rounds, each of as many turns; turns at the same place were taken at about the same time. */
export type Rounds = ReadonlyMap<string, readonly (readonly Turn[])[]>

/** Requests of each contestant before the first that counts, in which the JIT has its say. */
const WARM_UP = 4000
/** Requests of a turn: a tenth of a second or so, in which a machine that others share does not change much. */
const TURN = 200
/** Requests at the beginning of a turn that do not count: they bring caches and markers to where steady traffic has them. */
const LEAD_IN = 50
/** In which a process does what it put off until its answers were out. */
const SETTLING_MS = 5

/**
 * Each round begins with everybody's process anew: how fast one is depends on where its memory happens to lie, for as long
 * as it lives.
 */
export async function runRounds<T extends Entrant>(
  entrants: readonly T[],
  effort: Effort,
  restart: (entrant: T) => Promise<T>,
): Promise<Rounds> {
  const rounds = new Map<string, (readonly Turn[])[]>(entrants.map(({ contestant }) => [contestant.name, []]))
  let running = entrants
  for (let round = 0; round < effort.rounds; round += 1) {
    if (round > 0) running = await restartAll(running, restart)
    for (const entrant of running) await proveRefusals(entrant)
    for (const entrant of running) await takeTurn(entrant, WARM_UP)
    const turns = await takeTurns(running, Math.ceil(effort.requests / TURN))
    for (const [name, own] of turns) rounds.get(name)?.push(own)
  }
  return rounds
}

/** One after another, because each looks for a port that is free. */
async function restartAll<T>(entrants: readonly T[], restart: (entrant: T) => Promise<T>): Promise<readonly T[]> {
  const restarted: T[] = []
  for (const entrant of entrants) restarted.push(await restart(entrant))
  return restarted
}

async function takeTurns(entrants: readonly Entrant[], count: number): Promise<ReadonlyMap<string, readonly Turn[]>> {
  const turns = new Map<string, Turn[]>(entrants.map(({ contestant }) => [contestant.name, []]))
  for (let turn = 0; turn < count; turn += 1) {
    for (const entrant of inOrderOf(turn, entrants))
      turns.get(entrant.contestant.name)?.push(await takeTurn(entrant, TURN))
  }
  return turns
}

/** Each time another one is the first, so that it is nobody's lot to come after the same one always. */
function inOrderOf(turn: number, entrants: readonly Entrant[]): readonly Entrant[] {
  const first = turn % entrants.length
  return [...entrants.slice(first), ...entrants.slice(0, first)]
}

/** CPU is read while nothing but the turn's requests can use it: credentials are made before. */
export async function takeTurn({ contestant, pid, connections, supply }: Entrant, requests: number): Promise<Turn> {
  const credentials = await supply(LEAD_IN + requests)
  await serve(connections, { ...contestant, credentials: credentials.slice(0, LEAD_IN) })
  const before = readCpuMicros(pid)
  const { seconds, latenciesMs } = await serve(connections, { ...contestant, credentials: credentials.slice(LEAD_IN) })
  await sleep(SETTLING_MS)
  const used = readCpuMicros(pid) - before
  return { cpuMicrosPerRequest: used / requests, requestsPerSecond: requests / seconds, latenciesMs }
}
