// One attempt at a delivery: a POST to the configured URL and nowhere else, signed by Standard Webhooks, version 1.

import { createHmac } from 'node:crypto'

import type { Fetch } from '../outbound.ts'
import { withinTime } from '../time-limit.ts'
import type { Delivery } from './store.ts'

/** Milliseconds that a receiver has for its answer's headers; of the body nothing is read. */
const ANSWER_LIMIT_MS = 10_000

/**
 * The status that the receiver answered with: a redirect is an answer too. `now` is in unix seconds.
 * Every secret signs, so that the receiver may have either while one takes the other's place.
 * @throws Error where there is no answer in time
 */
export async function sendMessage(
  fetch: Fetch,
  url: string,
  delivery: Delivery,
  secrets: readonly Uint8Array[],
  now: number,
): Promise<number> {
  const headers = {
    'Content-Type': 'application/json',
    'User-Agent': 'Gatehouse',
    'Webhook-Id': delivery.id,
    'Webhook-Timestamp': String(now),
    'Webhook-Signature': secrets.map((secret) => sign(secret, `${delivery.id}.${now}.${delivery.body}`)).join(' '),
  }
  const controller = new AbortController()
  const init = { method: 'POST', headers, body: delivery.body, signal: controller.signal } as const
  try {
    const { status } = await withinTime(fetch(url, { ...init, redirect: 'manual' }), ANSWER_LIMIT_MS)
    return status
  } finally {
    controller.abort()
  }
}

function sign(secret: Uint8Array, text: string): string {
  return `v1,${createHmac('sha256', secret).update(text).digest('base64')}`
}
