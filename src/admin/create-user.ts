// Creating users, one by one or many who come from another system with their password hashes.

import { passwordProblem } from '../accounts/password-policy.ts'
import { newUserId } from '../accounts/user-id.ts'
import type { AuditDetails } from '../audit/store.ts'
import { answerJson } from '../auth/answer.ts'
import type { Database, Part } from '../database.ts'
import { findTakenColumn, runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import type { JsonObject } from '../json.ts'
import { profileProblem } from '../tokens/mint.ts'
import type { Members } from './fields.ts'
import { OBJECT, EMAIL, FLAG, FREE_ID, invalid, listOf, NAMES, optional, PASSWORD, PASSWORD_HASH } from './fields.ts'
import { answerUser } from './find-users.ts'
import type { Call } from './operation.ts'
import { operation } from './operation.ts'
import type { NewPerson } from './store.ts'
import { insertPeople, parsePerson, parseTaken, selectPerson, selectTaken } from './store.ts'
import { USER, userPath } from './user.ts'
import { record, recordInitialScopes } from './write.ts'

const DESCRIBED = {
  id: optional(FREE_ID),
  email: optional(EMAIL),
  roles: optional(NAMES),
  scopes: optional(NAMES),
  claims: optional(OBJECT),
}

interface Described {
  readonly id: string | undefined
  readonly email: string | undefined
  readonly roles: readonly string[] | undefined
  readonly scopes: readonly string[] | undefined
  readonly claims: JsonObject | undefined
}

export const createUser = operation({
  method: 'POST',
  path: '/users',
  summary: 'Create a user',
  body: { ...DESCRIBED, password: optional(PASSWORD) },
  answers: { 201: USER },
  run: async (call, _, body) => {
    const { db, config } = call.runtime
    const [described, password] = [readDescribed(body, ''), body.get('password')]
    if (password !== undefined && described.email === null) throw invalid('a password needs an email to sign in with')
    const passwordHash = password === undefined ? null : await hashGiven(call, password)
    const person = { ...described, passwordHash, isDisabled: false }
    const rows = await insertOrRefuse(
      db,
      [person],
      [
        record(call, 'user.create', person.id, grantsOf(person)),
        recordInitialScopes(call, [person]),
        selectPerson(db, person.id),
      ],
    )
    const created = parsePerson(rows.at(-1)?.[0])
    if (created === null) throw new TypeError('the user is not there after all')
    const answer = answerUser(created, 201)
    answer.headers.set('Location', `${config.authPath}/admin${userPath(created.id)}`)
    return answer
  },
})

/** @throws Denial `invalid_request` for a password that is refused, `unavailable` */
async function hashGiven(call: Call, password: string): Promise<string> {
  const problem = await passwordProblem(password)
  if (problem !== null) throw invalid(`password ${problem}`)
  return call.runtime.hashing.admit(call, (passwords) => passwords.hash(password))
}

/** Users of one call: each costs a statement for his audit event, and D1 takes a thousand in an invocation. */
const MAX_IMPORT = 500
const IMPORT_BYTES = 1024 * 1024

/** All of them or none, so that it is never unknown which are there. */
export const importUsers = operation({
  method: 'POST',
  path: '/import',
  summary: 'Import users',
  body: {
    users: listOf({ ...DESCRIBED, password_hash: optional(PASSWORD_HASH), disabled: optional(FLAG) }, MAX_IMPORT),
  },
  limitBytes: IMPORT_BYTES,
  answers: {
    201: {
      type: 'object',
      properties: { ids: { type: 'array', items: { type: 'string' }, description: 'in the order of the users' } },
      required: ['ids'],
      additionalProperties: false,
    },
  },
  run: async (call, _, body) => {
    const people = body.get('users').map(readImported)
    refuseTwins(people)
    const events = people.flatMap((person) => record(call, 'user.import', person.id, grantsOf(person)))
    await insertOrRefuse(call.runtime.db, people, [events, recordInitialScopes(call, people)])
    return answerJson({ ids: people.map(({ id }) => id) }, [], 201)
  },
})

interface Imported extends Described {
  readonly password_hash: string | undefined
  readonly disabled: boolean | undefined
}

function readImported(user: Members<Imported>, index: number): NewPerson {
  return {
    ...readDescribed(user, `users[${index}]: `),
    passwordHash: user.get('password_hash') ?? null,
    isDisabled: user.get('disabled') ?? false,
  }
}

function readDescribed(members: Members<Described>, path: string): Omit<NewPerson, 'passwordHash' | 'isDisabled'> {
  const person = {
    id: members.get('id') ?? newUserId(),
    email: members.get('email') ?? null,
    roles: members.get('roles') ?? [],
    scopes: members.get('scopes') ?? [],
    claims: members.get('claims') ?? {},
  }
  const problem = profileProblem(person)
  if (problem !== null) throw invalid(`${path}${problem}`)
  return person
}

/** What the audit trail tells of a user to come. */
function grantsOf({ roles, scopes }: Pick<NewPerson, 'roles' | 'scopes'>): AuditDetails {
  return { roles, scopes }
}

/** Which of two is meant is not guessed. */
function refuseTwins(people: readonly NewPerson[]): void {
  const emails = people.map(({ email }) => email).filter((email) => email !== null)
  if (new Set(people.map(({ id }) => id)).size < people.length) throw invalid('users have the same id twice')
  if (new Set(emails).size < emails.length) throw invalid('users have the same email twice')
}

/** @throws Denial `conflict`, which tells what is taken */
async function insertOrRefuse(
  db: Database,
  people: readonly NewPerson[],
  others: readonly Part[],
): Promise<readonly (readonly unknown[])[]> {
  try {
    return await runBatch(db, [insertPeople(db, people), ...others])
  } catch (cause) {
    if (findTakenColumn(cause) === null) throw cause
    const [rows = []] = await runBatch(db, [selectTaken(db, people)])
    const taken = rows.map(parseTaken).map(({ position, member }) => `users[${position}].${member}`)
    throw new Denial('conflict', { members: { taken } })
  }
}
