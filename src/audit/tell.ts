// Telling of a change: the audit trail, and every webhook that wants to hear of it, in the batch of the change itself.

import type { Webhook, WebhookEvent } from '../config/config.ts'
import type { Database, Source } from '../database.ts'
import { insertDeliveryOf } from '../webhooks/store.ts'
import type { AuditAction, AuditDetails } from './store.ts'
import { insertAuditOf } from './store.ts'

/** On whose behalf something changes, and who wants to hear of it. */
export interface Teller {
  /** `null`: whoever it is done to does it himself. */
  readonly actor: string | null
  readonly requestId: string | null
  readonly webhooks: readonly Webhook[]
}

/** What webhooks call the actions that they hear of. */
const EVENTS: Readonly<Partial<Record<AuditAction, WebhookEvent>>> = {
  sign_in: 'session.opened',
  'session.end': 'session.ended',
  'session.reuse': 'session.reuse_found',
  'password.change': 'user.changed',
  'password.reset': 'user.changed',
  'identity.link': 'identity.linked',
  'identity.unlink': 'identity.unlinked',
  'identity.suspend': 'identity.suspended',
  'user.change': 'user.changed',
  'user.disable': 'user.changed',
  'user.enable': 'user.changed',
  'user.delete': 'user.changed',
  'admin.grant': 'admin.granted',
  'admin.revoke': 'admin.revoked',
}

/** The statements that tell of each row of a source: they have no rows of their own, and none tells of what is not done. */
export function tell(
  db: Database,
  { actor, requestId, webhooks }: Teller,
  action: AuditAction,
  details: AuditDetails,
  source: Source,
): readonly D1PreparedStatement[] {
  const recorded = insertAuditOf(db, { actor, action, outcome: 'success', requestId, details }, source)
  const event = EVENTS[action]
  if (event === undefined) return [recorded]
  const data = JSON.stringify(event === 'user.changed' ? { action, ...details } : details)
  const listening = webhooks.filter(({ events }) => events.has(event))
  return [recorded, ...listening.map((webhook) => insertDeliveryOf(db, webhook, { event, data }, source))]
}
