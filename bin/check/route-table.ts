// The effective routes as aligned text, one a line.
import type { ClaimRule, Route } from '../../src/config/config.ts'
import { formatDuration } from '../../src/config/duration.ts'

export function routeTable(routes: readonly Route[]): string {
  const rows = [['KEY', 'METHODS', 'MATCHES', 'ACCESS', 'ASKS FOR', 'REVOCATION', 'UPSTREAM'], ...routes.map(row)]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0))) ?? []
  return rows.map((cells) => line(cells, widths)).join('\n')
}

/** Host and path as the operator wrote them. */
export function matches(route: Pick<Route, 'host' | 'path'>): string {
  return `${route.host?.source ?? ''}${route.path.source}`
}

function row(route: Route): readonly string[] {
  const { origin, path, binding } = route.upstream
  return [
    route.key,
    route.methods?.join(',') ?? 'all',
    matches(route),
    route.access,
    demands(route).join('; ') || '-',
    route.access === 'public' ? '-' : revocation(route),
    `${origin}${path}${binding === null ? '' : ` by ${binding}`}`,
  ]
}

export function demands(route: Route): readonly string[] {
  if (route.access === 'public') return []
  const issuers = [...(route.acceptsSelf ? ['self'] : []), ...route.issuers.map((issuer) => issuer.issuer)]
  const { scopes, roles, maxAuthAge } = route
  return [
    ...(route.issuers.length > 0 ? [`issuer ${issuers.join(' or ')}`] : []),
    ...(route.acceptsSelf && !takesDefault(route) ? [[...route.credentials].join(' or ')] : []),
    ...(scopes.length > 0 ? [`scope ${scopes.join(' and ')}`] : []),
    ...(roles.length > 0 ? [`role ${roles.join(' or ')}`] : []),
    ...route.claims.map(claimText),
    ...(maxAuthAge === null ? [] : [`signed in within ${formatDuration(maxAuthAge)}`]),
  ]
}

/** Bearer tokens and cookies. */
function takesDefault({ credentials }: Route): boolean {
  return credentials.size === 2 && !credentials.has('api-key')
}

function claimText(rule: ClaimRule): string {
  return `${rule.claim} = ${'param' in rule ? `:${rule.param}` : String(rule.value)}`
}

function revocation(route: Route): string {
  return route.onOutage === 'allow' ? `${route.revocation}, allow on outage` : route.revocation
}

function line(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, column) => cell.padEnd(widths[column] ?? 0))
  return `  ${padded.join('  ').trimEnd()}`
}
