// Fetches the key set of another issuer, by discovery where no address is configured: bounded in time and size.

import type { JsonObject } from '../json.ts'
import { decodeUtf8, parseJsonObject } from '../json.ts'
import type { Fetch } from '../outbound.ts'
import { mayBelongTo, readBounded } from '../outbound.ts'
import type { KeySource } from './jwks-cache.ts'

/** Seconds that one attempt may take, bodies included. */
export const ATTEMPT_LIMIT = 5

const MAX_BODY_BYTES = 256 * 1024

/** Why a key set could not be had, in a word for the log. */
export class JwksFailure extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'JwksFailure'
  }
}

/** What the log may say of a failed attempt: words of our own, never what the other side sent. */
export function reasonOf(error: unknown): string {
  return error instanceof JwksFailure ? `jwks:${error.message}` : 'jwks:fetch'
}

/**
 * The issuer's JWK set (RFC 7517 §5), by OpenID Connect Discovery §4 or RFC 8414 §3 where no `jwks_uri` is configured.
 * Does NOT look at the keys; parseKeySet does.
 * @throws JwksFailure, or what fetch throws
 */
export async function fetchJwks(fetch: Fetch, issuer: KeySource): Promise<JsonObject> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), ATTEMPT_LIMIT * 1000)
  try {
    return await Promise.race([load(fetch, issuer, controller.signal), failOnAbort(controller.signal)])
  } finally {
    clearTimeout(timer)
  }
}

async function load(fetch: Fetch, issuer: KeySource, signal: AbortSignal): Promise<JsonObject> {
  const jwksUri = issuer.jwksUri ?? (await discover(fetch, issuer.issuer, signal))
  return readJson(await get(fetch, jwksUri, signal))
}

/** Not every body heeds the signal. */
function failOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new JwksFailure('timeout')))
  })
}

async function discover(fetch: Fetch, issuer: string, signal: AbortSignal): Promise<string> {
  const base = issuer.replace(/\/$/, '')
  const openid = await get(fetch, `${base}/.well-known/openid-configuration`, signal)
  const response = openid.status === 404 ? await get(fetch, oauthMetadataUrl(base), signal) : openid
  const metadata = await readJson(response)
  if (metadata['issuer'] !== issuer) throw new JwksFailure('issuer_mismatch')
  const { jwks_uri: jwksUri } = metadata
  if (typeof jwksUri !== 'string' || !mayBelongTo(jwksUri, issuer)) throw new JwksFailure('jwks_uri')
  return jwksUri
}

/** RFC 8414 §3.1: the well-known part comes between the host and the path. */
function oauthMetadataUrl(base: string): string {
  const { origin, pathname } = new URL(base)
  return `${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`
}

/** Redirects are not followed: a key set lives where its issuer said. No cache between may prolong a key's life. */
async function get(fetch: Fetch, url: string, signal: AbortSignal): Promise<Response> {
  const headers = { Accept: 'application/json' }
  const response = await fetch(url, { redirect: 'manual', cache: 'no-store', headers, signal })
  if (response.status !== 200) await response.body?.cancel()
  return response
}

async function readJson(response: Response): Promise<JsonObject> {
  if (response.status !== 200) throw new JwksFailure(`status_${response.status}`)
  const bytes = await readBounded(response, MAX_BODY_BYTES)
  if (bytes === null) throw new JwksFailure('too_large')
  const text = decodeUtf8(bytes)
  const json = text === null ? null : parseJsonObject(text)
  if (json === null) throw new JwksFailure('malformed')
  return json
}
