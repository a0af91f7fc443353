// Who may administer: a bearer token of ours that was minted with the scope, whose session D1 is asked for every time.

import { cookieNames } from '../auth/cookies.ts'
import { Denial } from '../denial.ts'
import { ADMIN_SCOPE } from '../gateway-scopes.ts'
import type { Exchange } from '../runtime.ts'
import type { Identity } from '../tokens/identity.ts'
import { authenticate } from './authenticate.ts'
import type { Demand } from './authenticate.ts'
import { readCredential } from './credential.ts'
import { writes } from './csrf.ts'
import { enforcePolicy } from './policy.ts'

/** Like a route of `revocation = "session"`. Browsers send no bearer token by themselves, so no other site can use one. */
const DEMAND: Demand = { access: 'required', acceptsSelf: true, issuers: [], revocation: 'session', onOutage: 'deny' }
const POLICY = { scopes: [ADMIN_SCOPE], roles: [], claims: [] }
const KINDS: ReadonlySet<'bearer'> = new Set(['bearer'])

/**
 * The id of the administrator who asks, by the scopes of this moment. What writes needs a recent sign-in.
 * @throws Denial `credential_required`, `ambiguous_credential`, `invalid_token`, `insufficient_scope`,
 *   `insufficient_user_authentication`, `unavailable`
 */
export async function findAdministrator(exchange: Exchange): Promise<string> {
  const { request, runtime } = exchange
  const credential = readCredential(request, KINDS, cookieNames(runtime.config.insecureCookies))
  const { identity } = await authenticate(exchange, credential, DEMAND)
  if (identity === null) throw new Denial('credential_required')
  const maxAuthAge = writes(exchange.head) ? runtime.config.admin.maxAuthAge : null
  enforcePolicy({ ...POLICY, maxAuthAge }, withAuthTime(identity), { params: {}, now: runtime.now() })
  return identity.subject
}

/** A client authenticates when it gets its token, so the token's age is the age of its sign-in. */
function withAuthTime(identity: Identity): Identity {
  const { session, version, claims } = identity
  const issuedAt = claims['iat']
  const isOfClient = session === null && version !== null
  return isOfClient && typeof issuedAt === 'number' ? { ...identity, authTime: issuedAt } : identity
}
