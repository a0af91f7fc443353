// Cross-site requests: what a browser sends by itself must not write.

import type { Site } from '../auth/same-site.ts'
import type { Config, Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import type { RequestHead } from '../request-head.ts'
import { type Credential, isWebSocketUpgrade } from './credential.ts'

/** True where a browser attached the credential unasked and the request can write or open a socket. */
export function needsSameSite(request: RequestHead, credential: Credential): boolean {
  return credential.kind === 'cookie' && (writes(request) || isWebSocketUpgrade(request))
}

/** True for every method that RFC 9110 §9.2.1 does not call safe. */
export function writes({ method }: RequestHead): boolean {
  return !SAFE_METHODS.has(method)
}

/**
 * Where a request comes from, as the browser says: `same` is our own origin (Fetch Metadata §2.3) or an origin that is
 * allowed by name (RFC 6454 §7), `unknown` a client that sends neither header. Both are compared whole, so a header
 * that came twice and was joined, `none` and `null` are `cross`.
 */
export function siteOf(request: RequestHead, allowedOrigins: readonly string[]): Site {
  const site = request.headers.get('Sec-Fetch-Site')
  const origin = request.headers.get('Origin')
  if (site === 'same-origin') return 'same'
  if (origin !== null && origin !== 'null' && allowedOrigins.includes(origin)) return 'same'
  return site === null && origin === null ? 'unknown' : 'cross'
}

/** Origins from which a browser may write with cookies. */
export function ownOrigins({ issuer }: Config, { cors }: Route): readonly string[] {
  return cors?.credentials === true ? [issuer, ...cors.origins] : [issuer]
}

/** @throws Denial `cross_site_request` unless the request provably comes from our own or an allowed origin */
export function enforceSameSite(request: RequestHead, allowedOrigins: readonly string[]): void {
  if (siteOf(request, allowedOrigins) === 'same') return
  throw new Denial('cross_site_request', { reason: 'neither same-origin nor an allowed origin' })
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
