// Those who keep what they were last given: browsers their cookies, API clients their tokens, thieves what they found.

import { cookieNames } from '../../src/auth/cookies.ts'
import { minted } from './plain.ts'
import type { Told } from './plain.ts'

export interface Client {
  readonly name: string
  readonly userId: string
  readonly isBrowser: boolean
  readonly isThief: boolean
  /** By the name of the cookie; an API client's tokens lie under the same names. */
  readonly jar: Map<string, { readonly value: string; readonly until: number }>
  readonly waiting: Set<Waiting>
}

/** A request that is out. Times are in milliseconds. */
export interface Waiting {
  readonly what: string
  /** When the client stops to care. */
  readonly until: number
}

export const NAMES = cookieNames(false)
/** Seconds for which an API client keeps what has no age of its own. */
const FOREVER = 1e6

export function createClient(name: string, userId: string, isBrowser: boolean, isThief = false): Client {
  return { name, userId, isBrowser, isThief, jar: new Map(), waiting: new Set() }
}

/** A thief who holds what the client holds now. */
export function rob(client: Client): Client {
  return { ...createClient(`thief of ${client.name}`, client.userId, client.isBrowser, true), jar: new Map(client.jar) }
}

export function held(client: Client, name: string, now: number): string | null {
  const found = client.jar.get(name)
  return found === undefined || found.until <= now ? null : found.value
}

/** `maxAge` in seconds. */
export function keep(client: Client, name: string, value: string, maxAge: number, now: number): void {
  if (value === '' || maxAge <= 0) client.jar.delete(name)
  else client.jar.set(name, { value, until: now + maxAge * 1000 })
}

export function keepAll(client: Client, { body, cookies }: Told, now: number): void {
  for (const line of cookies) {
    const [, name = '', value = '', maxAge = '0'] = /^([^=]+)=([^;]*);.*Max-Age=(-?\d+)/.exec(line) ?? []
    keep(client, name, value, Number(maxAge), now)
  }
  if (typeof body['access_token'] === 'string') keep(client, NAMES.access, body['access_token'], FOREVER, now)
  if (typeof body['refresh_token'] === 'string') keep(client, NAMES.session, body['refresh_token'], FOREVER, now)
}

export function sessionIdOf(client: Client, now: number): string | null {
  const fromSession = /ses_[A-Za-z0-9_-]{22}/.exec(held(client, NAMES.session, now) ?? '')?.[0]
  return fromSession ?? minted.get(held(client, NAMES.access, now) ?? '')?.session ?? null
}

export function headersOf(client: Client, now: number): Headers {
  const access = held(client, NAMES.access, now)
  if (!client.isBrowser) return new Headers(access === null ? {} : { Authorization: `Bearer ${access}` })
  const pairs = [NAMES.session, NAMES.access].flatMap((name) => {
    const value = held(client, name, now)
    return value === null ? [] : [`${name}=${value}`]
  })
  return new Headers(pairs.length === 0 ? {} : { Cookie: pairs.join('; ') })
}

/** True where such a request is out whose answer is still cared for. */
export function waitsFor(client: Client, now: number, is: (waiting: Waiting) => boolean = () => true): boolean {
  return [...client.waiting].some((waiting) => waiting.until > now && is(waiting))
}
