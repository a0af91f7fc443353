// Writing about a user: what must hold, the change and its audit event are one transaction, or nothing is written.

import { grantedScopes, initialScopes, LAST_ADMINISTRATOR, revokedScopes } from '../accounts/administrators-store.ts'
import type { AuditAction, AuditDetails } from '../audit/store.ts'
import { insertAuditOf, sourceOf } from '../audit/store.ts'
import { tell } from '../audit/tell.ts'
import type { Part } from '../database.ts'
import { findBrokenColumn, findTakenColumn, runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import { publish } from '../sessions/publish.ts'
import { parseRaised } from '../sessions/store.ts'
import { invalid } from './fields.ts'
import type { Call } from './operation.ts'
import type { Person } from './store.ts'
import { changedMachine, parsePerson, requirePerson, selectMachine, selectPerson } from './store.ts'

type Rows = readonly (readonly unknown[])[]

/** What writing takes of a call: who does it, where. */
export type Actor = Pick<Call, 'runtime' | 'administrator' | 'requestId'>

/** Tells of a call, in its batch: the administrator did this to that user. */
export function record(
  { runtime, administrator, requestId }: Actor,
  action: AuditAction,
  target: string,
  details: AuditDetails = {},
): readonly D1PreparedStatement[] {
  const teller = { actor: administrator, requestId, webhooks: runtime.config.webhooks }
  return tell(runtime.db, teller, action, details, sourceOf(target))
}

/** Records the scopes of the gateway that users, clients or keys are created with, in the batch that creates them. */
export function recordInitialScopes(
  { runtime, administrator, requestId }: Actor,
  created: Parameters<typeof initialScopes>[0],
): readonly D1PreparedStatement[] {
  const teller = { actor: administrator, requestId, webhooks: runtime.config.webhooks }
  return tell(runtime.db, teller, 'admin.grant', {}, initialScopes(created))
}

/**
 * Records the scopes of the gateway that a user, client or key gets and loses. Comes before the change. `next` are all the
 * scopes that are left; of a deletion none.
 */
export function recordScopeChange(
  { runtime, administrator, requestId }: Actor,
  userId: string,
  next: readonly string[],
): readonly D1PreparedStatement[] {
  const { db, config } = runtime
  const teller = { actor: administrator, requestId, webhooks: config.webhooks }
  return [
    ...tell(db, teller, 'admin.grant', {}, grantedScopes(userId, next)),
    ...tell(db, teller, 'admin.revoke', {}, revokedScopes(userId, next)),
  ]
}

/** The audit event of a call that changes a machine: none where the statement before it has changed nothing. */
export function recordIfChanged(
  { runtime, administrator, requestId }: Call,
  action: AuditAction,
  id: string,
): D1PreparedStatement {
  const event = { actor: administrator, action, outcome: 'success', requestId, details: {} } as const
  return insertAuditOf(runtime.db, event, changedMachine(id))
}

/** @throws Denial `no_route` unless there is such a client or key that has not been ended */
export async function requireMachine({ runtime }: Call, id: string, prefix: 'cli_' | 'key_'): Promise<void> {
  const [rows = []] = id.startsWith(prefix) ? await runBatch(runtime.db, [selectMachine(runtime.db, id)]) : []
  if (rows.length === 0) throw new Denial('no_route')
}

export interface Change {
  readonly userId: string
  /** The version that he must have; `null` is any. */
  readonly version: number | null
  /** Those that return rows return raised versions. */
  readonly statements: readonly Part[]
}

/**
 * Changes a user. The rows of the statements.
 * Does NOT publish.
 * @throws Denial `no_route` where there is none, `precondition_failed`, `conflict`, also for the last administrator;
 *   `invalid_request` for a profile that grows too large
 */
export async function commitChange(call: Actor, { userId, version, statements }: Change): Promise<Rows> {
  const { db } = call.runtime
  try {
    return (await runBatch(db, [requirePerson(db, userId, version), ...statements])).slice(1)
  } catch (error) {
    throw await refusalOf(call, userId, error)
  }
}

/** Changes a user and publishes his version. The user as he is by then. @throws Denial like `commitChange` */
export async function changePerson(call: Actor, change: Change): Promise<Person> {
  const statements = [...change.statements, selectPerson(call.runtime.db, change.userId)]
  const rows = await commitChange(call, { ...change, statements })
  const person = parsePerson(rows.at(-1)?.[0])
  if (person === null) throw new TypeError('the user is not there after all')
  await publishRaised(call, rows.slice(0, -1))
  return person
}

/** Publishes the last version that rows of a batch tell. */
async function publishRaised({ runtime }: Actor, results: Rows): Promise<void> {
  const last = results.flatMap((rows) => rows.map(parseRaised)).findLast((raised) => raised !== null)
  if (last !== undefined && last !== null) await publish(runtime, last)
}

/** What D1 rolled back on our own terms is a refusal; anything else that fails is a fault. */
async function refusalOf({ runtime }: Actor, userId: string, cause: unknown): Promise<unknown> {
  if (findTakenColumn(cause) === 'users.email') return new Denial('conflict', { members: { taken: ['email'] } })
  const column = findBrokenColumn(cause)
  if (column === 'users.claims') return invalid('roles, scopes and claims together exceed 1.5 KB')
  if (column === LAST_ADMINISTRATOR)
    return new Denial('conflict', { members: { detail: 'the last enabled administrator' } })
  if (column !== 'users.token_version') return cause
  const [rows] = await runBatch(runtime.db, [selectPerson(runtime.db, userId)])
  return new Denial(parsePerson(rows?.[0]) === null ? 'no_route' : 'precondition_failed')
}
