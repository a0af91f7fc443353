// One user: who he is, where he is signed in, and ending that.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { deleteFor } from '../admin/delete-user.ts'
import { removeIdentityOf } from '../admin/identities.ts'
import { disable, enable, endEverySession } from '../admin/stop-user.ts'
import type { Person } from '../admin/store.ts'
import { endSessionOf, findWithSessions } from '../admin/user-sessions.ts'
import { parseUserSegment, userPath } from '../admin/user.ts'
import { readBody } from '../auth/body.ts'
import { publishEnded } from '../auth/effective.ts'
import { describeRefusal } from '../boundary.ts'
import { Denial } from '../denial.ts'
import type { Identity } from '../identities/store.ts'
import { deviceName } from '../pages/device-name.ts'
import { Carried, ProblemBox } from '../pages/form.tsx'
import { queryOf } from '../pages/places.ts'
import { answerSeeOther } from '../pages/see-other.ts'
import type { Device } from '../sessions/store.ts'
import type { Visit } from './frame.tsx'
import { answerFramed, pathWith, Table, Time } from './frame.tsx'

/** `GET /users/:id`: with `do`, it asks to confirm what a form was about to do. @throws Denial `no_route` */
export async function showUser(visit: Visit): Promise<Response> {
  const query = queryOf(visit.head.url)
  const done = DONE.get(query.get('done') ?? '') ?? null
  const aim = {
    name: query.get('do') ?? '',
    session: query.get('session') ?? '',
    identity: query.get('identity') ?? '',
  }
  return answerUser(visit, { done, aim: TEXTS.has(aim.name) ? aim : null, problem: null })
}

async function answerUser(visit: Visit, note: Note, status?: number): Promise<Response> {
  const { person, sessions, identities } = await findWithSessions(visit, parseUserSegment(visit.segment))
  const content = <Content {...{ person, sessions, identities, note, own: visit.session.sessionId }} />
  const page = { heading: person.email ?? person.id, place: 'Users', content } as const
  return answerFramed(visit, status === undefined ? page : { ...page, status })
}

/** Members of the page's forms. */
export const AIM = ['do', 'session', 'identity']

/**
 * `POST /users/:id`: `do` is what the admin API has a URL for, by the same functions.
 * What is in conflict with the user's state, such as being the last administrator, is said on the page.
 * @throws Denial `invalid_request`, `no_route` for a user or session that is not there
 */
export async function submitUser(visit: Visit): Promise<Response> {
  const body = await readBody(visit.request, AIM)
  const userId = parseUserSegment(visit.segment)
  const step = STEPS.get(body['do'] ?? '')
  if (step === undefined) throw new Denial('invalid_request', { reason: 'do' })
  try {
    await step(visit, userId, body['session'] ?? body['identity'] ?? '')
  } catch (error) {
    if (!(error instanceof Denial) || error.code !== 'conflict') throw error
    visit.runtime.log(describeRefusal({ request: visit.head, requestId: visit.requestId }, error))
    return answerUser(visit, { done: null, aim: null, problem: LAST_ADMINISTRATOR }, error.status)
  }
  const next = body['do'] === 'delete' ? '/users' : pathWith(userPath(userId), { done: body['do'] ?? '' })
  return answerSeeOther(next, visit.cookies)
}

/** `id` is that of a session or identity, where the step takes one. */
type Step = (visit: Visit, userId: string, id: string) => Promise<unknown>

const STEPS: ReadonlyMap<string, Step> = new Map<string, Step>([
  [
    'end',
    async (visit, userId, sessionId) => publishEnded(visit.runtime, await endSessionOf(visit, userId, sessionId)),
  ],
  ['end-all', async (visit, userId) => publishEnded(visit.runtime, await endEverySession(visit, userId))],
  ['disable', async (visit, userId) => publishEnded(visit.runtime, await disable(visit, userId))],
  ['enable', enable],
  ['delete', async (visit, userId) => publishEnded(visit.runtime, await deleteFor(visit, userId))],
  ['unlink', async (visit, userId, id) => publishEnded(visit.runtime, await removeIdentityOf(visit, userId, id))],
])

/** What the address says was done. Fixed words: nobody can put his own there. */
const DONE: ReadonlyMap<string, string> = new Map([
  ['end', 'The session has ended.'],
  ['end-all', 'Every session has ended.'],
  ['disable', 'The user is disabled, and every session has ended.'],
  ['enable', 'The user can sign in again.'],
  ['unlink', 'The way in has been removed, and its sessions have ended.'],
])

/** What is in conflict; nothing else that is done here can be. */
const LAST_ADMINISTRATOR = 'This is the last enabled administrator. Make another user an administrator first.'

const TEXTS: ReadonlyMap<string, string> = new Map([
  ['end', 'End the session'],
  ['end-all', 'End every session'],
  ['disable', 'Disable this user'],
  ['unlink', 'Remove the way in'],
  ['delete', 'Delete for good'],
  ['enable', 'Enable this user'],
])

/** What the page says above the user. */
interface Note {
  readonly done: string | null
  /** What a form was about to do before its administrator had to sign in. */
  readonly aim: { readonly name: string; readonly session: string; readonly identity: string } | null
  readonly problem: string | null
}

interface Shown {
  readonly person: Person
  readonly sessions: readonly Device[]
  readonly identities: readonly Identity[]
  readonly note: Note
  /** The session of the administrator who looks. */
  readonly own: string
}

function Content({ person, sessions, identities, note, own }: Shown): JSX.Element {
  return (
    <>
      <Noted person={person} note={note} />
      <Profile person={person} />
      <Deeds person={person} />
      <h2>Sessions</h2>
      {sessions.length === 0 ? (
        <p>Nobody is signed in.</p>
      ) : (
        <Table {...{ label: 'Sessions', heads: ['Device', 'End it', 'Address', 'Signed in', 'Last seen', 'Ends'] }}>
          {sessions.map((device) => (
            <SessionRow {...{ device, person, isOwn: device.sessionId === own }} />
          ))}
        </Table>
      )}
      {identities.length > 0 && <Identities {...{ person, identities }} />}
      <p class="after">
        <a href={pathWith('/audit', { target: person.id })}>What was done to this user</a>
        {' · '}
        <a href={pathWith('/audit', { actor: person.id })}>What this user did</a>
      </p>
    </>
  )
}

function Identities({ person, identities }: Pick<Shown, 'person' | 'identities'>): JSX.Element {
  return (
    <>
      <h2>Ways in at providers</h2>
      <Table {...{ label: 'Ways in at providers', heads: ['Provider', 'Remove it', 'State', 'Linked'] }}>
        {identities.map(({ id, provider, linkedAt, suspendedAt }) => (
          <tr>
            <td>{provider}</td>
            <td>
              <form method="post" action={userPath(person.id)}>
                <Carried name="do" value="unlink" />
                <Carried name="identity" value={id} />
                <button class="plain">
                  Remove<span class="unseen"> {provider}</span>
                </button>
              </form>
            </td>
            <td>{suspendedAt === null ? 'Signs in' : <>Suspended since {<Time at={suspendedAt} />}</>}</td>
            <td>
              <Time at={linkedAt} />
            </td>
          </tr>
        ))}
      </Table>
    </>
  )
}

function Noted({ person, note: { done, aim, problem } }: Pick<Shown, 'person' | 'note'>): JSX.Element {
  return (
    <>
      {done !== null && (
        <p class="notice" role="status">
          {done}
        </p>
      )}
      <ProblemBox problem={problem === null ? null : { text: problem, fields: [] }} />
      {aim !== null && (
        <form class="notice" method="post" action={userPath(person.id)}>
          <p>
            You had to sign in first, and nothing has been done yet.
            {aim.session !== '' && (
              <>
                {' '}
                Session: <code>{aim.session}</code>
              </>
            )}
          </p>
          <Carried name="do" value={aim.name} />
          <Carried name="session" value={aim.session === '' ? null : aim.session} />
          <Carried name="identity" value={aim.identity === '' ? null : aim.identity} />
          <button>{TEXTS.get(aim.name)}</button>
        </form>
      )}
    </>
  )
}

function Profile({ person }: Pick<Shown, 'person'>): JSX.Element {
  const { id, roles, scopes, claims, hasPassword, disabledAt, createdAt } = person
  return (
    <dl>
      <dt>Id</dt>
      <dd>
        <code>{id}</code>
      </dd>
      <dt>State</dt>
      <dd>{disabledAt === null ? 'Enabled' : <>Disabled since {<Time at={disabledAt} />}</>}</dd>
      <dt>Password</dt>
      <dd>{hasPassword ? 'Set' : 'None'}</dd>
      <dt>Roles</dt>
      <dd>{roles.join(', ') || 'None'}</dd>
      <dt>Scopes</dt>
      <dd>{scopes.join(' ') || 'None'}</dd>
      <dt>Claims</dt>
      <dd>
        <code>{JSON.stringify(claims)}</code>
      </dd>
      <dt>Created</dt>
      <dd>
        <Time at={createdAt} />
      </dd>
    </dl>
  )
}

function Deeds({ person }: Pick<Shown, 'person'>): JSX.Element {
  const deeds =
    person.disabledAt === null
      ? [
          { name: 'end-all', look: 'plain' },
          { name: 'disable', look: 'alarm' },
        ]
      : [{ name: 'enable', look: 'plain' }]
  return (
    <div class="deeds">
      {deeds.map(({ name, look }) => (
        <form method="post" action={userPath(person.id)}>
          <Carried name="do" value={name} />
          <button class={look}>{TEXTS.get(name)}</button>
        </form>
      ))}
      <details>
        <summary>Delete this user</summary>
        <p>
          Every session ends, and e-mail, password, ways in, roles, scopes and claims are erased. The audit trail keeps
          the id. This cannot be undone.
        </p>
        <form method="post" action={userPath(person.id)}>
          <Carried name="do" value="delete" />
          <button class="alarm">{TEXTS.get('delete')}</button>
        </form>
      </details>
    </div>
  )
}

interface SessionRowProps {
  readonly device: Device
  readonly person: Person
  readonly isOwn: boolean
}

function SessionRow({ device, person, isOwn }: SessionRowProps): JSX.Element {
  const name = deviceName(device.userAgent)
  return (
    <tr>
      <td>
        {name}
        {isOwn && <span class="badge">You, here</span>}
      </td>
      <td>
        <form method="post" action={userPath(person.id)}>
          <Carried name="do" value="end" />
          <Carried name="session" value={device.sessionId} />
          <button class="plain">
            End<span class="unseen"> the session of {name}</span>
          </button>
        </form>
      </td>
      <td>{device.address ?? 'unknown'}</td>
      <td>
        <Time at={device.createdAt} />
      </td>
      <td>
        <Time at={device.lastSeenAt} />
      </td>
      <td>
        <Time at={device.endsAt} />
      </td>
    </tr>
  )
}
