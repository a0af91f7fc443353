// What may be said after `npm run bench --`.

import { parseArgs } from 'node:util'

export interface Options {
  /** Names of contestants; empty means all. */
  readonly only: readonly string[]
  readonly rounds: number
  /** Of each contestant in each round. */
  readonly requests: number
  readonly connections: number
  /** The one contestant to write a CPU profile of, in place of measuring. */
  readonly profile: string | null
}

/** @throws TypeError for an unknown option and for a number that is none */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '7' },
      requests: { type: 'string', default: '2400' },
      connections: { type: 'string', default: '32' },
      profile: { type: 'string' },
    },
  })
  return {
    only: values.only.split(',').filter((name) => name !== ''),
    rounds: parseCount('rounds', values.rounds),
    requests: parseCount('requests', values.requests),
    connections: parseCount('connections', values.connections),
    profile: values.profile ?? null,
  }
}

function parseCount(name: string, text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new TypeError(`--${name} must be a number from 1 on`)
  return count
}
