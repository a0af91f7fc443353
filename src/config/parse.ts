// The Worker's env -> Config; every problem at once, each under the key that the operator wrote.

import { foldHeaderName } from '../header-names.ts'
import { readAdmin } from './admin.ts'
import { readAudit } from './audit.ts'
import { refuseOtherMetrics, requireSignInLimit, requireStores } from './bindings.ts'
import type { Config, Route } from './config.ts'
import { readIssuers } from './issuers.ts'
import { readRevocation, readSessions, readTokens } from './lifetimes.ts'
import { readPages } from './pages.ts'
import { readPasswords } from './passwords.ts'
import { readProviders } from './providers.ts'
import type { Table } from './read.ts'
import { readRoutes } from './routes.ts'
import { readSelf } from './self.ts'
import { canSignIn } from './unauthenticated.ts'
import { refuseUnknownVariables } from './variables.ts'
import { readWebhooks } from './webhooks.ts'

export type ParsedConfig =
  | { readonly outcome: 'parsed'; readonly config: Config }
  | { readonly outcome: 'refused'; readonly problems: readonly string[] }

/**
 * The configuration of an env (variables, live bindings), deeply frozen. Never throws.
 * Does NOT look at secrets; `parseSecrets` does.
 */
export function parseConfig(env: Readonly<Record<string, unknown>>): ParsedConfig {
  const problems: string[] = []
  const report = (key: string, problem: string): void => void problems.push(`${key} ${problem}`)
  const config = readConfig({ key: '', members: env, report })
  return problems.length > 0 ? { outcome: 'refused', problems } : { outcome: 'parsed', config: freezeDeeply(config) }
}

function readConfig(root: Table): Config {
  const self = readSelf(root)
  const tokens = readTokens(root)
  const issuers = readIssuers(root, self.issuer)
  const ways = { passwords: readPasswords(root), providers: readProviders(root, self.issuer) }
  const routes = readRoutes(root, { env: root.members, self, issuers, canSignIn: canSignIn(ways) })
  const identityHeaderNames = new Set(routes.flatMap(({ headers }) => headers.map(({ name }) => foldHeaderName(name))))
  refuseAllowedIdentity(root, routes, identityHeaderNames)
  requireStores(root)
  requireSignInLimit(root, { ...ways, console: self.console })
  refuseOtherMetrics(root)
  refuseUnknownVariables(
    root,
    issuers.flatMap((issuer) => issuer.secret ?? []),
  )
  return {
    ...self,
    tokens,
    sessions: readSessions(root, tokens.accessTtl),
    revocation: readRevocation(root),
    ...ways,
    routes,
    issuers,
    pages: readPages(root, self.insecureCookies),
    admin: readAdmin(root),
    audit: readAudit(root),
    webhooks: readWebhooks(root),
    identityHeaderNames,
  }
}

/** What one route fills from a claim, no client may send on another under a name that servers read as the same. */
function refuseAllowedIdentity(root: Table, routes: readonly Route[], identityHeaderNames: ReadonlySet<string>): void {
  for (const { key, allowHeaders } of routes) {
    const taken = [...allowHeaders].find((name) => identityHeaderNames.has(foldHeaderName(name)))
    if (taken !== undefined)
      root.report(
        `${key}.allow_headers`,
        `has ${JSON.stringify(taken)}, which some servers read as a header of a route's headers`,
      )
  }
}

/** Objects and lists; a Set is kept from change by its type. */
function freezeDeeply<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) freezeDeeply(member)
  return Object.freeze(value)
}
