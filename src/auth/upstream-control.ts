// An upstream signs people in, out and changes them: its one header becomes one transaction (DESIGN §9.3).

import { runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import { publish } from '../sessions/publish.ts'
import { formatSessionToken } from '../sessions/session-token.ts'
import type { SessionState } from '../sessions/store.ts'
import { parseSession, selectSession } from '../sessions/store.ts'
import type { Outcome } from './control-batch.ts'
import { commitControl } from './control-batch.ts'
import type { ControlMember } from './control-header.ts'
import { parseControlHeader } from './control-header.ts'
import type { Space } from './control-space.ts'
import { isInSpace, isWholeSpace, spaceOf } from './control-space.ts'
import type { Control, Settled } from './control.ts'
import { clearingCookies, cookieNames, staleResetCookie } from './cookies.ts'
import type { Transport } from './issue.ts'
import { accessExpiry, cookiesFor, mintFor } from './issue.ts'
import { describeNew } from './open.ts'
import { tellerFor } from './teller.ts'

/**
 * Does what the header says, all of it or nothing, and gives what the client must be told. One batch; ends and changes
 * are published before the answer. `ownSession` is the one of the request's identity. A session of another space is neither
 * ended nor replaced: the browser's cookies change, and the session stays among its user's devices.
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
  const space = spaceOf(runtime.config, control.rules)
  const members = parseControlHeader(answer.header, control.value, space)
  const transport = answer.status < 300 ? control.transport : 'cookie'
  const opens = members.some(({ action }) => action === 'open')
  if (opens && transport === 'cookie' && !control.takesCookies) {
    throw new Denial('invalid_session_control', { reason: "cookies live on ISSUER's host only" })
  }
  const present = ownSession ?? control.browserSession
  const [own, replaced] = await keepInSpace(runtime, space, [present, control.browserSession])
  const scene = {
    device: describeNew(exchange),
    administrators: control.rules.administrators,
    replaced: transport === 'cookie' ? replaced : null,
    own,
    browser: control.browserSession,
  }
  const outcome = await commitControl(runtime, members, scene, tellerFor(exchange, control.actor))
  await announce(exchange, members, outcome)
  const endsNothing = present === null && members.some(({ action }) => action === 'end')
  const isOver = outcome.browser?.alive === false || (endsNothing && transport === 'cookie')
  return tellClient(exchange, outcome.opened, transport, isOver)
}

/** The sessions whose users are in the space; the user of a session never changes. Asks D1 only where there are other spaces. */
async function keepInSpace(
  { db, config }: Runtime,
  space: Space,
  [own, browser]: readonly [string | null, string | null],
): Promise<readonly [string | null, string | null]> {
  if (isWholeSpace(space) || (own === null && browser === null)) return [own, browser]
  const { idleTimeout } = config.sessions
  const rows = await runBatch(db, [
    selectSession(db, own ?? '', idleTimeout),
    selectSession(db, browser ?? '', idleTimeout),
  ])
  const [ofOwn, ofBrowser] = rows.map(([row]) => parseSession(row))
  const isInside = (session: SessionState | null | undefined) => session != null && isInSpace(space, session.userId)
  return [isInside(ofOwn) ? own : null, isInside(ofBrowser) ? browser : null]
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
