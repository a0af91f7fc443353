// Finding users: one by id or e-mail, or a page of many.

import { answerJson } from '../auth/answer.ts'
import { runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { Members } from './fields.ts'
import { CURSOR, EMAIL, EMAIL_PREFIX, ID, invalid, LIMIT, optional } from './fields.ts'
import type { Call } from './operation.ts'
import { operation } from './operation.ts'
import { describePage, pageOf } from './page.ts'
import type { Person } from './store.ts'
import { parsePerson, selectPeople, selectPeopleByPrefix, selectPerson, selectPersonByEmail } from './store.ts'
import { describeUser, USER, userIdOf } from './user.ts'

interface Search {
  readonly id: string | undefined
  readonly email: string | undefined
  readonly email_prefix: string | undefined
  readonly cursor: string | undefined
  readonly limit: number
}

/** People only: clients and API keys have lists of their own. */
export const findUsers = operation({
  method: 'GET',
  path: '/users',
  summary: 'Find users',
  query: {
    id: optional(ID),
    email: optional(EMAIL),
    email_prefix: optional(EMAIL_PREFIX),
    cursor: optional(CURSOR),
    limit: LIMIT,
  },
  answers: { 200: describePage('users', USER) },
  run: async ({ runtime }, query) => {
    const { statement, keyOf, limit } = readSearch(runtime.db, query)
    const [rows = []] = await runBatch(runtime.db, [statement])
    const people = rows.map(parsePerson).filter((person) => person !== null)
    return answerJson(pageOf('users', people, limit, { keyOf, describe: describeUser }))
  },
})

/** One row more than the page has tells whether there is a next. */
function readSearch(db: Call['runtime']['db'], query: Members<Search>) {
  const [id, email, prefix] = [query.get('id'), query.get('email'), query.get('email_prefix')]
  const [after, limit] = [query.get('cursor') ?? '', query.get('limit')]
  if ([id, email, prefix].filter((given) => given !== undefined).length > 1) {
    throw invalid('only one of id, email and email_prefix may be given')
  }
  const byId = { keyOf: (person: Person) => person.id, limit }
  if (id !== undefined) return { ...byId, statement: selectPerson(db, id) }
  if (email !== undefined) return { ...byId, statement: selectPersonByEmail(db, email) }
  if (prefix === undefined) return { ...byId, statement: selectPeople(db, after, limit + 1) }
  return {
    keyOf: (person: Person) => person.email ?? '',
    limit,
    statement: selectPeopleByPrefix(db, prefix, after, limit + 1),
  }
}

export const showUser = operation({
  method: 'GET',
  path: '/users/:id',
  summary: 'Show a user',
  answers: { 200: USER },
  run: async (call) => {
    const [rows] = await runBatch(call.runtime.db, [selectPerson(call.runtime.db, userIdOf(call))])
    const person = parsePerson(rows?.[0])
    if (person === null) throw new Denial('no_route')
    return answerUser(person)
  },
})

/** With the version as `ETag`, for a write that must not undo another's (RFC 9110 §13.1.1). */
export function answerUser(person: Person, status = 200): Response {
  const answer = answerJson(describeUser(person), [], status)
  answer.headers.set('ETag', `"${person.tokenVersion}"`)
  return answer
}
