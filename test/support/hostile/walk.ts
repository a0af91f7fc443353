// Sends hostile requests, many at once, and finds out what became of each.

import { setTimeout as pause } from 'node:timers/promises'

import type { JSONWebKeySet } from 'jose'
import { createLocalJWKSet } from 'jose'

import { ISSUER } from '../gateway.ts'
import type { Bench } from './oracle.ts'
import { problemsOfArrival } from './oracle.ts'
import type { Arrival, Recorders } from './recorder.ts'
import { outcomeOf, problemsOf } from './replies.ts'
import type { Hostile, Outcome } from './request.ts'
import type { Reply } from './socket.ts'
import { exchange } from './socket.ts'

/** A gateway, what is behind it, and what it says. */
export interface Site {
  readonly port: number
  readonly log: readonly string[]
  readonly recorders: Recorders
  readonly jwks: JSONWebKeySet
}

export interface Walk {
  /** How many requests had which outcome, so far. */
  readonly outcomes: ReadonlyMap<Outcome, number>
  /** How many have reached which upstream. */
  readonly reached: ReadonlyMap<string, number>
  /** Sends each and says what is wrong with what became of it, one line a finding. */
  readonly send: (all: readonly Hostile[]) => Promise<readonly string[]>
}

/** What became of one request. */
interface Sent {
  readonly id: string
  readonly each: Hostile
  readonly outcomes: readonly Outcome[]
  readonly replies: readonly Reply[]
}

/** As many sockets as are open at one time. */
const AT_ONCE = 24
/** How long a request may take to an upstream after its client has been answered; none should. */
const STRAY_MS = 50

export function startWalk(site: Site): Walk {
  const { recorders, jwks } = site
  const [outcomes, reached] = [new Map<string, number>(), new Map<string, number>()]
  const bench: Bench = {
    issuer: ISSUER,
    origins: recorders.origins,
    keys: createLocalJWKSet(jwks),
    assertions: new Map(),
  }
  return {
    outcomes,
    reached,
    send: async (all) => {
      recorders.arrivals.splice(0)
      const sent = await sendAll(all, site.port)
      await pause(STRAY_MS)
      const arrivals = Map.groupBy(recorders.arrivals, ({ id }) => id)
      const problems = await Promise.all(sent.map((one) => judge(one, arrivals.get(one.id) ?? [], bench)))
      count(
        outcomes,
        sent.flatMap((one) => one.outcomes),
      )
      count(
        reached,
        recorders.arrivals.map(({ route }) => route),
      )
      return [...problems.flat(), ...strangers(recorders, sent), ...logProblems(site, all)]
    },
  }
}

async function sendAll(all: readonly Hostile[], port: number): Promise<readonly Sent[]> {
  const queue = all.entries()
  const lanes = Array.from({ length: AT_ONCE }, async () => {
    const sent: Sent[] = []
    for (const [at, each] of queue) sent.push(await sendOne(each, String(at), port))
    return sent
  })
  return (await Promise.all(lanes)).flat()
}

async function sendOne(each: Hostile, id: string, port: number): Promise<Sent> {
  const result = await exchange(port, each.text(id), each.isCutOff)
  if (result.outcome !== 'answered') return { id, each, outcomes: [result.outcome], replies: [] }
  return { id, each, outcomes: result.replies.map(outcomeOf), replies: result.replies }
}

async function judge(sent: Sent, arrivals: readonly Arrival[], bench: Bench): Promise<readonly string[]> {
  const { each, outcomes, replies } = sent
  const problems = [
    ...outcomes.filter((one) => !each.may.includes(one)).map((one) => `${one}, not ${each.may.join(' or ')}`),
    ...countProblems(sent, arrivals),
    ...replies.flatMap((reply) => problemsOf(reply, each.method === 'HEAD')),
    ...replies.filter((reply) => quotes(JSON.stringify(reply), each)).map(() => 'the answer quotes a secret'),
    ...(await Promise.all(arrivals.map((arrival) => problemsOfArrival(arrival, each, bench)))).flat(),
  ]
  return problems.map((problem) => `${each.name}: ${problem}`)
}

/** One arrives for each that has passed; of a body that breaks off, the upstream may have seen the beginning. */
function countProblems({ each, outcomes }: Sent, arrivals: readonly Arrival[]): readonly string[] {
  const passed = outcomes.filter((outcome) => outcome === 'passed').length
  const mayHaveBegun = each.may.includes('502 upstream_unreachable') && arrivals.length === 1
  return arrivals.length === passed || mayHaveBegun ? [] : [`${passed} passed, ${arrivals.length} arrived`]
}

function quotes(text: string, { credential }: Hostile): boolean {
  return credential.secrets.some((secret) => text.includes(secret))
}

function strangers({ arrivals }: Recorders, sent: readonly Sent[]): readonly string[] {
  const ids = new Set(sent.map(({ id }) => id))
  return arrivals.filter(({ id }) => !ids.has(id)).map(({ target }) => `${target} arrived, and nobody had sent it`)
}

/** The log quotes no secret, and nothing in it is a fault of ours. */
function logProblems({ log }: Site, all: readonly Hostile[]): readonly string[] {
  const text = log.join('\n')
  const faults = log.filter((line) => line.includes('"event":"fault"') && !line.includes('"upstream_unreachable"'))
  return [...faults, ...(all.some((each) => quotes(text, each)) ? ['the log quotes a secret'] : [])]
}

function count(counts: Map<string, number>, names: readonly string[]): void {
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
}
