// An upstream signs people in, out and changes them: its one header becomes one transaction (DESIGN §9.3).

import { randomText } from '../crypto.ts'
import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import { publish } from '../sessions/publish.ts'
import { formatSessionToken } from '../sessions/session-token.ts'
import type { SessionState } from '../sessions/store.ts'
import type { Outcome } from './control-batch.ts'
import { commitControl } from './control-batch.ts'
import type { ControlMember } from './control-header.ts'
import { parseControlHeader } from './control-header.ts'
import { clearingCookies, cookieNames, staleResetCookie } from './cookies.ts'
import type { Transport } from './issue.ts'
import { accessExpiry, cookiesFor, mintFor } from './issue.ts'
import { describeNew, findBrowserSession } from './open.ts'
import { tellerFor } from './teller.ts'

/** What is known of a request before its upstream may answer with `Gatehouse-Session`. */
export interface Control {
  /** `Gatehouse-Control`: told to this request's upstream and to nobody else. */
  readonly value: string
  readonly transport: Transport
  /** The session that the browser's cookie names, if its mac is good. */
  readonly browserSession: string | null
  /** What the audit trail calls the upstream. */
  readonly actor: string
  /** Cookies live on ISSUER's host only. */
  readonly takesCookies: boolean
}

/** What the upstream's answer says to the client on top of what the upstream said. */
export interface Settled {
  /** `Set-Cookie` lines; none where the browser keeps what it has. */
  readonly cookies: readonly string[]
  readonly headers: Readonly<Record<string, string>>
}

/** `host` is the request's, `upstream` an origin. @throws Denial `ambiguous_credential` */
export function createControl(exchange: Exchange, host: string, upstream: string): Control {
  return {
    value: randomText(32),
    transport: exchange.request.headers.get('Gatehouse-Transport') === 'token' ? 'token' : 'cookie',
    browserSession: findBrowserSession(exchange),
    actor: `the upstream ${upstream}`,
    takesCookies: host === exchange.runtime.config.issuerHost,
  }
}

/**
 * Does what the header says, all of it or nothing, and gives what the client must be told. One batch; ends and changes
 * are published before the answer. `ownSession` is the one of the request's identity.
 * Does NOT look at the upstream's status, but for its transport: a redirect's headers reach no script.
 * @throws Denial `invalid_session_control`; `invalid_sign_in` where the user to sign in is disabled
 */
export async function settleControl(
  exchange: Exchange,
  control: Control,
  ownSession: string | null,
  answer: { readonly header: string; readonly status: number },
): Promise<Settled> {
  const { runtime } = exchange
  const members = parseControlHeader(answer.header, control.value)
  const transport = answer.status < 300 ? control.transport : 'cookie'
  const opens = members.some(({ action }) => action === 'open')
  if (opens && transport === 'cookie' && !control.takesCookies) {
    throw new Denial('invalid_session_control', { reason: "cookies live on ISSUER's host only" })
  }
  const scene = {
    device: describeNew(exchange),
    replaced: transport === 'cookie' ? control.browserSession : null,
    own: ownSession ?? control.browserSession,
    browser: control.browserSession,
  }
  const outcome = await commitControl(runtime, members, scene, tellerFor(exchange, control.actor))
  await announce(exchange, members, outcome)
  const endsNothing = scene.own === null && members.some(({ action }) => action === 'end')
  const isOver = outcome.browser?.alive === false || (endsNothing && transport === 'cookie')
  return tellClient(exchange, outcome.opened, transport, isOver)
}

/** A sign-in does not wait for its marker; who is signed out or changed has been, once the answer says so. */
async function announce(
  { runtime, waitUntil }: Exchange,
  members: readonly ControlMember[],
  { raised, opened }: Outcome,
): Promise<void> {
  const first = opened?.publishedVersion === 0 ? [opened] : []
  const latest = new Map([...raised, ...first].map(({ userId, tokenVersion }) => [userId, tokenVersion]))
  const published = Promise.all([...latest].map(([userId, tokenVersion]) => publish(runtime, { userId, tokenVersion })))
  if (members.every(({ action }) => action === 'open')) return waitUntil(published)
  await published
}

async function tellClient(
  exchange: Exchange,
  opened: SessionState | null,
  transport: Transport,
  isOver: boolean,
): Promise<Settled> {
  const { runtime, head } = exchange
  const { config, now, sessionKeys } = runtime
  const names = cookieNames(config.insecureCookies)
  const cleared = isOver ? clearingCookies(names) : []
  if (opened === null) return { cookies: cleared, headers: {} }
  const accessToken = await mintFor(runtime, opened, now())
  if (transport === 'cookie') {
    const cookies = [
      ...cookiesFor(runtime, opened, accessToken, now()),
      ...staleResetCookie(head.headers.get('Cookie'), names),
    ]
    return { cookies, headers: {} }
  }
  const headers = {
    'Gatehouse-Access-Token': accessToken,
    'Gatehouse-Refresh-Token': formatSessionToken(sessionKeys, 'r', opened),
    'Gatehouse-Expires-In': String(accessExpiry(config, opened, now()) - now()),
  }
  return { cookies: cleared, headers }
}
