// Who takes part: each a Worker, or HAProxy, what is asked of it, and with which credentials.

import { hasHaproxy } from './haproxy.ts'
import type { Scene, Vars } from './scene.ts'
import type { Supply } from './supply.ts'
import { bearer, inTurn, neverSeen, nothing, seenAgain } from './supply.ts'

export interface Contestant {
  readonly name: string
  readonly title: string
  /** A file of workers/, `gatehouse` or `haproxy`. */
  readonly program: string
  readonly path: string
  /** What every answer must be. */
  readonly status: number
  readonly supplyOf: (scene: Scene) => Promise<Supply>
  /** Looks at no credential, or renews one that is damaged: no 401 is to be expected. */
  readonly isLenient?: true
  /** Of `[vars]`, beyond what all of the gateways have. */
  readonly vars?: Vars
}

/** The one that all are compared with. */
export const PLAINEST = 'hono'

const known = ({ tokens }: Scene) => seenAgain(tokens.mint, bearer)
const knownOfMany = ({ tokens }: Scene) => seenAgain(tokens.mintForMany, bearer)
const knownByRsa = ({ tokens }: Scene) => seenAgain(tokens.mintByRsa, bearer)
const knownAsClerk = ({ tokens }: Scene) => seenAgain(tokens.mintAsClerk, bearer)
const firstSeen = async ({ tokens }: Scene) => neverSeen(tokens.mint, bearer)
const newcomers = async ({ tokens }: Scene) => neverSeen(tokens.mintForMany, bearer)
const firstSeenByRsa = async ({ tokens }: Scene) => neverSeen(tokens.mintByRsa, bearer)
const forged = ({ tokens }: Scene) => seenAgain(tokens.forge, bearer)
const garbage = async () => inTurn([bearer('bm90IGEgdG9rZW4')])
const anonymous = async () => inTurn([nothing])
const browsers = async ({ browserCookies }: Scene) => inTurn(browserCookies)
const browsersOfBetterAuth = async ({ betterAuth }: Scene) => inTurn(betterAuth.cookies)

const passing = { path: '/orders/1', status: 200 } as const
const open = { ...passing, isLenient: true } as const
const refused = { path: '/orders/1', status: 401 } as const
const gatehouse = { program: 'gatehouse', ...passing } as const

/** No isolate trusts a marker that it has read, as if each request were its user's first there. */
const markersFromKv = { REVOCATION: { isolate_ttl: '0s' } } as const

const CONTESTANTS: readonly Contestant[] = [
  { name: 'bare', title: 'bare `fetch` handler', program: 'bare', ...open, supplyOf: known },
  { name: PLAINEST, title: 'Hono `proxy()`', program: 'hono-proxy', ...open, supplyOf: known },
  {
    name: 'hono-headers',
    title: 'Hono `proxy()` with the headers of its documentation',
    program: 'hono-headers',
    ...open,
    supplyOf: known,
  },
  { name: 'duties', title: 'nothing but the headers of DESIGN §5', program: 'duties', ...open, supplyOf: known },
  { name: 'least', title: 'those, and a token looked for', program: 'least', ...open, supplyOf: known },
  { ...gatehouse, ...open, name: 'public', title: 'gatehouse, public route', path: '/public/1', supplyOf: known },
  {
    ...gatehouse,
    ...open,
    name: 'optional',
    title: 'gatehouse, optional, anonymous',
    path: '/open/1',
    supplyOf: anonymous,
  },
  { ...gatehouse, name: 'known', title: 'gatehouse, known token', supplyOf: known },
  { ...gatehouse, name: 'known-rs256', title: 'gatehouse, known token, RS256', supplyOf: knownByRsa },
  { ...gatehouse, ...open, name: 'cookie', title: 'gatehouse, cookies of a browser', supplyOf: browsers },
  {
    ...gatehouse,
    name: 'marker-kv',
    title: 'gatehouse, known token, marker from KV',
    supplyOf: knownOfMany,
    vars: markersFromKv,
  },
  {
    ...gatehouse,
    name: 'session',
    title: 'gatehouse, known token, `session` route (D1)',
    path: '/accounts/1',
    supplyOf: known,
  },
  { ...gatehouse, name: 'first-seen', title: 'gatehouse, first-seen token', supplyOf: firstSeen },
  {
    ...gatehouse,
    name: 'newcomer',
    title: 'gatehouse, first-seen token, marker from KV',
    supplyOf: newcomers,
    vars: markersFromKv,
  },
  { ...gatehouse, name: 'first-seen-rs256', title: 'gatehouse, first-seen token, RS256', supplyOf: firstSeenByRsa },
  { ...gatehouse, ...refused, name: 'garbage', title: 'gatehouse, refused: garbage', supplyOf: garbage },
  { ...gatehouse, ...refused, name: 'forged', title: 'gatehouse, refused: forged', supplyOf: forged },
  { name: 'hono-jwk', title: '`hono/jwk`', program: 'hono-jwk', ...passing, supplyOf: known },
  { name: 'jose', title: '`jose` `jwtVerify` in Hono', program: 'jose', ...passing, supplyOf: known },
  {
    name: 'clerk',
    title: '`@clerk/backend` `verifyToken`, networkless',
    program: 'clerk',
    ...passing,
    supplyOf: knownAsClerk,
  },
  {
    name: 'better-auth',
    title: 'better-auth, session in D1',
    program: 'better-auth',
    ...passing,
    supplyOf: browsersOfBetterAuth,
  },
  { name: 'haproxy', title: 'HAProxy `jwt_verify` (no Worker)', program: 'haproxy', ...passing, supplyOf: known },
]

/** Those of these names, all where there are none. @throws TypeError for a name that nobody has */
export function selectContestants(names: readonly string[]): readonly Contestant[] {
  const unknown = names.find((name) => !CONTESTANTS.some((contestant) => contestant.name === name))
  if (unknown !== undefined)
    throw new TypeError(`no contestant is called ${unknown}; there are ${namesOf(CONTESTANTS)}`)
  return names.length === 0 ? CONTESTANTS : CONTESTANTS.filter(({ name }) => names.includes(name))
}

/** Leaves out, and says so, who cannot take part on this machine. */
export function dropAbsent(contestants: readonly Contestant[]): readonly Contestant[] {
  if (hasHaproxy()) return contestants
  const present = contestants.filter(({ program }) => program !== 'haproxy')
  if (present.length < contestants.length) console.log('HAProxy is not installed: left out.')
  return present
}

function namesOf(contestants: readonly Contestant[]): string {
  return contestants.map(({ name }) => name).join(', ')
}
