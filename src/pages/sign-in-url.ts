// Where people sign in, on the way to the page that they asked for.

import { parseReturnTo } from '../auth/return-to.ts'
import type { Config } from '../config/config.ts'
import { canSignIn } from '../config/unauthenticated.ts'
import type { DenialCode } from '../denial.ts'
import type { RequestHead } from '../request-head.ts'

/**
 * The URL of the sign-in page, `null` where nobody can sign in. It comes back to the request's page if that is one of
 * ours. Whoever is signed in, but not recently enough, is asked again (`prompt=login`, OpenID Connect Core §3.1.2.1).
 */
export function findSignInUrl(config: Config, request: RequestHead, code: DenialCode): string | null {
  if (!canSignIn(config)) return null
  const path = ownPath(config, request.url)
  const returnTo = request.method === 'POST' || isStep(config, path) ? null : parseReturnTo(config, path)
  const query = new URLSearchParams({
    ...(returnTo !== null && { return_to: returnTo }),
    ...(code === 'insufficient_user_authentication' && { prompt: 'login' }),
  })
  return `${config.issuer}${config.authPath}/sign-in${query.size === 0 ? '' : `?${query.toString()}`}`
}

/** A URL of ours that is a step of signing in, or no page at all: nobody comes back to it. */
function isStep({ authPath }: Config, path: string): boolean {
  const [, below] = path.toLowerCase().split(`${authPath}/`)
  return path.toLowerCase().startsWith(`${authPath}/`) && !/^(?:account|password)(?:[?]|$)/.test(below ?? '')
}

/** The path and query of a page on ISSUER's host; of another host's the whole URL. */
function ownPath({ issuerHost }: Config, url: string): string {
  const [, authority = '', path = ''] = /^[^:]+:\/\/([^/]*)(.*)$/s.exec(url) ?? []
  return authority.replace(/:\d*$/, '').toLowerCase() === issuerHost ? path : url
}
