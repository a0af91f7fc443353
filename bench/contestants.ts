// Who takes part: each a Worker, what is asked of it, and with which credentials.

import type { Tokens } from './tokens.ts'

export interface Contestant {
  readonly name: string
  readonly title: string
  /** A file of workers/, or `gatehouse`. */
  readonly worker: string
  readonly path: string
  /** What every answer must be. */
  readonly status: number
  readonly credentials: (tokens: Tokens) => Promise<Supply>
}

/** Bearer tokens for so many requests. */
export type Supply = (requests: number) => Promise<readonly string[]>

/** The one that all are compared with. */
export const PLAINEST = 'hono'

/** Tokens that a contestant sees again and again. */
const FEW = 64

const known = async (tokens: Tokens) => inTurn(await tokens.mint(FEW))
const firstSeen = async (tokens: Tokens) => tokens.mint
const forged = async (tokens: Tokens) => inTurn(await tokens.forge(FEW))
const garbage = async () => inTurn(['bm90IGEgdG9rZW4'])

const passing = { path: '/orders/1', status: 200 } as const
const refused = { path: '/orders/1', status: 401 } as const

const CONTESTANTS: readonly Contestant[] = [
  { name: 'bare', title: 'bare `fetch` handler', worker: 'bare', ...passing, credentials: known },
  { name: PLAINEST, title: 'Hono `proxy()`', worker: 'hono-proxy', ...passing, credentials: known },
  {
    name: 'public',
    title: 'gatehouse, public route',
    worker: 'gatehouse',
    path: '/public/1',
    status: 200,
    credentials: known,
  },
  { name: 'known', title: 'gatehouse, known token', worker: 'gatehouse', ...passing, credentials: known },
  {
    name: 'first-seen',
    title: 'gatehouse, first-seen token',
    worker: 'gatehouse',
    ...passing,
    credentials: firstSeen,
  },
  { name: 'garbage', title: 'gatehouse, refused: garbage', worker: 'gatehouse', ...refused, credentials: garbage },
  { name: 'forged', title: 'gatehouse, refused: forged', worker: 'gatehouse', ...refused, credentials: forged },
]

/** Those of these names, all where there are none. @throws TypeError for a name that nobody has */
export function selectContestants(names: readonly string[]): readonly Contestant[] {
  const unknown = names.find((name) => !CONTESTANTS.some((contestant) => contestant.name === name))
  if (unknown !== undefined)
    throw new TypeError(`no contestant is called ${unknown}; there are ${namesOf(CONTESTANTS)}`)
  return names.length === 0 ? CONTESTANTS : CONTESTANTS.filter(({ name }) => names.includes(name))
}

function namesOf(contestants: readonly Contestant[]): string {
  return contestants.map(({ name }) => name).join(', ')
}

function inTurn(few: readonly string[]): Supply {
  return async (requests) => Array.from({ length: requests }, (_, at) => few[at % few.length] ?? '')
}
