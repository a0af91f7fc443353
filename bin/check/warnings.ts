// What may be meant and is often a mistake; the gateway serves all the same.
import type { Config } from '../../src/config/config.ts'
import { isLocal, parseUrl } from '../../src/config/origin.ts'
import { secretNames } from '../../src/config/secrets.ts'
import type { JsonObject } from '../../src/json.ts'
import { controlWarnings } from './control-warnings.ts'
import { variables } from './env.ts'
import { logWarnings } from './log-warnings.ts'
import { routeWarnings } from './route-warnings.ts'
import { isServed, servedPatterns } from './served.ts'
import { siteOf } from './site.ts'
import { workerWarnings } from './worker-warnings.ts'

export interface Checked {
  readonly toml: JsonObject
  readonly config: Config
  readonly secrets: JsonObject | null
  /** Unix seconds. */
  readonly now: number
}

export function findWarnings(checked: Checked): readonly string[] {
  return [
    ...routeWarnings(checked.config.routes),
    ...controlWarnings(checked.config.routes),
    ...upstreamWarnings(checked),
    ...hostWarnings(checked),
    ...originWarnings(checked),
    ...signInWarnings(checked),
    ...issuerWarnings(checked),
    ...secretWarnings(checked),
    ...workerWarnings(checked.toml),
    ...logWarnings(checked.toml),
  ]
}

function upstreamWarnings({ toml, config }: Checked): readonly string[] {
  const patterns = servedPatterns(toml)
  return config.routes.flatMap(({ key, upstream }) => {
    const url = parseUrl(upstream.origin)
    if (url === null || isLocal(url) || upstream.binding !== null) return []
    const isOurs = url.hostname === config.issuerHost || isServed(url.hostname, patterns)
    return [
      ...(url.protocol === 'http:' ? [`${key}.upstream is http: identities travel in the clear`] : []),
      ...(isOurs ? [`${key}.upstream has a host of the gateway itself: requests may come back to it`] : []),
    ]
  })
}

/** Hosts that the configuration speaks of and wrangler's `routes` do not bring here. */
function hostWarnings({ toml, config }: Checked): readonly string[] {
  const patterns = servedPatterns(toml)
  const url = parseUrl(config.issuer)
  if (url !== null && isLocal(url)) return ['ISSUER is on localhost: good for development only']
  if (patterns.length === 0) return []
  const away = config.routes.filter(({ host }) => {
    const isLiteral = host !== null && host.labels.every((label) => 'literal' in label)
    return isLiteral && !isServed(host.source.toLowerCase(), patterns)
  })
  return [
    ...(isServed(config.issuerHost, patterns) ? [] : ["ISSUER has a host that no pattern of wrangler's routes serves"]),
    ...away.map((route) => `${route.key}.host is one that no pattern of wrangler's routes serves`),
  ]
}

/** Cookies with SameSite=Lax come with fetch() from the same site only, scheme included (RFC 6265bis §5.2). */
function originWarnings({ config }: Checked): readonly string[] {
  const site = siteOf(config.issuer)
  const away = config.webOrigins.map((origin) => siteOf(origin) !== site)
  return away.flatMap((isAway, index) =>
    isAway
      ? [`WEB_ORIGINS[${index}] is on another site than ISSUER: browsers will not send SameSite=Lax cookies from it`]
      : [],
  )
}

function signInWarnings({ config }: Checked): readonly string[] {
  const asking = config.routes.filter((route) => route.access !== 'public')
  const selfOnly = asking.length > 0 && asking.every((route) => route.issuers.length === 0)
  const controlled = config.routes.some((route) => route.sessionControl !== null)
  if (config.passwords.signIn || config.providers.length > 0 || controlled || !selfOnly) return []
  return [
    'nobody can sign in: PASSWORDS.sign_in is off, there are no PROVIDERS, no route has session_control or takes tokens of an ISSUERS entry',
  ]
}

function issuerWarnings({ config, now }: Checked): readonly string[] {
  const named = new Set(config.routes.flatMap((route) => route.issuers.map((issuer) => issuer.key)))
  return config.issuers.flatMap(({ key, acceptUntil, subjectPrefix }) => [
    ...(acceptUntil !== null && acceptUntil <= now ? [`${key}.accept_until is past: its tokens are refused`] : []),
    ...(named.has(key) ? [] : [`${key} is named by no route: its tokens pass nowhere`]),
    ...(subjectPrefix === ''
      ? [`${key}.subject_prefix is empty: a subject of this issuer may equal one of another, or a user of the gateway`]
      : []),
  ])
}

function secretWarnings({ toml, config, secrets }: Checked): readonly string[] {
  const vars = variables(toml)
  const names = secretNames(config)
  const missing = names.filter((name) => secrets?.[name] === undefined && vars[name] === undefined)
  const open = names.filter((name) => vars[name] !== undefined)
  return [
    ...open.map((name) => `${name} is in [vars], readable by everybody who sees the file: make it a secret`),
    ...missing.map((name) => `${name} is not in .dev.vars: a deployment needs it by "wrangler secret put ${name}"`),
  ]
}
