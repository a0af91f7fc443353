// The ids that a route's upstream may name: those with its prefix, but for those with a longer prefix of another route or issuer.

import { isUserId } from '../accounts/user-id.ts'
import type { Config, SessionControl } from '../config/config.ts'

export interface Space {
  readonly prefix: string
  /** Longer prefixes in lower case, whose ids are another route's or issuer's. */
  readonly others: readonly string[]
}

/** The space of all ids, where no route has a prefix. */
export const EVERYBODY: Space = { prefix: '', others: [] }

/** What begins with the prefix of another issuer is a subject of that issuer, so no upstream names it. */
export function spaceOf(
  { routes, issuers }: Pick<Config, 'routes' | 'issuers'>,
  { subjectPrefix: prefix }: SessionControl,
): Space {
  const prefixes = [
    ...routes.flatMap(({ sessionControl }) => sessionControl?.subjectPrefix ?? []),
    ...issuers.flatMap(({ subjectPrefix }) => subjectPrefix ?? []),
  ]
  const folded = prefixes.map((other) => other.toLowerCase())
  const others = folded.filter((other) => other.length > prefix.length && other.startsWith(prefix))
  return { prefix, others: [...new Set(others)] }
}

/** The user whom the upstream calls `sub`, or `null` where that can be no user of its space. */
export function nameInSpace(space: Space, sub: string): string | null {
  const userId = space.prefix + sub
  return isUserId(sub) && isUserId(userId) && isInSpace(space, userId) ? userId : null
}

/** Another's prefix counts in any case, because upstreams may compare ids without it; a route's own has no capitals. */
export function isInSpace({ prefix, others }: Space, userId: string): boolean {
  const folded = userId.toLowerCase()
  return userId.startsWith(prefix) && !others.some((other) => folded.startsWith(other))
}

/** True where every id is in it. */
export function isWholeSpace({ prefix, others }: Space): boolean {
  return prefix === '' && others.length === 0
}
