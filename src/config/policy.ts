// What a route asks of an identity: scopes, roles, claims, a recent sign-in.

import type { ClaimRule, Route } from './config.ts'
import { isWritten, memberKey, readDuration, readSomeTexts, readTable, refuse, type Table } from './read.ts'

export type Policy = Pick<Route, 'scopes' | 'roles' | 'claims' | 'maxAuthAge'>

/** `params` are the names that path and host bind; `null` where those could not be read. */
export function readPolicy(table: Table, access: Route['access'], params: readonly string[] | null): Policy {
  if (access === 'public' || access === 'optional') refusePolicy(table)
  return {
    scopes: readSomeTexts(table, 'scopes') ?? [],
    roles: readSomeTexts(table, 'roles') ?? [],
    claims: readClaims(table, params),
    maxAuthAge: readDuration(table, 'max_auth_age', '1s', '365d'),
  }
}

/** Demands that a request without a credential would walk past must not look as if they held. */
function refusePolicy(table: Table): void {
  for (const name of ['scopes', 'roles', 'claims', 'max_auth_age'].filter((each) => isWritten(table, each))) {
    refuse(table, name, 'needs access = "required" or "observe": here a request without a credential would pass')
  }
}

function readClaims(table: Table, params: readonly string[] | null): readonly ClaimRule[] {
  const claims = readTable(table, 'claims', null)
  if (claims === null) return []
  const rules = Object.entries(claims.members)
  if (rules.length === 0) refuse(table, 'claims', 'must not be an empty table')
  return rules.flatMap(([claim, value]) => readClaim(claims, claim, value, params) ?? [])
}

function readClaim(table: Table, claim: string, value: unknown, params: readonly string[] | null): ClaimRule | null {
  if (typeof value === 'number' || typeof value === 'boolean') return { claim, value }
  if (typeof value !== 'string') return refuse(table, claim, 'must be a string, a number, true or false')
  if (!value.startsWith(':')) return { claim, value }
  const param = value.slice(1)
  if (params === null || params.includes(param)) return { claim, param }
  table.report(memberKey(table, claim), 'must name a parameter of path or host')
  return null
}
