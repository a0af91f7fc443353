// One user: who he is, where he is signed in, and ending that.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { disable, enable, endEverySession } from '../admin/stop-user.ts'
import type { Person } from '../admin/store.ts'
import { endSessionOf, findWithSessions } from '../admin/user-sessions.ts'
import { parseUserSegment, userPath } from '../admin/user.ts'
import { readBody } from '../auth/body.ts'
import { publishEnded } from '../auth/effective.ts'
import { Denial } from '../denial.ts'
import { deviceName } from '../pages/device-name.ts'
import { Carried } from '../pages/form.tsx'
import { queryOf } from '../pages/places.ts'
import { answerSeeOther } from '../pages/see-other.ts'
import type { Device } from '../sessions/store.ts'
import type { Visit } from './frame.tsx'
import { answerFramed, pathWith, Table, Time } from './frame.tsx'

/** `GET /users/:id`. @throws Denial `no_route` */
export async function showUser(visit: Visit): Promise<Response> {
  const { person, sessions } = await findWithSessions(visit, parseUserSegment(visit.segment))
  const done = DONE.get(queryOf(visit.head.url).get('done') ?? '') ?? null
  const content = <Content {...{ person, sessions, done, own: visit.session.sessionId }} />
  return answerFramed(visit, { heading: person.email ?? person.id, place: 'Users', content })
}

/**
 * `POST /users/:id`: `do` is what the admin API has a URL for, by the same functions.
 * @throws Denial `invalid_request`, `no_route` for a user or session that is not there
 */
export async function submitUser(visit: Visit): Promise<Response> {
  const body = await readBody(visit.request, ['do', 'session'])
  const userId = parseUserSegment(visit.segment)
  const step = STEPS.get(body['do'] ?? '')
  if (step === undefined) throw new Denial('invalid_request', { reason: 'do' })
  await step(visit, userId, body['session'] ?? '')
  return answerSeeOther(pathWith(userPath(userId), { done: body['do'] ?? '' }), visit.cookies)
}

type Step = (visit: Visit, userId: string, sessionId: string) => Promise<unknown>

const STEPS: ReadonlyMap<string, Step> = new Map<string, Step>([
  [
    'end',
    async (visit, userId, sessionId) => publishEnded(visit.runtime, await endSessionOf(visit, userId, sessionId)),
  ],
  ['end-all', async (visit, userId) => publishEnded(visit.runtime, await endEverySession(visit, userId))],
  ['disable', async (visit, userId) => publishEnded(visit.runtime, await disable(visit, userId))],
  ['enable', enable],
])

/** What the address says was done. Fixed words: nobody can put his own there. */
const DONE: ReadonlyMap<string, string> = new Map([
  ['end', 'The session has ended.'],
  ['end-all', 'Every session has ended.'],
  ['disable', 'The user is disabled, and every session has ended.'],
  ['enable', 'The user can sign in again.'],
])

interface Shown {
  readonly person: Person
  readonly sessions: readonly Device[]
  readonly done: string | null
  /** The session of the administrator who looks. */
  readonly own: string
}

function Content({ person, sessions, done, own }: Shown): JSX.Element {
  return (
    <>
      {done !== null && (
        <p class="notice" role="status">
          {done}
        </p>
      )}
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
      <p class="after">
        <a href={pathWith('/audit', { target: person.id })}>What was done to this user</a>
        {' · '}
        <a href={pathWith('/audit', { actor: person.id })}>What this user did</a>
      </p>
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
          { name: 'end-all', text: 'End every session', look: 'plain' },
          { name: 'disable', text: 'Disable this user', look: 'alarm' },
        ]
      : [{ name: 'enable', text: 'Enable this user', look: 'plain' }]
  return (
    <div class="deeds">
      {deeds.map(({ name, text, look }) => (
        <form method="post" action={userPath(person.id)}>
          <Carried name="do" value={name} />
          <button class={look}>{text}</button>
        </form>
      ))}
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
