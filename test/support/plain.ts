// Plain stand-ins for what waits for anything but D1 and KV (streams, scrypt, signatures): no schedule could repeat it.

import type { Taken } from '../../src/accounts/attempts.ts'
import type { Hashing } from '../../src/accounts/hashing.ts'
import type { Verdict } from '../../src/accounts/passwords.ts'
import type { UserRow } from '../../src/accounts/store.ts'
import { parseUser, selectUserByEmail, selectUserById } from '../../src/accounts/store.ts'
import type { Body } from '../../src/auth/body.ts'
import type { Database } from '../../src/database.ts'
import { runBatch } from '../../src/database.ts'
import { Denial } from '../../src/denial.ts'
import { isObject } from '../../src/json.ts'
import type { JsonObject } from '../../src/json.ts'
import type { AccessClaims } from '../../src/tokens/mint.ts'

/** What an answer tells its client. */
export interface Told {
  readonly body: JsonObject
  readonly cookies: readonly string[]
}

const bodies = new WeakMap<Request, Body>()
const answers = new WeakMap<Response, Told>()

/** As much of a request as the flows look at: a real one costs more than its whole way through them. */
export function createRequest(headers: Headers, body: Body): Request {
  const request = { headers }
  if (!isRequest(request)) throw new TypeError('no request')
  bodies.set(request, body)
  return request
}

function isRequest(value: object): value is Request {
  return 'headers' in value
}

/** In place of `readBody`. */
export async function readPlainBody(request: Request): Promise<Body> {
  return bodies.get(request) ?? {}
}

/** In place of `answerJson`. */
export function answerPlainly(body: unknown, cookies: readonly string[] = []): Response {
  const response = {}
  if (!isResponse(response)) throw new TypeError('no response')
  answers.set(response, { body: isObject(body) ? body : {}, cookies })
  return response
}

function isResponse(value: object): value is Response {
  return !('headers' in value)
}

export function readAnswer(response: Response): Told {
  return answers.get(response) ?? { body: {}, cookies: [] }
}

/** In place of `createHashing`: no place is waited for. */
export function createPlainHashing(): Hashing {
  return { admit: (_, work) => work({ hash: hashPlainly, verify: verifyPlainPassword }) }
}

async function hashPlainly(password: string): Promise<string> {
  return `hash of ${password}`
}

async function verifyPlainPassword(password: string, hash: string | null): Promise<Verdict> {
  return hash === `hash of ${password}` ? { outcome: 'right', outdated: false } : { outcome: 'wrong' }
}

/** In place of `takeTicket`: guesses are another matter. */
export async function takeTicketPlainly(db: Database, email: string): Promise<Taken> {
  const [rows] = await runBatch(db, [selectUserByEmail(db, email)])
  return taken(parseUser(rows?.[0]))
}

/** In place of `takeTicketOfUser`. */
export async function takeTicketOfUserPlainly(db: Database, userId: string): Promise<Taken> {
  const [rows] = await runBatch(db, [selectUserById(db, userId)])
  return taken(parseUser(rows?.[0]))
}

function taken(user: UserRow | null): Taken {
  return { outcome: 'taken', ticket: { account: '', address: '', network: null, countedIn: [] }, user }
}

/** Every access token that was minted since it was last emptied, and what it says. */
export const minted = new Map<string, AccessClaims>()

/** In place of `mintAccessToken`. */
export async function mintPlainly(_: unknown, claims: AccessClaims): Promise<string> {
  return mintAtOnce(claims)
}

export function mintAtOnce(claims: AccessClaims): string {
  const token = `access.${minted.size}.${claims.session}`
  minted.set(token, claims)
  return token
}

const KEY = { key: { type: 'public' }, kid: 'plain', algorithms: [] }

/** In place of `verifyToken`: whatever was minted is genuine until it expires. */
export async function verifyPlainly(
  token: string,
  { now, clockSkew }: { readonly now: number; readonly clockSkew: number },
) {
  const claims = minted.get(token)
  if (claims === undefined || claims.expiresAt <= now - clockSkew) throw new Denial('invalid_token')
  return { identity: { ...claims, claims: { iat: claims.issuedAt } }, key: KEY }
}
