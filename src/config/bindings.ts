// The Worker's live bindings, told from variables, and what is asked of them.

import type { JsonObject } from '../json.ts'
import type { Config } from './config.ts'
import { isWritten, readText, refuse, type Table } from './read.ts'

/** True where the env has a live binding of this name with all these methods. */
function hasMethods(env: JsonObject, name: string, methods: readonly string[]): boolean {
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (!isLive(value)) return false
  return methods.every((method) => typeof Reflect.get(value, method) === 'function')
}

/** True for what no variable can be: a function, an object of a class, or an object with a method. */
export function isLive(value: unknown): value is object {
  if (typeof value === 'function') return true
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return !isPlain(value) || Object.values(value).some((member) => typeof member === 'function')
}

/** Every deployment has these. */
export function requireStores(root: Table): void {
  if (!hasMethods(root.members, 'DB', ['prepare', 'batch'])) refuse(root, 'DB', 'must be a D1 database binding')
  if (!hasMethods(root.members, 'MARKERS', ['get', 'put'])) refuse(root, 'MARKERS', 'must be a KV namespace binding')
}

/** Whoever guesses passwords or makes a provider work is slowed down. */
export function requireSignInLimit(
  root: Table,
  { passwords, providers, console }: Pick<Config, 'passwords' | 'providers' | 'console'>,
): void {
  const reasons = [
    ...(passwords.signIn ? ['PASSWORDS.sign_in is on'] : []),
    ...(providers.length > 0 ? ['there are PROVIDERS'] : []),
    ...(console === null ? [] : ['there is an ADMIN_ORIGIN']),
  ]
  const [reason] = reasons
  if (reason === undefined || hasMethods(root.members, 'SIGN_IN_LIMIT', ['limit'])) return
  refuse(root, 'SIGN_IN_LIMIT', `must be a rate limit binding, because ${reason}`)
}

/** What is not needed must still be what its name says, or it would count nothing without a word. */
export function refuseOtherMetrics(root: Table): void {
  const isGood = !isWritten(root, 'METRICS') || hasMethods(root.members, 'METRICS', ['writeDataPoint'])
  if (!isGood) refuse(root, 'METRICS', 'must be an Analytics Engine binding')
}

/** The name of a live binding, of which a table says that it wants to use it. */
export function readBinding(table: Table, name: string, env: JsonObject, need: BindingNeed): string | null {
  const binding = readText(table, name)
  if (binding === null || hasMethods(env, binding, [need.method])) return binding
  return refuse(table, name, `must name ${need.what}`)
}

export interface BindingNeed {
  readonly method: string
  /** Completes "must name". */
  readonly what: string
}

/** Without asking which realm's `Object` made it. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || (typeof prototype === 'object' && Object.getPrototypeOf(prototype) === null)
}
