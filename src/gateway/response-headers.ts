// What of an upstream's headers never reaches a client (DESIGN §5.8, §5.9).

import type { CookieNames } from '../auth/cookies.ts'
import { setsOurCookie } from '../auth/cookies.ts'
import { connectionNames } from './request-headers.ts'

export interface Passed {
  readonly response: Response
  /** The upstream's `Gatehouse-Session`, which the response no longer has. */
  readonly sessionControl: string | null
}

/**
 * The upstream's answer without `Gatehouse-*`, without hop-by-hop headers (RFC 9110 §7.6.1; `Proxy-Authenticate` is
 * meant for this hop, so a 407 goes on without it) and without cookies that have the gateway's names.
 * Does NOT read the body, and an answer with nothing to remove is given back as it is.
 */
export function passResponse(response: Response, cookies: CookieNames): Passed {
  const { headers } = response
  const { removed, sessionControl, setsCookies } = look(headers)
  const setCookies = setsCookies ? headers.getSetCookie() : []
  const kept = setCookies.filter((line) => !setsOurCookie(line, cookies))
  if (removed.length === 0 && kept.length === setCookies.length) return { response, sessionControl }
  const passed = new Response(response.body, response)
  for (const name of removed) passed.headers.delete(name)
  if (kept.length < setCookies.length) replaceSetCookies(passed.headers, kept)
  return { response: passed, sessionControl }
}

interface Look {
  readonly removed: readonly string[]
  readonly sessionControl: string | null
  readonly setsCookies: boolean
}

/** One walk over the names, which costs more than all that is done with them. */
function look(headers: Headers): Look {
  const names = [...headers.keys()]
  const named = names.includes('connection') ? connectionNames(headers) : NO_NAMES
  const removed = names.filter((name) => OURS.test(name) || (named.has(name) && !LEFT_TO_RUNTIME.has(name)))
  const sessionControl = removed.length > 0 ? headers.get('Gatehouse-Session') : null
  return { removed, sessionControl, setsCookies: names.includes('set-cookie') }
}

const OURS = /^(?:gatehouse|proxy)[-_.]/
const NO_NAMES: ReadonlySet<string> = new Set()

/** Hop-by-hop headers that the runtime drops by itself, or, on a WebSocket's 101, needs. */
const LEFT_TO_RUNTIME: ReadonlySet<string> = new Set([
  'close',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function replaceSetCookies(headers: Headers, lines: readonly string[]): void {
  headers.delete('Set-Cookie')
  for (const line of lines) headers.append('Set-Cookie', line)
}
