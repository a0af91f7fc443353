// On whose behalf a request changes something, for the audit trail and for webhooks.

import type { Teller } from '../audit/tell.ts'
import type { Exchange } from '../runtime.ts'

/** `null` is whoever the change is made to: he makes it himself. */
export function tellerFor({ runtime, requestId }: Exchange, actor: string | null): Teller {
  return { actor, requestId, webhooks: runtime.config.webhooks }
}
