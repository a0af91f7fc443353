// An administrator ends a subject of another issuer: what it was given until now is refused (DESIGN §7).

import { revoke } from '../issuers/lifecycle.ts'
import { confirmIssuerPublished } from '../issuers/store.ts'
import type { Runtime } from '../runtime.ts'
import { publish } from '../sessions/publish.ts'
import type { EffectiveBy } from './effective.ts'
import { effectiveBy } from './effective.ts'

/**
 * Revokes the tokens that a configured issuer gave to a subject until now, and says when that is felt: never where a route
 * says `revocation = "expiry"` but by their end. `null`, and nothing is done, where no such issuer is configured. `others`
 * belong to the same transaction. Safe to repeat. Does NOT know who asks, nor whether there is such a subject.
 */
export async function revokeSubject(
  runtime: Runtime,
  { issuer, subject }: { readonly issuer: string; readonly subject: string },
  others: readonly D1PreparedStatement[],
): Promise<EffectiveBy | null> {
  const { config, db, now } = runtime
  const configured = config.issuers.find((entry) => entry.issuer === issuer)
  if (configured === undefined) return null
  const raised = await revoke(db, issuer, subject, others)
  await publish(runtime, raised, undefined, confirmIssuerPublished)
  return effectiveBy(config, now(), configured.maxLifetime)
}
