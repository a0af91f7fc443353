// The account page: who I am, my devices and ending them, my ways to sign in.

import type { JSX } from 'hono/jsx/jsx-runtime'

import type { UserRow } from '../accounts/store.ts'
import { readBody } from '../auth/body.ts'
import { clearingCookies, cookieNames } from '../auth/cookies.ts'
import { publishEnded } from '../auth/effective.ts'
import { removeOwn } from '../auth/identities.ts'
import { credentialsOf } from '../auth/issue.ts'
import { requireRecentProof } from '../auth/recent-proof.ts'
import type { Site } from '../auth/same-site.ts'
import { enforceTransport } from '../auth/same-site.ts'
import { tellerFor } from '../auth/teller.ts'
import type { Config } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { findAccount } from '../identities/account.ts'
import type { Identity } from '../identities/store.ts'
import type { Exchange } from '../runtime.ts'
import { endDevice, endOtherDevices, listDevices } from '../sessions/lifecycle.ts'
import type { Device } from '../sessions/store.ts'
import { deviceName } from './device-name.ts'
import { Carried } from './form.tsx'
import { answerPage } from './layout.tsx'
import { requireVisitor } from './living.ts'
import { afterSignOut, linkPath, pagePath, queryOf } from './places.ts'
import { answerSeeOther } from './see-other.ts'

/** `GET /auth/account`. @throws Denial `credential_required`, `invalid_token`, `session_ended`, `ambiguous_credential` */
export async function showAccount(exchange: Exchange): Promise<Response> {
  const { config, db, now } = exchange.runtime
  const { session, cookies } = await requireVisitor(exchange)
  const [{ user, identities }, devices] = await Promise.all([
    findAccount(db, session.userId),
    listDevices(db, session.userId, config.sessions.idleTimeout),
  ])
  const done = DONE.get(queryOf(exchange.head.url).get('done') ?? '') ?? null
  const account = { config, user, identities, devices, current: session.sessionId, done, now: now() }
  const page = { heading: 'Your account', site: config.issuerHost, wide: true, content: <Content {...account} /> }
  return answerPage(page, { cookies, formOrigins: [] })
}

/**
 * `POST /auth/account`: ends one of my sessions (`end=<id>`), or all but this one (`end=others`), or removes a way to sign in
 * (`unlink=<id>`). Safe to repeat; the id of another user's session ends nothing and says nothing.
 * @throws Denial `invalid_request`, `cross_site_request`, `credential_required`, `invalid_token`, `session_ended`
 */
export async function submitAccount(exchange: Exchange, site: Site): Promise<Response> {
  const { db, config } = exchange.runtime
  const { end, unlink } = await readBody(exchange.request, ['end', 'unlink'])
  enforceTransport(site, 'cookie')
  if (unlink !== undefined && end === undefined) return submitUnlink(exchange, unlink)
  if (end === undefined || end === '') throw new Denial('invalid_request', { reason: 'end' })
  const { session, cookies } = await requireVisitor(exchange)
  const { idleTimeout } = config.sessions
  const teller = tellerFor(exchange, null)
  const ended =
    end === 'others'
      ? await endOtherDevices(db, session, idleTimeout, teller)
      : await endDevice(db, session.userId, end, idleTimeout, teller)
  await publishEnded(exchange.runtime, ended)
  if (end === session.sessionId) {
    return answerSeeOther(afterSignOut(config, null), clearingCookies(cookieNames(config.insecureCookies)))
  }
  return answerSeeOther(`${pagePath(config, 'account')}?done=${end === 'others' ? 'others' : 'one'}`, cookies)
}

/** The page asks to sign in again where the sign-in is not recent. @throws Denial `no_route`, `conflict` */
async function submitUnlink(exchange: Exchange, id: string): Promise<Response> {
  const { session, cookies: renewed } = await requireVisitor(exchange)
  await requireRecentProof(exchange, session, undefined, renewed)
  const removed = await removeOwn(exchange, session, id)
  const [{ cookies }] = await Promise.all([
    credentialsOf(exchange.runtime, removed.session, 'cookie'),
    publishEnded(exchange.runtime, removed.ended),
  ])
  return answerSeeOther(`${pagePath(exchange.runtime.config, 'account')}?done=unlinked`, cookies)
}

/** What the address says was done. Fixed words: nobody can put his own there. */
const DONE: ReadonlyMap<string, string> = new Map([
  ['one', 'That device has been signed out.'],
  ['others', 'All other devices have been signed out.'],
  ['unlinked', 'That way to sign in has been removed, and its sessions have ended.'],
  ['password', 'Your password has been changed, and all other devices have been signed out.'],
])

interface Account {
  readonly config: Config
  readonly user: UserRow | null
  readonly identities: readonly Identity[]
  readonly devices: readonly Device[]
  /** The session that asks. */
  readonly current: string
  readonly done: string | null
  /** Unix seconds. */
  readonly now: number
}

function Content({ config, user, identities, devices, current, done, now }: Account): JSX.Element {
  const others = devices.filter(({ sessionId }) => sessionId !== current)
  const own = devices.filter(({ sessionId }) => sessionId === current)
  return (
    <>
      <p class="quiet">
        Signed in as <strong>{user?.email ?? user?.id ?? 'somebody'}</strong>
      </p>
      {done !== null && (
        <p class="notice" role="status">
          {done}
        </p>
      )}
      <h2 id="devices">Where you are signed in</h2>
      <ul class="devices" aria-labelledby="devices">
        {own.map((device) => (
          <DeviceItem {...{ device, now, isCurrent: true, action: pagePath(config, 'sign-out') }} />
        ))}
        {others.map((device) => (
          <DeviceItem {...{ device, now, isCurrent: false, action: pagePath(config, 'account') }} />
        ))}
      </ul>
      {others.length > 0 && (
        <form class="after" method="post" action={pagePath(config, 'account')}>
          <Carried name="end" value="others" />
          <button class="plain">Sign out all other devices</button>
        </form>
      )}
      {config.passwords.signIn && typeof user?.passwordHash === 'string' && (
        <>
          <h2>Password</h2>
          <p>
            <a href={pagePath(config, 'password')}>Change your password</a>
          </p>
        </>
      )}
      {config.providers.length + identities.length > 0 && <Providers {...{ config, identities }} />}
    </>
  )
}

function Providers({ config, identities }: Pick<Account, 'config' | 'identities'>): JSX.Element {
  const unlinked = config.providers.filter(({ id }) => !identities.some(({ provider }) => provider === id))
  return (
    <>
      <h2 id="providers">Other ways to sign in</h2>
      <ul class="devices" aria-labelledby="providers">
        {identities.map((identity) => (
          <IdentityItem {...{ config, identity }} />
        ))}
        {unlinked.map(({ id }) => (
          <li>
            <div>
              <span class="name">{id}</span>
            </div>
            <LinkForm {...{ config, id, text: 'Link' }} />
          </li>
        ))}
      </ul>
    </>
  )
}

function IdentityItem({ config, identity }: { readonly config: Config; readonly identity: Identity }): JSX.Element {
  const { id, provider, linkedAt, suspendedAt } = identity
  const isOffered = config.providers.some((each) => each.id === provider)
  return (
    <li>
      <div>
        <p>
          <span class="name">{provider}</span>
          <span class="badge">{suspendedAt === null ? 'Linked' : 'Suspended'}</span>
        </p>
        <p class="quiet">
          Linked <time datetime={isoTime(linkedAt)}>{dayInWords(linkedAt)}</time>
        </p>
        {suspendedAt !== null && (
          <p class="quiet">It does not sign you in since your account was recovered. Link it again if it is yours.</p>
        )}
      </div>
      {suspendedAt !== null && isOffered && <LinkForm {...{ config, id: provider, text: 'Link again' }} />}
      <form method="post" action={pagePath(config, 'account')}>
        <Carried name="unlink" value={id} />
        <button class="plain">
          Remove<span class="unseen"> {provider}</span>
        </button>
      </form>
    </li>
  )
}

interface LinkFormProps {
  readonly config: Config
  readonly id: string
  readonly text: string
}

function LinkForm({ config, id, text }: LinkFormProps): JSX.Element {
  return (
    <form method="post" action={linkPath(config, id)}>
      <button class="plain">
        {text}
        <span class="unseen"> {id}</span>
      </button>
    </form>
  )
}

interface DeviceItemProps {
  readonly device: Device
  readonly now: number
  readonly isCurrent: boolean
  /** Where its form goes. */
  readonly action: string
}

function DeviceItem({ device, now, isCurrent, action }: DeviceItemProps): JSX.Element {
  const name = deviceName(device.userAgent)
  return (
    <li>
      <div>
        <p>
          <span class="name">{name}</span>
          {isCurrent && <span class="badge">This device</span>}
        </p>
        <p class="quiet">
          {isCurrent ? 'In use now' : `Last used ${agoInWords(now - device.lastSeenAt)}`}
          {device.address !== null && ` from ${device.address}`}
        </p>
        <p class="quiet">
          Signed in <time datetime={isoTime(device.createdAt)}>{dayInWords(device.createdAt)}</time>
        </p>
      </div>
      <form method="post" action={action}>
        {!isCurrent && <Carried name="end" value={device.sessionId} />}
        <button class="plain">
          Sign out
          <span class="unseen">
            {isCurrent ? ' of this device' : ` of ${name}, signed in ${dayInWords(device.createdAt)}`}
          </span>
        </button>
      </form>
    </li>
  )
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const

function agoInWords(seconds: number): string {
  const [unit, length] = UNITS.find(([, each]) => seconds >= each) ?? ['moment', 0]
  if (length === 0) return 'a moment ago'
  const count = Math.floor(seconds / length)
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`
}

/** The server does not know where the reader is, so the zone is said. */
function dayInWords(unixSeconds: number): string {
  return `${DAY.format(unixSeconds * 1000)} UTC`
}

const DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' })

function isoTime(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString()
}
