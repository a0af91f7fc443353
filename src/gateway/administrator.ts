// Who may administer: a bearer token of ours with the scope, whose session D1 is asked for every time.

import { cookieNames } from '../auth/cookies.ts'
import { Denial } from '../denial.ts'
import { ADMIN_SCOPE } from '../gateway-scopes.ts'
import type { Exchange } from '../runtime.ts'
import { authenticate } from './authenticate.ts'
import type { Demand } from './authenticate.ts'
import { readCredential } from './credential.ts'
import { enforcePolicy } from './policy.ts'

/** Like a route of `revocation = "session"`. Browsers send no bearer token by themselves, so no other site can use one. */
const DEMAND: Demand = { access: 'required', acceptsSelf: true, issuers: [], revocation: 'session', onOutage: 'deny' }
const POLICY = { scopes: [ADMIN_SCOPE], roles: [], claims: [], maxAuthAge: null }
const KINDS: ReadonlySet<'bearer'> = new Set(['bearer'])

/**
 * The id of the administrator who asks, with the scopes that he has now.
 * @throws Denial `credential_required`, `ambiguous_credential`, `invalid_token`, `insufficient_scope`, `unavailable`
 */
export async function findAdministrator(exchange: Exchange): Promise<string> {
  const { request, runtime } = exchange
  const credential = readCredential(request, KINDS, cookieNames(runtime.config.insecureCookies))
  const { identity } = await authenticate(exchange, credential, DEMAND)
  if (identity === null) throw new Denial('credential_required')
  enforcePolicy(POLICY, identity, { params: {}, now: runtime.now() })
  return identity.subject
}
