// Every operation of the admin API; routes and document are made of this table.

import { changeClientOf, changeKeyOf } from './change-machine.ts'
import { changeUser } from './change-user.ts'
import { createClientOf, endClientOf, listClients, rotateClientOf } from './clients.ts'
import { createUser, importUsers } from './create-user.ts'
import { deleteUser } from './delete-user.ts'
import { describeApi } from './document.ts'
import { findUsers, showUser } from './find-users.ts'
import { removeIdentity, showIdentities } from './identities.ts'
import { createKeyOf, endKeyOf, listKeysOf, rotateKeyOf } from './keys.ts'
import type { Operation } from './operation.ts'
import { operation } from './operation.ts'
import { makeResetLink } from './reset-link.ts'
import { disableUser, enableUser, endSessions } from './stop-user.ts'
import { endSubject } from './subjects.ts'
import { listTrail } from './trail.ts'
import { endOneSession, listSessions } from './user-sessions.ts'

const showDocument = operation({
  method: 'GET',
  path: '/openapi.json',
  summary: 'Describe this API',
  answers: { 200: { type: 'object', additionalProperties: true } },
  run: async ({ runtime }) => Response.json(describeApi(runtime.config, OPERATIONS), { headers: NO_STORE }),
})

const NO_STORE = { 'Cache-Control': 'no-store' }

export const OPERATIONS: readonly Operation[] = [
  showDocument,
  findUsers,
  createUser,
  importUsers,
  showUser,
  changeUser,
  disableUser,
  enableUser,
  endSessions,
  deleteUser,
  listSessions,
  endOneSession,
  showIdentities,
  removeIdentity,
  makeResetLink,
  listClients,
  createClientOf,
  changeClientOf,
  rotateClientOf,
  endClientOf,
  listKeysOf,
  createKeyOf,
  changeKeyOf,
  rotateKeyOf,
  endKeyOf,
  endSubject,
  listTrail,
]
