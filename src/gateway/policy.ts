// What a route asks of an identity beyond being who it is: scopes, roles, claims, a recent sign-in.

import type { ClaimRule, Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import type { Identity } from '../tokens/identity.ts'
import { findClaim } from '../tokens/identity.ts'

/** What a policy compares with besides the identity. */
export interface PolicyContext {
  /** Parameters that host and path have bound. */
  readonly params: Readonly<Record<string, string>>
  /** Unix seconds. */
  readonly now: number
}

type Policy = Pick<Route, 'scopes' | 'roles' | 'claims' | 'maxAuthAge'>

/**
 * Passes only an identity that meets every rule of the route.
 * @throws Denial `insufficient_scope`, `insufficient_role`, `claim_mismatch` (403, with what is `missing`);
 *   `insufficient_user_authentication` (401, RFC 9470 §3) where the sign-in is too old or its time unknown.
 */
export function enforcePolicy(policy: Policy, identity: Identity, context: PolicyContext): void {
  enforceScopes(policy.scopes, identity)
  enforceRoles(policy.roles, identity)
  enforceClaims(policy.claims, identity, context.params)
  enforceAuthAge(policy.maxAuthAge, identity, context.now)
}

function enforceScopes(scopes: readonly string[], identity: Identity): void {
  const missing = scopes.filter((scope) => !identity.scopes.includes(scope))
  if (missing.length === 0) return
  throw new Denial('insufficient_scope', { members: { missing }, challenge: { scope: scopes.join(' ') } })
}

function enforceRoles(roles: readonly string[], identity: Identity): void {
  if (roles.length === 0 || roles.some((role) => identity.roles.includes(role))) return
  throw new Denial('insufficient_role', { members: { missing: roles } })
}

function enforceClaims(
  rules: readonly ClaimRule[],
  identity: Identity,
  params: Readonly<Record<string, string>>,
): void {
  const missing = rules.filter((rule) => !isMet(rule, identity, params)).map((rule) => rule.claim)
  if (missing.length > 0) throw new Denial('claim_mismatch', { members: { missing } })
}

/** Equal in type and value; a parameter that is not bound meets nothing. */
function isMet(rule: ClaimRule, identity: Identity, params: Readonly<Record<string, string>>): boolean {
  const wanted = 'param' in rule ? params[rule.param] : rule.value
  return wanted !== undefined && findClaim(identity.claims, rule.claim) === wanted
}

function enforceAuthAge(maxAuthAge: number | null, { authTime }: Identity, now: number): void {
  if (maxAuthAge === null) return
  if (authTime !== null && now - authTime <= maxAuthAge) return
  throw new Denial('insufficient_user_authentication', {
    members: { max_age: maxAuthAge },
    challenge: { max_age: String(maxAuthAge) },
  })
}
