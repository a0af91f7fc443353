// What an upstream is told of an identity in plain headers (DESIGN §5.8).

import type { Route } from '../config/config.ts'
import type { Identity } from '../tokens/identity.ts'
import { findClaim } from '../tokens/identity.ts'

type Header = readonly [name: string, value: string]

/**
 * The `Gatehouse-*` headers, where the route wants them, and the route's own headers from claims. A header with nothing
 * to say is left out; no value holds a character outside `[A-Za-z0-9._:/@+%-]` but the joints between several values.
 * Never throws, whatever the claims are.
 */
export function identityHeaders(identity: Identity, route: Route): Readonly<Record<string, string>> {
  const known = made.get(identity)?.get(route)
  if (known !== undefined) return known
  const headers = makeHeaders(identity, route)
  const byRoute = made.get(identity) ?? new Map<Route, Readonly<Record<string, string>>>()
  made.set(identity, byRoute.set(route, headers))
  return headers
}

/** Kept as long as the identity, which an isolate's memory holds for the token's next request. */
const made = new WeakMap<Identity, Map<Route, Readonly<Record<string, string>>>>()

function makeHeaders(identity: Identity, route: Route): Readonly<Record<string, string>> {
  const own = route.identity.has('headers') ? gatehouseHeaders(identity) : []
  const fromClaims = route.headers.map(({ name, claim }): Header => [
    name,
    claimValue(findClaim(identity.claims, claim)),
  ])
  return Object.fromEntries([...own, ...fromClaims].filter(([, value]) => value !== ''))
}

function gatehouseHeaders({ subject, issuer, session, scopes, roles }: Identity): readonly Header[] {
  return [
    ['Gatehouse-Subject', encodeValue(subject)],
    ['Gatehouse-Issuer', encodeValue(issuer)],
    ['Gatehouse-Session', encodeValue(session ?? '')],
    ['Gatehouse-Scope', scopes.map(encodeValue).join(' ')],
    ['Gatehouse-Roles', roles.map(encodeValue).join(',')],
  ]
}

/** A claim that is text, a number or a boolean, or an array of nothing else; `''` for any other. */
function claimValue(claim: unknown): string {
  const members: readonly unknown[] = Array.isArray(claim) ? claim : [claim]
  return members.every(isScalar) ? members.map((member) => encodeValue(String(member))).join(',') : ''
}

/** Does NOT count a number that has lost digits: two users' ids could look the same. */
function isScalar(value: unknown): value is string | number | boolean {
  if (typeof value === 'number') return Math.abs(value) <= Number.MAX_SAFE_INTEGER
  return typeof value === 'string' || typeof value === 'boolean'
}

/** Percent-encodes the UTF-8 of everything but `[A-Za-z0-9._:/@+-]`; a lone surrogate is U+FFFD. */
function encodeValue(text: string): string {
  return text.replace(/[^A-Za-z0-9._:/@+-]+/g, (run) =>
    Buffer.from(run).toString('hex').toUpperCase().replace(/../g, '%$&'),
  )
}
