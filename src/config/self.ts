// What the gateway itself is called: ISSUER, AUDIENCE, AUTH_PATH, WEB_ORIGINS, ADMIN_ORIGIN.

import type { Config } from './config.ts'
import { isConsoleOrigin, isOrigin, NOT_AN_ORIGIN, parseUrl, readOrigins } from './origin.ts'
import { readText, refuse, requireMember, type Table } from './read.ts'

export type Self = Pick<
  Config,
  'issuer' | 'issuerHost' | 'audience' | 'authPath' | 'webOrigins' | 'console' | 'insecureCookies'
>

export function readSelf(root: Table): Self {
  const issuer = readIssuer(root)
  const url = parseUrl(issuer)
  return {
    issuer,
    issuerHost: url?.hostname ?? '',
    audience: readAudience(root) ?? issuer,
    authPath: readAuthPath(root) ?? '/auth',
    webOrigins: readOrigins(root, 'WEB_ORIGINS') ?? [],
    console: readConsole(root, url),
    insecureCookies: url?.protocol === 'http:',
  }
}

function readIssuer(root: Table): string {
  requireMember(root, 'ISSUER')
  const issuer = readText(root, 'ISSUER')
  if (issuer === null) return ''
  if (!isOrigin(issuer)) refuse(root, 'ISSUER', NOT_AN_ORIGIN)
  return issuer
}

/** `upstream:` begins the audience of assertions, which must never pass for access tokens. */
function readAudience(root: Table): string | null {
  const audience = readText(root, 'AUDIENCE')
  if (audience?.startsWith('upstream:') === true) refuse(root, 'AUDIENCE', 'must not begin with upstream:')
  return audience
}

/** Lower-case, so that there is one spelling to serve and one to reserve. */
function readAuthPath(root: Table): string | null {
  const path = readText(root, 'AUTH_PATH')
  if (path === null) return null
  const good = /^(?:\/[a-z0-9_~-][a-z0-9._~-]*)+$/.test(path)
  return good ? path : refuse(root, 'AUTH_PATH', 'must be a path such as /auth: lower-case, without a trailing slash')
}

/** A host of its own, so that its cookies and ISSUER's never meet; one scheme for both, so that they have the same names. */
function readConsole(root: Table, issuer: URL | null): Config['console'] {
  const origin = readText(root, 'ADMIN_ORIGIN')
  if (origin === null) return null
  const url = parseUrl(origin)
  if (url === null || !isConsoleOrigin(origin)) return refuse(root, 'ADMIN_ORIGIN', NOT_A_CONSOLE)
  if (issuer === null) return null
  if (url.hostname === issuer.hostname) return refuse(root, 'ADMIN_ORIGIN', "must have another host than ISSUER's")
  if (url.protocol !== issuer.protocol) return refuse(root, 'ADMIN_ORIGIN', 'must be https or http like ISSUER')
  return { origin, host: url.hostname }
}

const NOT_A_CONSOLE =
  'must be an https origin such as https://admin.example.com and nothing more (http only for names such as admin.localhost)'
