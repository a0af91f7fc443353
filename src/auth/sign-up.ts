// Signing up with e-mail and password, where the operator has opened it.

import { passwordProblem } from '../accounts/password-policy.ts'
import { insertUser, newUser } from '../accounts/store.ts'
import { newUserId } from '../accounts/user-id.ts'
import { tell } from '../audit/tell.ts'
import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import type { SessionState } from '../sessions/store.ts'
import { readBody } from './body.ts'
import { issue } from './issue.ts'
import { openFor } from './open.ts'
import type { Site } from './same-site.ts'
import type { PasswordForm } from './sign-in.ts'
import { enforceAddressLimit, parsePasswordForm } from './sign-in.ts'
import { tellerFor } from './teller.ts'

/**
 * `POST /auth/sign-up`: answers 201 and like sign-in. An e-mail that is taken gets the answer of a wrong password.
 * Does NOT verify that the e-mail is the caller's.
 * @throws Denial `invalid_request` (with `detail` for a password that is refused), `cross_site_request`, `rate_limited`, `invalid_sign_in`
 */
export async function signUp(exchange: Exchange, site: Site): Promise<Response> {
  if (!exchange.runtime.config.passwords.signUp) throw new Denial('no_route')
  await enforceAddressLimit(exchange)
  const form = parsePasswordForm(await readBody(exchange.request, ['email', 'password', 'transport']), site)
  return issue(exchange, await openNewAccount(exchange, form), form.transport, 201)
}

/**
 * The first session of a new account.
 * @throws Denial `invalid_request` (with `detail`), `rate_limited`, `invalid_sign_in`
 */
export async function openNewAccount(
  exchange: Exchange,
  { email, password, transport }: PasswordForm,
): Promise<SessionState> {
  const problem = await passwordProblem(password)
  if (problem !== null) throw new Denial('invalid_request', { reason: 'password', members: { detail: problem } })
  await enforceAddressLimit(exchange)
  const { db, hashing } = exchange.runtime
  const userId = newUserId()
  const passwordHash = await hashing.admit(exchange, (passwords) => passwords.hash(password))
  const proof = { userId, checked: { sessionEpoch: 0, passwordHash }, amr: ['pwd'] }
  const account = insertUser(db, { id: userId, email, passwordHash })
  const told = tell(db, tellerFor(exchange, null), 'user.create', {}, newUser(userId))
  const session = await openFor(exchange, proof, transport, { before: [account, ...told], after: [] })
  if (session === null) throw new Denial('invalid_sign_in', { reason: 'e-mail is taken' })
  return session
}
