// `npm run keys -- rotate`: the next step of a rotation, if its time has come. Both rings go in step, so that one deployment brings both.
import type { Deployed } from './deployed.ts'
import type { Advance, Ring, Wait } from './ring.ts'
import { addStandby, advance, confirm, isRotating, isUnconfirmed } from './ring.ts'
import type { Lifetimes, Rings } from './rings.ts'
import { makeKeys } from './rings.ts'

export type Rotated =
  /** The file is ahead of the gateway. */
  | { readonly outcome: 'undeployed'; readonly deployed: Deployed }
  /** Nothing may be done before the earliest of these; `rings` knows since when it is deployed. */
  | { readonly outcome: 'waiting'; readonly rings: Rings; readonly waits: readonly Wait[] }
  | { readonly outcome: 'changed'; readonly rings: Rings; readonly did: readonly string[] }

export interface Rotation {
  readonly rings: Rings
  readonly config: Lifetimes
  /** Unix seconds. */
  readonly now: number
  /** Asks the gateway whether it runs with these signing keys. */
  readonly isDeployed: (signing: Ring) => Promise<Deployed>
  /** The operator's own word that the gateway runs with the file. */
  readonly isTrusted: boolean
}

export async function rotate({ rings, config, now, isDeployed, isTrusted }: Rotation): Promise<Rotated> {
  const deployed = isTrusted ? 'yes' : await findDeployed(rings, isDeployed)
  if (deployed !== 'yes') return { outcome: 'undeployed', deployed }
  const known = { signing: confirm(rings.signing, now), session: confirm(rings.session, now) }
  const [signing, session] = [advance(known.signing, now), advance(known.session, now)]
  const rotating = isRotating(known.signing, true) || isRotating(known.session, false)
  if (signing.did.length + session.did.length > 0) return changed(signing, session)
  if (rotating) return { outcome: 'waiting', rings: known, waits: [...signing.waits, ...session.waits] }
  const fresh = await makeKeys(config)
  return changed(addStandby(known.signing, fresh.signing), addStandby(known.session, fresh.session))
}

/** What waits for nothing needs no proof. The JWK set proves what has changed in it, and says nothing of session keys alone. */
async function findDeployed({ signing, session }: Rings, ask: Rotation['isDeployed']): Promise<Deployed> {
  if (isUnconfirmed(signing)) return ask(signing)
  return isUnconfirmed(session) ? 'cannot be told' : 'yes'
}

function changed(signing: Advance, session: Advance): Rotated {
  return {
    outcome: 'changed',
    rings: { signing: signing.ring, session: session.ring },
    did: [
      ...signing.did.map(({ id, text }) => `signing key ${id} ${text}`),
      ...session.did.map(({ id, text }) => `session key ${id} ${text}`),
    ],
  }
}
