// The routes that hostile requests try to cross: each has an upstream of its own, so who got a request says who judged it.

import { HOST } from './request.ts'

export const IDP = 'https://idp.test/'
export const IDP_SECRET = 'a-shared-secret-of-more-than-32-bytes'

/** By name. Where nothing else fits, everybody is let in: below a crossing there is no net. */
const ROUTES = {
  rest: { path: '/*', access: 'public' },
  public: { path: '/public/*', access: 'public' },
  files: { path: '/files/*', access: 'public', allow_in_path: ['%2F'] },
  odd: { path: '/odd/*', access: 'public', allow_in_path: ['%2F', '%5C', ';', '//'] },
  optional: { path: '/optional/*', access: 'optional' },
  orders: { path: '/orders/*', headers: { 'X-User-Id': 'sub' } },
  admin: { path: '/admin/*', roles: ['admin'] },
  tenant: { path: '/t/:tenant/*', claims: { tenant: ':tenant' } },
  legacy: { path: '/legacy/*', issuers: [IDP] },
  cookie: { path: '/cookie/*', credentials: ['cookie'] },
  inner: { path: '/files/inner/*', roles: ['admin'] },
  deep: { path: '/odd/deep/*', roles: ['admin'] },
  inside: { path: '/*', host: 'inside.gateway.test', roles: ['admin'] },
} as const

export const ROUTE_NAMES: readonly string[] = Object.keys(ROUTES)

/** Those on which nobody is asked who he is. */
export const OPEN: ReadonlySet<string> = new Set(['rest', 'public', 'files', 'odd'])

/** The only host with a route of its own. */
const HOST_INSIDE = ROUTES.inside.host
/** Names that are the first segment of their route's path as well. */
const NAMED: ReadonlySet<string> = new Set([
  'public',
  'files',
  'odd',
  'optional',
  'orders',
  'admin',
  'legacy',
  'cookie',
])

/** To which route a server takes this path, as it stands, to belong; `own` are the gateway's URLs. */
export function routeOf(path: string, host: string): string {
  if (host === HOST_INSIDE) return 'inside'
  const [first = '', second = ''] = segmentsOf(path)
  if (host === HOST && (first === 'auth' || segmentsOf(path).join('/') === '.well-known/jwks.json')) return 'own'
  if (first === 't') return second === '' ? 'rest' : 'tenant'
  if (first === 'files' && second === 'inner') return 'inner'
  if (first === 'odd' && second === 'deep') return 'deep'
  return NAMED.has(first) ? first : 'rest'
}

/** Without case, and without a trailing slash. */
export function segmentsOf(path: string): readonly string[] {
  return path.toLowerCase().replace(/\/$/, '').split('/').slice(1)
}

/** `[[vars.ROUTES]]` with an upstream for each. */
export function routesTo(origins: Readonly<Record<string, string>>) {
  return Object.entries(ROUTES).map(([name, route]) =>
    Object.assign({ upstream: origins[name] ?? '', revocation: 'expiry' }, route),
  )
}

/** The other issuer, by a shared secret, so that tests can sign whatever they like in its name. */
export function issuersOf(audience: string) {
  return {
    ISSUERS: [{ issuer: IDP, audience: [audience], secret: 'IDP_SECRET', accept_until: '2099-01-01' }],
    IDP_SECRET,
  }
}
