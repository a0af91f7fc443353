// The keys of other issuers: when a set is fetched, how long it is kept, what holds while it cannot be had (DESIGN §4).

import { Denial } from '../denial.ts'
import type { Log } from '../log.ts'
import type { Fetch } from '../outbound.ts'
import type { JwksCache, KeySource } from './jwks-cache.ts'
import type { KeySet } from './jwks-set.ts'
import { parseKeySet } from './jwks-set.ts'
import { ATTEMPT_LIMIT, fetchJwks, reasonOf } from './jwks-source.ts'
import type { VerificationKey } from './keys.ts'
import { hmacKey } from './keys.ts'

export { createJwksCache } from './jwks-cache.ts'
export type { KeySource } from './jwks-cache.ts'

export interface IssuerKeys {
  /**
   * The key that an issuer gives a `kid`, or its shared secret; `null` where it has no such key. Work that may
   * outlive the answer is given to `waitUntil`.
   * @throws Denial `issuer_unavailable` where that cannot be told
   */
  readonly find: (issuer: KeySource, kid: string | null, waitUntil: WaitUntil) => Promise<VerificationKey | null>
}

export interface IssuerKeysOptions {
  readonly fetch: Fetch
  /** Unix seconds. */
  readonly now: () => number
  readonly cache: JwksCache
  /** Shared secrets by the name of the Worker secret. */
  readonly secrets: ReadonlyMap<string, Uint8Array>
  readonly log: Log
}

type WaitUntil = (work: Promise<unknown>) => void

/** How old a set, in seconds, is fetched anew beside its use, is fetched anew before its use, is of no use. */
const REFRESH_BESIDE = 5 * 60
const REFRESH_BEFORE = 10 * 60
const USELESS = 24 * 60 * 60

/** Seconds between the beginnings of two attempts. */
const SPACING = 30

/** Seconds after a failure in which nobody with good keys at hand is made to wait for another attempt. */
const OUTAGE = 60

const CACHE_LIMIT_MS = 500
const POLL_MS = 25

/** What an isolate knows of an issuer: plain data, because in Workers a promise cannot be shared between requests. */
interface State {
  readonly set: KeySet | null
  readonly attempt: { readonly startedAt: number; readonly outcome: 'running' | 'done' | 'failed' } | null
  readonly failedAt: number | null
}

/** One issuer as one request sees it. */
interface Shelf extends IssuerKeysOptions {
  readonly issuer: KeySource
  readonly waitUntil: WaitUntil
  readonly state: () => State
  readonly change: (change: Partial<State>) => void
}

export function createIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const states = new Map<KeySource, State>()
  const shared = new Map<string, VerificationKey>()
  return {
    find: (issuer, kid, waitUntil) => {
      const state = () => states.get(issuer) ?? { set: null, attempt: null, failedAt: null }
      const change = (part: Partial<State>) => void states.set(issuer, { ...state(), ...part })
      if (issuer.secret !== null) return findSecret(issuer.secret, options.secrets, shared)
      return kid === null ? Promise.resolve(null) : findKey({ ...options, issuer, waitUntil, state, change }, kid)
    },
  }
}

async function findSecret(
  name: string,
  secrets: IssuerKeysOptions['secrets'],
  shared: Map<string, VerificationKey>,
): Promise<VerificationKey> {
  const secret = secrets.get(name)
  if (secret === undefined) throw new Denial('misconfigured', { reason: 'issuer_secret' })
  const key = shared.get(name) ?? (await hmacKey(secret))
  shared.set(name, key)
  return key
}

async function findKey(shelf: Shelf, kid: string): Promise<VerificationKey | null> {
  if (usableSet(shelf) === null) await readCache(shelf)
  await keepFresh(shelf)
  const known = usableSet(shelf)?.entries.get(kid)
  if (known !== undefined) return known.key
  await refresh(shelf)
  const set = usableSet(shelf)
  const found = set?.entries.get(kid)
  if (found !== undefined) return found.key
  if (set === null || shelf.state().attempt?.outcome !== 'done') {
    throw new Denial('issuer_unavailable', { reason: 'issuer_keys' })
  }
  return null
}

function usableSet({ state, now }: Shelf): KeySet | null {
  const { set } = state()
  return set !== null && now() - set.fetchedAt < USELESS ? set : null
}

/** Takes over what another isolate of this location has fetched, where it is newer than what is here. */
async function readCache(shelf: Shelf): Promise<void> {
  const { cache, issuer, now } = shelf
  const stored = await within(CACHE_LIMIT_MS, cache.read(issuer))
  if (stored === null) return
  const fetchedAt = Math.min(stored.fetchedAt, now())
  const set = await within(CACHE_LIMIT_MS, parseKeySet(stored.jwks, issuer.algorithms, fetchedAt, null))
  if (set !== null && set.fetchedAt > (shelf.state().set?.fetchedAt ?? 0)) shelf.change({ set })
}

/** Fetches an old set anew: beside its use, and before it once a key may have been gone for too long. */
async function keepFresh(shelf: Shelf): Promise<void> {
  const set = usableSet(shelf)
  if (set === null) return
  const age = shelf.now() - set.fetchedAt
  if (age < REFRESH_BESIDE) return
  if (age >= REFRESH_BEFORE && !isOutage(shelf)) return refresh(shelf)
  if (mayAttempt(shelf)) shelf.waitUntil(attempt(shelf))
}

function isOutage({ state, now }: Shelf): boolean {
  const { failedAt } = state()
  return failedAt !== null && now() - failedAt < OUTAGE
}

/** Makes the attempt that is due, or waits for the one that another request is making, or does nothing. */
async function refresh(shelf: Shelf): Promise<void> {
  if (!mayAttempt(shelf)) return awaitOther(shelf)
  const work = attempt(shelf)
  // Others wait for it, so it goes on where this request's client hangs up.
  shelf.waitUntil(work)
  return work
}

function mayAttempt({ state, now }: Shelf): boolean {
  const { attempt: last } = state()
  return last === null || now() - last.startedAt >= SPACING
}

/** Polls in this request's own time. An attempt whose request died is over once its time limit has passed. */
async function awaitOther(shelf: Shelf): Promise<void> {
  for (let waitedMs = 0; waitedMs < ATTEMPT_LIMIT * 1000 && isRunning(shelf); waitedMs += POLL_MS) await delay(POLL_MS)
}

function isRunning({ state, now }: Shelf): boolean {
  const { attempt: last } = state()
  return last?.outcome === 'running' && now() - last.startedAt <= ATTEMPT_LIMIT
}

/** Never throws: what came of it is in the state. Nothing is awaited before it is marked as running. */
async function attempt(shelf: Shelf): Promise<void> {
  const { issuer, now, cache, state, change } = shelf
  const startedAt = now()
  change({ attempt: { startedAt, outcome: 'running' } })
  try {
    const jwks = await fetchJwks(shelf.fetch, issuer)
    const set = await parseKeySet(jwks, issuer.algorithms, now(), state().set)
    change({ set, attempt: { startedAt, outcome: 'done' }, failedAt: null })
    shelf.waitUntil(within(CACHE_LIMIT_MS, cache.write(issuer, { jwks, fetchedAt: set.fetchedAt })))
  } catch (error) {
    change({ attempt: { startedAt, outcome: 'failed' }, failedAt: now() })
    shelf.log({ event: 'issuer', issuer: issuer.issuer, reason: reasonOf(error) })
  }
}

/** `null` where it fails or takes longer. */
async function within<T>(limitMs: number, work: Promise<T>): Promise<T | null> {
  return Promise.race([work.catch(() => null), delay(limitMs)])
}

function delay(ms: number): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, null)
  })
}
