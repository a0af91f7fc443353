// Signing in with e-mail and password: one answer and equal work for an unknown user and a wrong password.

import { forgetAttempts, takeTicket } from '../accounts/attempts.ts'
import { parseEmail } from '../accounts/email.ts'
import type { Passwords } from '../accounts/hashing.ts'
import type { UserRow } from '../accounts/store.ts'
import { replacePasswordHash } from '../accounts/store.ts'
import { Denial } from '../denial.ts'
import { addressBlock, enforceAddressRate } from '../rate-limit.ts'
import type { Exchange } from '../runtime.ts'
import type { SessionState } from '../sessions/store.ts'
import type { Body } from './body.ts'
import { readBody } from './body.ts'
import type { Transport } from './issue.ts'
import { issue } from './issue.ts'
import type { Proof } from './open.ts'
import { openFor } from './open.ts'
import type { Purpose } from './prove-password.ts'
import { provePassword } from './prove-password.ts'
import type { Site } from './same-site.ts'
import { enforceTransport } from './same-site.ts'
import { parseScope } from './scope.ts'

export interface PasswordForm {
  readonly email: string
  readonly password: string
  readonly transport: Transport
  /** What it asks for; `null`: nothing. */
  readonly scopes: readonly string[] | null
}

/** A user whose password was right, and the statements that belong to his sign-in. */
export interface Checked {
  readonly user: UserRow
  readonly statements: readonly D1PreparedStatement[]
}

/**
 * `POST /auth/sign-in`. Whoever changes while his password is checked is asked to try again: it may still be right.
 * @throws Denial `invalid_request`, `too_large`, `cross_site_request`, `rate_limited`, `invalid_sign_in`, `unavailable`
 */
export async function signIn(exchange: Exchange, site: Site): Promise<Response> {
  if (!exchange.runtime.config.passwords.signIn) throw new Denial('no_route')
  await enforceAddressLimit(exchange)
  const form = parsePasswordForm(await readBody(exchange.request, ['email', 'password', 'transport', 'scope']), site)
  return issue(exchange, await openByPassword(exchange, form), form.transport, 200)
}

/**
 * The session that a right password opens.
 * @throws Denial `rate_limited`, `invalid_sign_in`, `unavailable`
 */
export async function openByPassword(exchange: Exchange, form: PasswordForm): Promise<SessionState> {
  const checked = await checkPassword(exchange, form)
  return openChecked(exchange, checked, form.transport, { scopes: form.scopes })
}

/**
 * The session of a user whose password was right, with what it asks for; `clientId` where it is the console's.
 * @throws Denial `unavailable`
 */
export async function openChecked(
  exchange: Exchange,
  { user, statements }: Checked,
  transport: Transport,
  asked: Pick<Proof, 'clientId' | 'scopes'>,
): Promise<SessionState> {
  const { id: userId, sessionEpoch, passwordHash } = user
  const proof = { userId, checked: { sessionEpoch, passwordHash }, amr: ['pwd'], ...asked }
  const session = await openFor(exchange, proof, transport, { before: [], after: statements })
  if (session === null) throw new Denial('unavailable', { reason: 'changed since it was checked' })
  return session
}

/**
 * The form of sign-in and sign-up, from a client that may have the transport it asks for.
 * @throws Denial `invalid_request`, `cross_site_request`
 */
export function parsePasswordForm({ email, password, transport = 'cookie', scope }: Body, site: Site): PasswordForm {
  if (transport !== 'cookie' && transport !== 'token') throw new Denial('invalid_request', { reason: 'transport' })
  enforceTransport(site, transport)
  const parsed = parseEmail(email)
  if (parsed === null || password === undefined) throw new Denial('invalid_request', { reason: 'email or password' })
  return { email: parsed, password, transport, scopes: parseScope(scope) }
}

/** Requests that have been counted. */
const counted = new WeakSet<Request>()

/**
 * Counts a request by its client's address, once, before its body is read. Configuration asks for the binding where passwords
 * are on; a missing one never serves.
 * @throws Denial `rate_limited`, `misconfigured`
 */
export async function enforceAddressLimit({ runtime, request, clientAddress }: Exchange): Promise<void> {
  if (counted.has(request)) return
  counted.add(request)
  const limiter = runtime.findRateLimit('SIGN_IN_LIMIT')
  if (limiter === null) throw new Denial('misconfigured', { reason: 'SIGN_IN_LIMIT is missing' })
  await enforceAddressRate(limiter, clientAddress)
}

/**
 * Opens nothing; `scope` is one that the user must hold. An attempt that finds no place to be hashed in is not counted as a guess.
 * @throws Denial `rate_limited`, `invalid_sign_in`, `unavailable`
 */
export async function checkPassword(
  exchange: Exchange,
  { email, password }: PasswordForm,
  needed: Pick<Purpose, 'scope'> = {},
): Promise<Checked> {
  await enforceAddressLimit(exchange)
  const { db, hashing } = exchange.runtime
  return hashing.admit(exchange, async (passwords) => {
    const taken = await takeTicket(db, email, addressBlock(exchange.clientAddress))
    const purpose = { action: 'sign_in', ...needed } as const
    const { user, ticket, outdated } = await provePassword(exchange, passwords, taken, password, purpose)
    const rehash = outdated ? await rehashStatements(exchange, passwords, user, password) : []
    return { user, statements: [...forgetAttempts(db, ticket), ...rehash] }
  })
}

/** The same password under today's parameters. */
async function rehashStatements(
  { runtime }: Exchange,
  passwords: Passwords,
  { id, passwordHash }: UserRow,
  password: string,
): Promise<readonly D1PreparedStatement[]> {
  if (passwordHash === null) return []
  return [replacePasswordHash(runtime.db, id, passwordHash, await passwords.hash(password))]
}
