// Who an API key proves: found by its digest in this isolate, else by its id in D1, and held against its marker like a token (DESIGN §7).

import { Denial } from '../denial.ts'
import type { PresentedKey } from '../keys/format.ts'
import { parseApiKey } from '../keys/format.ts'
import type { ProvedKey } from '../keys/lifecycle.ts'
import { proveKey, rememberUse } from '../keys/lifecycle.ts'
import { describeFault } from '../log.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { Identity } from '../tokens/identity.ts'
import { RESERVED_CLAIMS } from '../tokens/mint.ts'
import type { OwnIdentity, RevocationRule } from './revocation.ts'
import { enforceOutageRule, isTrustedByMarker, isTrustedHere } from './revocation.ts'

/**
 * The identity of an API key. What D1 said of the key is trusted for as long as an access token lives at most, and within
 * that as the route's revocation rule trusts a token of that age.
 * @throws Denial `invalid_token` for every key that does not hold; `unavailable` where D1 must be asked and cannot be.
 */
export function identifyKey(exchange: Exchange, text: string, rule: RevocationRule): Promise<Identity> | Identity {
  const { apiKeys } = exchange.runtime
  const key = parseApiKey(text)
  if (key === null) throw refused('no API key')
  if (apiKeys.isRefused(key.digest)) throw refused('API key over or unknown')
  const known = apiKeys.find(key.digest)
  return known !== null && isTrustedHere(exchange, known, rule) ? known : judgeKey(exchange, key, known, rule)
}

async function judgeKey(
  exchange: Exchange,
  key: PresentedKey,
  known: OwnIdentity | null,
  rule: RevocationRule,
): Promise<Identity> {
  if (known !== null && rule.revocation === 'marker' && (await isTrustedByMarker(exchange, known))) return known
  const identity = await askDatabase(exchange, key, known, rule)
  if (identity === null) throw refused('API key over or unknown')
  return identity
}

async function askDatabase(
  exchange: Exchange,
  key: PresentedKey,
  known: OwnIdentity | null,
  rule: RevocationRule,
): Promise<Identity | null> {
  const { runtime } = exchange
  try {
    const proved = await proveKey(runtime.db, key)
    if (proved !== null) return acceptKey(exchange, key, proved)
    runtime.apiKeys.refuse(key.digest)
    return null
  } catch (cause) {
    if (known === null) throw new Denial('unavailable', { cause })
    enforceOutageRule(runtime, known, rule, cause)
    return known
  }
}

/** What is remembered of a key; its use is noted beside the request. */
function acceptKey(exchange: Exchange, key: PresentedKey, proved: ProvedKey): OwnIdentity {
  const { markers, apiKeys } = exchange.runtime
  const identity = identityOfKey(exchange.runtime, proved)
  markers.learn(proved.id, proved.tokenVersion)
  apiKeys.remember(key.digest, identity)
  if (proved.useIsDue) exchange.waitUntil(noteUse(exchange, proved.id))
  return identity
}

/** Nobody signed in, so there are neither session nor `auth_time` nor `amr`; `iat` is when D1 said so. */
function identityOfKey({ config }: Runtime, proved: ProvedKey): OwnIdentity {
  const { id: subject, roles, scopes, tokenVersion: version, readAt } = proved
  const custom = Object.entries(proved.claims).filter(([name]) => !RESERVED_CLAIMS.has(name))
  const registered = { iss: config.issuer, sub: subject, iat: readAt, scope: scopes.join(' '), roles, ver: version }
  return {
    issuer: config.issuer,
    subject,
    issuerSubject: subject,
    session: null,
    scopes,
    roles,
    claims: Object.freeze({ ...Object.fromEntries(custom), ...registered }),
    authTime: null,
    expiresAt: Math.min(readAt + config.tokens.accessTtl, proved.endsAt ?? Infinity),
    version,
  }
}

/** No request waits for it, and none fails with it. */
async function noteUse({ runtime, requestId }: Exchange, id: string): Promise<void> {
  try {
    await rememberUse(runtime.db, id)
  } catch (error) {
    runtime.log({ event: 'fault', request_id: requestId, reason: 'last use', subject: id, ...describeFault(error) })
  }
}

function refused(reason: string): Denial {
  return new Denial('invalid_token', { reason })
}
