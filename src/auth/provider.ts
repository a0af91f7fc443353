// What the flows of OpenID Connect share: which provider a URL names, what it says of itself, and our own URLs.

import type { Config, Provider } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { isEmbedded } from '../navigation.ts'
import { findMetadata } from '../providers/discovery.ts'
import type { Metadata } from '../providers/metadata.ts'
import type { Exchange } from '../runtime.ts'

/** @throws Denial `no_route` where no provider has this id */
export function requireProvider({ runtime }: Exchange, id: string): Provider {
  const provider = runtime.config.providers.find((entry) => entry.id === id)
  if (provider === undefined) throw new Denial('no_route', { reason: 'no such provider' })
  return provider
}

/**
 * Signing in is for a page: what any site may embed spends nothing of its visitors' limit, and leaves them no cookies.
 * @throws Denial `cross_site_request`
 */
export function enforcePage({ head }: Exchange): void {
  if (isEmbedded(head)) throw new Denial('cross_site_request', { reason: 'not opened as a page' })
}

/** @throws Denial `issuer_unavailable` */
export function metadataOf({ runtime, waitUntil }: Exchange, provider: Provider): Promise<Metadata> {
  const { fetch, now, log, providerMetadata: memory, signed } = runtime
  return findMetadata({ fetch, now, log, memory, signed, waitUntil }, provider)
}

/** Where the provider sends a browser back to. */
export function callbackUrl({ issuer, authPath }: Config, provider: Provider): string {
  return `${issuer}${authPath}/providers/${provider.id}/callback`
}
