// Finding users, by id or the beginning of an e-mail.

import type { JSX } from 'hono/jsx/jsx-runtime'

import type { Person } from '../admin/store.ts'
import { parsePerson, selectPeople, selectPeopleByPrefix, selectPerson } from '../admin/store.ts'
import { userPath } from '../admin/user.ts'
import { runBatch } from '../database.ts'
import { queryOf } from '../pages/places.ts'
import type { Visit } from './frame.tsx'
import { answerFramed, pathWith, SearchField, Table } from './frame.tsx'

const PAGE = 50
/** Longer than any id or e-mail. */
const LONGEST = 255

/** `GET /users`: `q` is an id or the beginning of an e-mail, `after` the last of the page before. */
export async function showUsers(visit: Visit): Promise<Response> {
  const query = queryOf(visit.head.url)
  const q = (query.get('q') ?? '').trim().slice(0, LONGEST)
  const found = await findPeople(visit, q, (query.get('after') ?? '').slice(0, LONGEST))
  return answerFramed(visit, { heading: 'Users', place: 'Users', content: <Content {...{ ...found, q }} /> })
}

interface Found {
  readonly people: readonly Person[]
  /** Where the next page begins; `null` where there is none. */
  readonly next: string | null
}

/** One row more than the page has tells whether there is a next. */
async function findPeople({ runtime: { db } }: Visit, q: string, after: string): Promise<Found> {
  const listed = q === '' ? selectPeople(db, after, PAGE + 1) : selectPeopleByPrefix(db, folded(q), after, PAGE + 1)
  const results = await runBatch(db, [selectPerson(db, after === '' ? q : ''), listed])
  const [exact = [], people = []] = results.map((rows) => rows.map(parsePerson).filter((person) => person !== null))
  const page = people.slice(0, PAGE)
  const last = page.at(-1)
  const next = people.length > PAGE && last !== undefined ? (q === '' ? last.id : (last.email ?? '')) : null
  return { people: [...exact, ...page.filter(({ id }) => id !== exact[0]?.id)], next }
}

/** As addresses are kept. */
function folded(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
}

function Content({ people, next, q }: Found & { readonly q: string }): JSX.Element {
  return (
    <>
      <form class="search" method="get" action="/users" role="search">
        <SearchField {...{ name: 'q', label: 'Id, or how the e-mail address begins', value: q }} />
        <button>Find</button>
      </form>
      {people.length === 0 ? (
        <p>Nobody was found.</p>
      ) : (
        <Table {...{ label: 'Users', heads: ['User', 'E-mail address', 'Roles', 'State'] }}>
          {people.map((person) => (
            <tr>
              <td>
                <a href={userPath(person.id)}>{person.id}</a>
              </td>
              <td>{person.email ?? 'none'}</td>
              <td>{person.roles.join(', ')}</td>
              <td>{person.disabledAt === null ? 'Enabled' : 'Disabled'}</td>
            </tr>
          ))}
        </Table>
      )}
      {next !== null && (
        <p class="after">
          <a href={pathWith('/users', { q, after: next })}>Next page</a>
        </p>
      )}
    </>
  )
}
