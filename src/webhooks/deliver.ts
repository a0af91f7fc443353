// Deliveries: what is due goes out, by a table that says who tries what and when, so that a sender may die at any moment.

import type { Webhook } from '../config/config.ts'
import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import { inLanes } from '../lanes.ts'
import type { Log } from '../log.ts'
import { describeFault } from '../log.ts'
import type { Fetch } from '../outbound.ts'
import { sendMessage } from './send.ts'
import type { Delivery } from './store.ts'
import { buryDead, markDelivered, parseDelivery, putBack, takeDue } from './store.ts'

export interface Sender {
  readonly db: Database
  readonly config: { readonly webhooks: readonly Webhook[] }
  readonly webhookSecrets: ReadonlyMap<string, readonly Uint8Array[]>
  readonly fetch: Fetch
  readonly now: () => number
  readonly log: Log
}

/** Deliveries to one webhook that a round takes, and sends one after another. */
const SHARE = 20
/**
 * Seconds after which a webhook's round begins no other attempt: with ten webhooks all attempts are over within 40, and a
 * minute after it was taken a first attempt is anybody's again.
 */
const ROUND_SECONDS = 10
/** Deliveries that a round gives up, each a line of the log. */
const BURIED = 50

/**
 * One round: takes what is due, a share for each webhook, and sends it. A webhook that fails once is left alone for the rest
 * of the round. Whatever happens, what was taken and not delivered is due again later. Order is not kept.
 * True where a webhook had its share and may be due more.
 * @throws Error when D1 fails
 */
export async function deliverDue(sender: Sender): Promise<boolean> {
  const { db, config, log } = sender
  const { webhooks } = config
  if (webhooks.length === 0) return false
  const ids = webhooks.map(({ id }) => id)
  const [buried = [], ...taken] = await runBatch(db, [buryDead(db, BURIED), ...ids.map((id) => takeDue(db, id, SHARE))])
  for (const { id, webhook } of parseAll(buried)) log({ event: 'webhook', reason: 'dead', webhook, delivery: id })
  const rounds = webhooks.map((webhook, at) => ({ webhook, deliveries: parseAll(taken[at] ?? []) }))
  const full: string[] = []
  await inLanes(rounds, async ({ webhook, deliveries }) => {
    const sent = await sendAll(sender, webhook, deliveries)
    if (sent === SHARE) full.push(webhook.id)
  })
  return full.length > 0
}

function parseAll(rows: readonly unknown[]): readonly Delivery[] {
  return rows.map(parseDelivery).filter((delivery) => delivery !== null)
}

/** Sends until one fails or time is up, and puts the rest back; how many were delivered. Does NOT throw. */
async function sendAll(sender: Sender, webhook: Webhook, deliveries: readonly Delivery[]): Promise<number> {
  const { db, now, log } = sender
  const began = now()
  try {
    for (const [at, delivery] of deliveries.entries()) {
      const isLate = now() - began >= ROUND_SECONDS
      if (isLate || !(await isDelivered(sender, webhook, delivery))) {
        await putAllBack(db, deliveries.slice(isLate ? at : at + 1))
        return at
      }
    }
  } catch (error) {
    log({ event: 'webhook', reason: 'not recorded', webhook: webhook.id, ...describeFault(error) })
    return 0
  }
  return deliveries.length
}

/** Any 2xx is; a failure is logged. @throws Error when D1 fails */
async function isDelivered(sender: Sender, webhook: Webhook, delivery: Delivery): Promise<boolean> {
  const { db, fetch, webhookSecrets, now, log } = sender
  const failed = { event: 'webhook', webhook: webhook.id, delivery: delivery.id } as const
  const secrets = webhookSecrets.get(webhook.id) ?? []
  try {
    const status = await sendMessage(fetch, webhook.url, delivery, secrets, now())
    if (status < 200 || status > 299) {
      log({ ...failed, reason: 'refused', status })
      return false
    }
  } catch (error) {
    log({ ...failed, reason: 'unreachable', ...describeFault(error) })
    return false
  }
  await runBatch(db, [markDelivered(db, delivery.id)])
  return true
}

async function putAllBack(db: Database, deliveries: readonly Delivery[]): Promise<void> {
  if (deliveries.length > 0)
    await runBatch(
      db,
      deliveries.map(({ id }) => putBack(db, id)),
    )
}
