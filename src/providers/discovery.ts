// A provider's metadata: when it is fetched, how long it is kept, what holds while it cannot be had.

import type { Provider } from '../config/config.ts'
import { sha256 } from '../crypto.ts'
import { decodeUtf8, isObject, parseJsonObject } from '../json.ts'
import type { JsonObject } from '../json.ts'
import type { Log } from '../log.ts'
import type { Fetch } from '../outbound.ts'
import type { Place, SignedText } from '../signed-text.ts'
import { withinTime } from '../time-limit.ts'
import { fetchWhole, unavailable } from './http.ts'
import type { Metadata } from './metadata.ts'
import { parseMetadata } from './metadata.ts'

export interface Discovery {
  readonly fetch: Fetch
  /** Unix seconds. */
  readonly now: () => number
  readonly log: Log
  /** What the isolate knows; plain data, because in Workers a promise cannot be shared between requests. */
  readonly memory: Map<Provider, Known>
  /** Signs what goes into the Cache API, to which other Workers of the zone can write. */
  readonly signed: SignedText
  readonly waitUntil: (work: Promise<unknown>) => void
}

export interface Known {
  readonly document: JsonObject
  readonly metadata: Metadata
  /** Unix seconds, like `triedAt`. */
  readonly fetchedAt: number
  readonly triedAt: number
}

/** How old metadata, in seconds, is fetched anew beside its use, and is of no use. */
const REFRESH_BESIDE = 5 * 60
const USELESS = 24 * 60 * 60

/** Seconds between two attempts to fetch it beside its use. */
const SPACING = 30

const CACHE_LIMIT_MS = 500

/**
 * Metadata that was good stays good for a day while it cannot be fetched. Where nothing is known each call asks the provider, so
 * that whoever tries again is let in as soon as it answers.
 * @throws Denial `issuer_unavailable`
 */
export async function findMetadata(discovery: Discovery, provider: Provider): Promise<Metadata> {
  const known = usable(discovery, provider) ?? (await readCache(discovery, provider))
  if (known === null) return fetchMetadata(discovery, provider)
  if (discovery.now() - known.triedAt >= SPACING && discovery.now() - known.fetchedAt >= REFRESH_BESIDE) {
    discovery.memory.set(provider, { ...known, triedAt: discovery.now() })
    discovery.waitUntil(refresh(discovery, provider))
  }
  return known.metadata
}

function usable({ memory, now }: Discovery, provider: Provider): Known | null {
  const known = memory.get(provider)
  return known !== undefined && now() - known.fetchedAt < USELESS ? known : null
}

/** OpenID Connect Discovery 1.0 §4.1. */
async function fetchMetadata(discovery: Discovery, provider: Provider): Promise<Metadata> {
  const url = `${provider.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const response = await fetchWhole(discovery.fetch, url, { headers: { Accept: 'application/json' } })
  if (response.status !== 200) throw unavailable(`status_${response.status}`)
  const text = decodeUtf8(new Uint8Array(await response.arrayBuffer()))
  const document = text === null ? null : parseJsonObject(text)
  if (document === null) throw unavailable('malformed')
  const known = adopt(discovery, provider, document, discovery.now())
  discovery.waitUntil(writeCache(discovery, provider, known))
  return known.metadata
}

async function refresh(discovery: Discovery, provider: Provider): Promise<void> {
  try {
    await fetchMetadata(discovery, provider)
  } catch {
    discovery.log({ event: 'issuer', issuer: provider.issuer, reason: 'provider:refresh' })
  }
}

function adopt({ memory }: Discovery, provider: Provider, document: JsonObject, fetchedAt: number): Known {
  const metadata = parseMetadata(document, provider.issuer)
  const known = { document, metadata, fetchedAt, triedAt: fetchedAt }
  memory.set(provider, known)
  return known
}

/** What another isolate of this location has fetched; `null` where that cannot be had or used. */
async function readCache(discovery: Discovery, provider: Provider): Promise<Known | null> {
  try {
    const response = await withinTime(caches.default.match(cacheUrl(provider)), CACHE_LIMIT_MS)
    if (response === undefined) return null
    const text = discovery.signed.verify(placeOf(provider), await withinTime(response.text(), CACHE_LIMIT_MS))
    const { document, fetchedAt } = parseJsonObject(text ?? '') ?? {}
    if (!isObject(document) || typeof fetchedAt !== 'number') return null
    adopt(discovery, provider, document, Math.min(fetchedAt, discovery.now()))
    return usable(discovery, provider)
  } catch {
    return null
  }
}

/** Whoever cannot keep it fetches it again. */
async function writeCache({ signed }: Discovery, provider: Provider, { document, fetchedAt }: Known): Promise<void> {
  const headers = { 'Content-Type': 'text/plain', 'Cache-Control': `max-age=${USELESS}` }
  const text = signed.sign(placeOf(provider), JSON.stringify({ document, fetchedAt }))
  const stored = new Response(text, { headers })
  await withinTime(caches.default.put(cacheUrl(provider), stored), CACHE_LIMIT_MS).catch(() => undefined)
}

/** A host that no request can reach. */
function cacheUrl({ issuer }: Provider): string {
  return `https://gatehouse.invalid/signed/provider/${sha256(issuer)}`
}

function placeOf({ issuer }: Provider): Place {
  return { purpose: 'metadata', name: issuer }
}
