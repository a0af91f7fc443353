// The audit trail, the newest event first, of everybody or of who and what is asked for.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { userPath } from '../admin/user.ts'
import type { RecordedEvent } from '../audit/store.ts'
import { parseRecorded, selectTrail } from '../audit/store.ts'
import { runBatch } from '../database.ts'
import { queryOf } from '../pages/places.ts'
import type { Visit } from './frame.tsx'
import { answerFramed, pathWith, SearchField, Table, Time } from './frame.tsx'

const PAGE = 50
const LONGEST = 255

/** Which events are looked for; an empty text is any. */
interface Asked {
  readonly actor: string
  readonly target: string
  readonly action: string
}

/** `GET /audit`: `actor`, `target`, `action`, and `before`, the id of the last event of the page before. */
export async function showTrail(visit: Visit): Promise<Response> {
  const query = queryOf(visit.head.url)
  const read = (name: string): string => (query.get(name) ?? '').trim().slice(0, LONGEST)
  const asked = { actor: read('actor'), target: read('target'), action: read('action') }
  const before = /^[1-9]\d{0,14}$/.test(read('before')) ? Number(read('before')) : Number.MAX_SAFE_INTEGER
  const filter = { actor: asked.actor || null, target: asked.target || null, action: asked.action || null }
  const { db } = visit.runtime
  const [rows = []] = await runBatch(db, [selectTrail(db, filter, before, PAGE + 1)])
  const content = <Content {...{ asked, events: rows.map(parseRecorded) }} />
  return answerFramed(visit, { heading: 'Audit trail', place: 'Audit trail', content })
}

interface Shown {
  readonly asked: Asked
  /** One more than the page has where there is a next. */
  readonly events: readonly RecordedEvent[]
}

function Content({ asked, events }: Shown): JSX.Element {
  const page = events.slice(0, PAGE)
  const next = events.length > PAGE ? page.at(-1) : undefined
  return (
    <>
      <form class="search" method="get" action="/audit" role="search">
        <SearchField {...{ name: 'actor', label: 'Who did it', value: asked.actor }} />
        <SearchField {...{ name: 'target', label: 'To whom', value: asked.target }} />
        <SearchField {...{ name: 'action', label: 'What', value: asked.action }} />
        <button>Find</button>
      </form>
      {page.length === 0 ? (
        <p>No event was found.</p>
      ) : (
        <Table {...{ label: 'Events', heads: ['When', 'Who', 'What', 'To whom', 'Details', 'Request'] }}>
          {page.map((event) => (
            <EventRow event={event} />
          ))}
        </Table>
      )}
      {next !== undefined && (
        <p class="after">
          <a href={pathWith('/audit', { ...asked, before: String(next.id) })}>Older events</a>
        </p>
      )}
    </>
  )
}

function EventRow({ event }: { readonly event: RecordedEvent }): JSX.Element {
  const { at, actor, action, target, outcome, details, requestId } = event
  return (
    <tr>
      <td>
        <Time at={at} />
      </td>
      <td>
        <Name name={actor} />
      </td>
      <td>
        {action}
        {outcome !== 'success' && ' (failed)'}
      </td>
      <td>{target !== null && <Name name={target} />}</td>
      <td>
        {Object.entries(details).map(([name, value]) => (
          <div>
            {name}: {typeof value === 'string' ? value : JSON.stringify(value)}
          </div>
        ))}
      </td>
      <td>
        <code>{requestId ?? ''}</code>
      </td>
    </tr>
  )
}

/** A user's id leads to him; who is no user has a blank in his name, or is of another kind. */
function Name({ name }: { readonly name: string }): JSX.Element {
  return /^(?:cli|key)_| /.test(name) ? <>{name}</> : <a href={userPath(name)}>{name}</a>
}
