// Opening a session for somebody who has just proved who he is, whatever the way in was.

import { addressBlock } from '../rate-limit.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { OtherStatements } from '../sessions/lifecycle.ts'
import { openSession } from '../sessions/lifecycle.ts'
import { publish } from '../sessions/publish.ts'
import { newSessionId, parseSessionToken } from '../sessions/session-token.ts'
import type { NewSession, ProviderSession, SessionState } from '../sessions/store.ts'
import { cookieNames, readCookies } from './cookies.ts'
import type { Transport } from './issue.ts'
import { tellerFor } from './teller.ts'

/** What was proved; the session opens only if epoch and password still are what was checked. */
export interface Proof extends Pick<NewSession, 'userId' | 'checked' | 'amr' | 'clientId' | 'scopes'> {
  readonly provider?: ProviderSignIn
}

/** What a provider says of a sign-in; the ID token, in the clear here, is kept encrypted. */
export interface ProviderSignIn extends Omit<ProviderSession, 'sealedIdToken'> {
  readonly idToken: string | null
}

/** Characters of a `User-Agent` that are kept for the list of devices. */
const USER_AGENT_LENGTH = 256

/** Seconds that a console's session lives, however long others do. */
const CONSOLE_TIMEOUT = 12 * 3600

/**
 * Opens the session, and publishes beside the answer what that changed; `null` where the proof no longer holds.
 * `others` belong to the same transaction.
 */
export async function openFor(
  exchange: Exchange,
  proof: Proof,
  transport: Transport,
  others: OtherStatements,
): Promise<SessionState | null> {
  const { runtime, waitUntil } = exchange
  const kind = proof.clientId === undefined ? 'c' : 'a'
  const { provider, ...proved } = proof
  const device = describeNew(exchange)
  const began = provider === undefined ? {} : { provider: await keptOf(runtime, device.sessionId, provider) }
  const session = { ...device, ...(kind === 'a' && limitsOfConsole(runtime)), ...proved, ...began }
  const replaced = transport === 'cookie' ? findBrowserSession(exchange, kind) : null
  const teller = tellerFor(exchange, proof.userId)
  const opened = await openSession(runtime.db, runtime.config.sessions, session, replaced, others, teller)
  if (opened.outcome === 'refused') return null
  waitUntil(Promise.all(opened.raised.map((user) => publish(runtime, user))))
  return opened.session
}

async function keptOf(
  { sessionKeys }: Runtime,
  sessionId: string,
  { idToken, ...said }: ProviderSignIn,
): Promise<ProviderSession> {
  const { sealText } = await import('../sealed-text.ts')
  return { ...said, sealedIdToken: idToken === null ? null : sealText(sessionKeys, sessionId, idToken) }
}

function limitsOfConsole({ config }: Runtime): Pick<NewSession, 'absoluteTimeout'> {
  return { absoluteTimeout: Math.min(config.sessions.absoluteTimeout, CONSOLE_TIMEOUT) }
}

/** A session to come, by what this request tells of its device. */
export function describeNew({ runtime, request, clientAddress }: Exchange): Omit<NewSession, keyof Proof> {
  const { absoluteTimeout } = runtime.config.sessions
  const userAgent = request.headers.get('User-Agent')?.slice(0, USER_AGENT_LENGTH) ?? null
  const address = clientAddress === null ? null : addressBlock(clientAddress)
  return { sessionId: newSessionId(), absoluteTimeout, userAgent, address }
}

/** The session that this browser has now: a new one takes its place. */
export function findBrowserSession({ request, runtime }: Exchange, kind: 'c' | 'a' = 'c'): string | null {
  const { session } = readCookies(request.headers.get('Cookie'), cookieNames(runtime.config.insecureCookies))
  if (session === null) return null
  return parseSessionToken(runtime.sessionKeys, kind, session)?.sessionId ?? null
}
