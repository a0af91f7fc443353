// Origins and URLs in the configuration: https, and http on this machine only.

import { memberKey, readText, readTexts, refuse, type Table } from './read.ts'

const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]'])

export const NOT_AN_ORIGIN =
  'must be an https origin such as https://api.example.com and nothing more (http only for localhost)'

/** True for an origin exactly as browsers write it (RFC 6454 §6.1), https or on localhost. */
export function isOrigin(text: string): boolean {
  const url = parseUrl(text)
  return url !== null && url.origin === text && isSafe(url) && !/\*|\.$/.test(url.hostname)
}

/** The same for the console's: http also on the names below `localhost`, which browsers look up nowhere (RFC 6761 §6.3). */
export function isConsoleOrigin(text: string): boolean {
  return isOrigin(text) || /^http:\/\/[a-z0-9-]+\.localhost(?::\d+)?$/.test(parseUrl(text)?.origin === text ? text : '')
}

/** A list of origins, which may be empty; `*` counts where it is allowed. */
export function readOrigins(table: Table, name: string, allowed: readonly string[] = []): readonly string[] | null {
  const origins = readTexts(table, name)
  if (origins === null) return null
  for (const [index, origin] of origins.entries()) {
    if (!allowed.includes(origin) && !isOrigin(origin))
      table.report(`${memberKey(table, name)}[${index}]`, NOT_AN_ORIGIN)
  }
  return origins
}

/** A URL of somebody else's that keys are fetched from, kept as it was written. */
export function readSafeUrl(table: Table, name: string): string | null {
  const text = readText(table, name)
  if (text === null) return null
  const url = parseUrl(text)
  const good = url !== null && isSafe(url) && url.username === '' && url.password === '' && !/[#\s]/.test(text)
  return good
    ? text
    : refuse(table, name, 'must be an https URL without user name and fragment (http only for localhost)')
}

/** Does NOT refuse what the URL parser mends, such as tabs; callers compare or look. */
export function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null
}

export function isLocal(url: URL): boolean {
  return LOCAL_HOSTS.has(url.hostname)
}

function isSafe(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal(url))
}
