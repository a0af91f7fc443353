// Where a browser goes once it has signed in: a path of this site or of a web app of ours, never another site.

import type { Config } from '../config/config.ts'

/**
 * The target as it may stand in `Location`: a path of this site, or a URL of an origin in WEB_ORIGINS; `null` for anything
 * else, and for whatever browsers and servers could read in two ways. ISSUER's own origin in front of a path is taken off.
 * The gateway never follows it (RFC 9700 §4.11).
 */
export function parseReturnTo(
  { issuer, webOrigins }: Pick<Config, 'issuer' | 'webOrigins'>,
  text: unknown,
): string | null {
  if (typeof text !== 'string' || text.length > MAX_LENGTH || !CLEAR.test(text)) return null
  if (text.startsWith('/')) return isOwnPath(text) ? text : null
  const origin = [issuer, ...webOrigins].find((known) => text === known || text.startsWith(`${known}/`))
  if (origin === undefined) return null
  const path = text.slice(origin.length) || '/'
  if (!isOwnPath(path)) return null
  return origin === issuer ? path : `${origin}${path}`
}

/** A `Location` is far shorter than any server's limit. */
const MAX_LENGTH = 2048

/** Printable ASCII without blanks and backslashes: nothing that browsers trim, skip or turn into a slash. */
const CLEAR = /^[!-[\]-~]+$/

/** `//` would begin another host. */
function isOwnPath(path: string): boolean {
  return path.startsWith('/') && !path.startsWith('//')
}
