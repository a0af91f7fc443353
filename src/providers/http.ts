// Asks a provider: no redirects, nothing cached between, bounded in time and size, the body included.

import { Denial } from '../denial.ts'
import type { Fetch } from '../outbound.ts'
import { readBounded } from '../outbound.ts'
import { withinTime } from '../time-limit.ts'

/** Milliseconds for one answer as a whole. */
const ANSWER_LIMIT_MS = 5000
const MAX_BODY_BYTES = 256 * 1024

/**
 * The answer, read to its end; its status is not judged. Redirects are answers: what a provider says it says where it was asked.
 * @throws Denial `issuer_unavailable`
 */
export async function fetchWhole(fetch: Fetch, url: string, init: RequestInit): Promise<Response> {
  const controller = new AbortController()
  try {
    return await withinTime(load(fetch, url, { ...init, signal: controller.signal }), ANSWER_LIMIT_MS)
  } catch (cause) {
    throw cause instanceof Denial ? cause : unavailable('fetch', cause)
  } finally {
    controller.abort()
  }
}

/** A provider that cannot be asked, or gives no answer that can be used; the reason is for the log. */
export function unavailable(reason: string, cause?: unknown): Denial {
  return new Denial('issuer_unavailable', { reason: `provider:${reason}`, cause })
}

async function load(fetch: Fetch, url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...init, redirect: 'manual', cache: 'no-store' })
  const bytes = await readBounded(response, MAX_BODY_BYTES)
  if (bytes === null) throw unavailable('too_large')
  return new Response(bytes.length === 0 ? null : bytes, { status: response.status, headers: response.headers })
}
