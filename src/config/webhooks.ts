// WEBHOOKS: who is told of sessions and users, and of what.

import type { Webhook, WebhookEvent } from './config.ts'
import { readSafeUrl } from './origin.ts'
import { readChoices, readTables, readText, refuse, requireMember, type Table } from './read.ts'

const EVENTS: readonly WebhookEvent[] = [
  'session.opened',
  'session.ended',
  'session.reuse_found',
  'user.changed',
  'identity.linked',
  'identity.unlinked',
  'identity.suspended',
  'admin.granted',
  'admin.revoked',
]

/** Each takes its share of a minute's deliveries, and of every batch that it hears of. */
const MAX_WEBHOOKS = 10

/** Every entry that can be used; whatever else is wrong with it is reported. */
export function readWebhooks(root: Table): readonly Webhook[] {
  const tables = readTables(root, 'WEBHOOKS', ['id', 'url', 'events'])
  if (tables.length > MAX_WEBHOOKS) refuse(root, 'WEBHOOKS', `must be at most ${MAX_WEBHOOKS}`)
  const webhooks = tables.flatMap((table) => readWebhook(table) ?? [])
  for (const [index, { key, id }] of webhooks.entries()) {
    const namesake = webhooks.slice(0, index).find((other) => other.id === id)
    if (namesake !== undefined) root.report(`${key}.id`, `is the same as ${namesake.key}.id`)
  }
  return webhooks
}

/** The secret that a webhook's messages are signed by: `WEBHOOK_MY_CRM_SECRET` of `my-crm`. No two ids have one name. */
export function webhookSecretName({ id }: Pick<Webhook, 'id'>): string {
  return `WEBHOOK_${id.toUpperCase().replaceAll('-', '_')}_SECRET`
}

function readWebhook(table: Table): Webhook | null {
  for (const name of ['id', 'url', 'events']) requireMember(table, name)
  const id = readId(table)
  const url = readSafeUrl(table, 'url')
  const events = readChoices(table, 'events', EVENTS)
  if (events?.length === 0) refuse(table, 'events', 'must not be an empty list')
  if (id === null || url === null || events === null) return null
  return { key: table.key, id, url, events: new Set(events) }
}

/** A part of a secret's name and of rows. */
function readId(table: Table): string | null {
  const id = readText(table, 'id')
  if (id === null || /^[a-z0-9-]{1,32}$/.test(id)) return id
  return refuse(table, 'id', 'must be 1 to 32 of the characters a-z, 0-9 and -')
}
