// What every answer of the gateway's own URLs says to browsers; a proxied answer has none of it.

import { clearingCookies, cookieNames, staleResetCookie } from './auth/cookies.ts'
import type { Exchange } from './runtime.ts'

type Answered = Pick<Exchange, 'head' | 'runtime'>

/** Adds HSTS (RFC 6797), over https only, where the host is ISSUER's or the console's. */
export function withHsts(response: Response, { head, runtime }: Answered): Response {
  const { hsts } = runtime.config.pages
  if (hsts !== null && head.url.startsWith('https:'))
    response.headers.set('Strict-Transport-Security', `max-age=${hsts}`)
  return response
}

/** Adds what goes with signing in and out; `path` is written as if AUTH_PATH were `/auth`. */
export function withSessionChange(response: Response, exchange: Answered, path: string): Response {
  const cookies = response.headers.getSetCookie()
  if (cookies.length === 0) return response
  if (CHANGES_SESSION.test(path)) forgetResetLink(response, exchange)
  if (exchange.head.method === 'POST' && SIGNS_OUT.test(path)) clearSiteData(response, exchange, cookies)
  return response
}

const CHANGES_SESSION = /^\/auth\/(?:sign-(?:in|up|out|out-everywhere)|providers\/[^/]+\/callback)$/
/** A session that has ended by itself clears cookies too, and must not take unsaved work along. */
const SIGNS_OUT = /^\/auth\/(?:sign-out|sign-out-everywhere|account)$/

/** Where a browser's session is replaced or ended, an opened reset link goes with it; a renewal keeps it. */
function forgetResetLink(response: Response, { head, runtime }: Answered): void {
  const stale = staleResetCookie(head.headers.get('Cookie'), cookieNames(runtime.config.insecureCookies))
  for (const line of stale) response.headers.append('Set-Cookie', line)
}

/** Clear Site Data §3.1: where the browser's own session was ended. Never `"cookies"`, which would take the upstream's as well. */
function clearSiteData(response: Response, { runtime }: Answered, cookies: readonly string[]): void {
  const { clearSiteData: types } = runtime.config.pages
  const cleared = clearingCookies(cookieNames(runtime.config.insecureCookies))
  const isSignedOut = response.status < 400 && cleared.every((line) => cookies.includes(line))
  if (types.length > 0 && isSignedOut)
    response.headers.set('Clear-Site-Data', types.map((type) => `"${type}"`).join(', '))
}
