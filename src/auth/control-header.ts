// `Gatehouse-Session`: the one header by which an upstream signs people in, out and changes them (DESIGN §9.3, RFC 9651).

import type { BareItem, InnerList, Item, List } from 'structured-headers'
import { isInnerList, parseList, Token } from 'structured-headers'

import { equalInConstantTime } from '../crypto.ts'
import { Denial } from '../denial.ts'
import { isGatewayScope } from '../gateway-scopes.ts'
import type { JsonObject } from '../json.ts'
import { profileProblem } from '../tokens/mint.ts'
import type { Space } from './control-space.ts'
import { nameInSpace } from './control-space.ts'

export type ControlMember =
  | { readonly action: 'open'; readonly userId: string; readonly profile: ProfileChange }
  | { readonly action: 'change'; readonly userId: string; readonly profile: ProfileChange }
  | { readonly action: 'end-all'; readonly userId: string }
  | { readonly action: 'end' }

/** What a member says of a user; `null` and absent claims stay as they are. */
export interface ProfileChange {
  readonly roles: readonly string[] | null
  readonly scopes: readonly string[] | null
  readonly claims: JsonObject
}

const MAX_MEMBERS = 8

/**
 * The members of the header in their order, each of which has echoed `control`: all of them are good, or none counts. They
 * name users of `space` only.
 * Stricter than RFC 9651 §4.2.3.2 where a parameter comes twice: which one was meant is not guessed.
 * Does NOT know the users; D1 does.
 * @throws Denial `invalid_session_control`
 */
export function parseControlHeader(header: string, control: string, space: Space): readonly ControlMember[] {
  const items = parseStructured(header).map(requireItem)
  if (items.length === 0 || items.length > MAX_MEMBERS) throw refused('not one to eight members')
  if (hasParameterTwice(header, items)) throw refused('a parameter twice')
  const members = items.map(([name, parameters]) =>
    parseMember(name, Object.fromEntries(parameters), { control, space }),
  )
  if (members.filter(({ action }) => action === 'open').length > 1) throw refused('more than one open')
  return members
}

/** The library's errors become ours here. */
function parseStructured(header: string): List {
  try {
    return parseList(header)
  } catch (cause) {
    throw refused('not a list of RFC 9651', cause)
  }
}

function requireItem(member: Item | InnerList): Item {
  if (isInnerList(member)) throw refused('an inner list')
  return member
}

/** In a list that was parsed, a semicolon outside a string begins a parameter, and the last of a name has won. */
function hasParameterTwice(header: string, items: readonly Item[]): boolean {
  const written = header.replace(/"(?:[^"\\]|\\.)*"/g, '').split(';').length - 1
  return written !== items.reduce((sum, [, parameters]) => sum + parameters.size, 0)
}

type Parameters = Readonly<Record<string, BareItem>>

interface Expected {
  readonly control: string
  readonly space: Space
}

function parseMember(
  name: BareItem,
  { control: echoed, ...given }: Parameters,
  { control, space }: Expected,
): ControlMember {
  if (typeof echoed !== 'string' || !equalInConstantTime(echoed, control))
    throw refused('control is of no such request')
  const action = name instanceof Token ? name.toString() : ''
  if (action === 'open' || action === 'change') return { action, ...parseUser(given, space) }
  if (action === 'end-all') {
    const { sub, ...others } = given
    enforceNone(others)
    return { action, userId: parseSubject(sub, space) }
  }
  if (action !== 'end') throw refused('unknown member')
  enforceNone(given)
  return { action }
}

/** A parameter that a member does not know may be one that it would have to obey. */
function enforceNone(parameters: Parameters): void {
  if (Object.keys(parameters).length > 0) throw refused('unknown parameter')
}

function parseUser(
  { sub, roles, scope, ...others }: Parameters,
  space: Space,
): { readonly userId: string; readonly profile: ProfileChange } {
  const profile = { roles: parseWords(roles), scopes: parseWords(scope), claims: parseClaims(others) }
  if (profile.scopes?.some(isGatewayScope) === true) throw refused('a scope of the gateway')
  const problem = profileProblem({ ...profile, roles: profile.roles ?? [], scopes: profile.scopes ?? [] })
  if (problem !== null) throw refused(problem)
  return { userId: parseSubject(sub, space), profile }
}

/** Clients and API keys are users too, but nobody whom an upstream could sign in or change. */
const MACHINE_ID = /^(?:cli|key)_/

/** DESIGN §4: what `sub` may be. */
function parseSubject(sub: BareItem | undefined, space: Space): string {
  const userId = typeof sub === 'string' ? nameInSpace(space, sub) : null
  if (userId === null || MACHINE_ID.test(userId)) throw refused('sub')
  return userId
}

/** Words between spaces, each once; `''` is none of them. */
function parseWords(value: BareItem | undefined): readonly string[] | null {
  if (value === undefined) return null
  if (typeof value !== 'string') throw refused('roles or scope is not a string')
  return [...new Set(value.split(' ').filter((word) => word !== ''))]
}

function parseClaims(parameters: Parameters): JsonObject {
  if (!Object.values(parameters).every(isClaim)) throw refused('a claim is no string, integer or boolean')
  return parameters
}

function isClaim(value: BareItem): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)
}

function refused(reason: string, cause?: unknown): Denial {
  return new Denial('invalid_session_control', { reason, cause })
}
