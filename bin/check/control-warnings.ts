// Upstreams that control sessions: those that share a space of user ids, and those that may sign in administrators.
import type { Route } from '../../src/config/config.ts'
import { matches } from './route-table.ts'

interface Controlled {
  readonly name: string
  readonly upstream: string
  readonly prefix: string
  readonly administrators: boolean
}

export function controlWarnings(routes: readonly Route[]): readonly string[] {
  const controlled = routes.flatMap((route) => describe(route) ?? [])
  const prefixes = [...new Set(controlled.map(({ prefix }) => prefix))]
  return [
    ...prefixes.flatMap((prefix) => findShared(controlled.filter((each) => each.prefix === prefix)) ?? []),
    ...controlled
      .filter(({ administrators }) => administrators)
      .map(({ name }) => `${name} may sign in administrators: session_control.administrators is true`),
  ]
}

function describe(route: Route): Controlled | null {
  if (route.sessionControl === null) return null
  const { origin, binding } = route.upstream
  const { subjectPrefix: prefix, administrators } = route.sessionControl
  return { name: `${route.key} (${matches(route)})`, upstream: `${origin} ${binding ?? ''}`, prefix, administrators }
}

/** Routes of different upstreams with one prefix. */
function findShared(routes: readonly Controlled[]): string | null {
  if (new Set(routes.map(({ upstream }) => upstream)).size < 2) return null
  const names = routes.map(({ name }) => name).join(' and ')
  return `${names} control sessions for different upstreams in one space of user ids: give each a session_control.subject_prefix`
}
