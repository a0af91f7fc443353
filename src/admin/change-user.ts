// Changing a user: what is given replaces what was, and what is left out stays.

import { keepAdministrator } from '../accounts/administrators-store.ts'
import { Denial } from '../denial.ts'
import { ADMIN_SCOPE } from '../gateway-scopes.ts'
import { updateProfile } from '../sessions/store.ts'
import { MAX_PROFILE_BYTES, profileProblem } from '../tokens/mint.ts'
import { OBJECT, EMAIL, invalid, NAMES, nullable, optional } from './fields.ts'
import { answerUser } from './find-users.ts'
import type { Call } from './operation.ts'
import { operation } from './operation.ts'
import { updateEmail } from './store.ts'
import { USER, userIdOf } from './user.ts'
import { changePerson, record, recordScopeChange } from './write.ts'

/**
 * Like RFC 7396: lists are replaced, claims are merged, `null` removes a claim or the e-mail. The last enabled administrator
 * keeps the scope, and an e-mail to sign in with.
 */
export const changeUser = operation({
  method: 'PATCH',
  path: '/users/:id',
  summary: 'Change a user',
  body: {
    email: optional(nullable(EMAIL)),
    roles: optional(NAMES),
    scopes: optional(NAMES),
    claims: optional(OBJECT),
  },
  conditional: true,
  answers: { 200: USER },
  run: async (call, _, body) => {
    const { db } = call.runtime
    const userId = userIdOf(call)
    const [email, roles, scopes, claims] = [
      body.get('email'),
      body.get('roles'),
      body.get('scopes'),
      body.get('claims'),
    ]
    const problem = profileProblem({ roles: roles ?? [], scopes: scopes ?? [], claims: claims ?? {} })
    if (problem !== null) throw invalid(problem)
    const given = { roles: roles ?? null, scopes: scopes ?? null, claims: claims ?? {} }
    const profile = { ...given, maxBytes: MAX_PROFILE_BYTES, keepsOwnScopes: false }
    const details = {
      ...(email !== undefined && { email: 'changed' }),
      ...(roles !== undefined && { roles }),
      ...(scopes !== undefined && { scopes }),
      ...(claims !== undefined && { claims: Object.keys(claims) }),
    }
    const statements = [
      email === null || scopes?.includes(ADMIN_SCOPE) === false ? [keepAdministrator(db, userId)] : [],
      scopes === undefined ? [] : recordScopeChange(call, userId, scopes),
      updateProfile(db, userId, profile),
      ...(email === undefined ? [] : [updateEmail(db, userId, email)]),
      record(call, 'user.change', userId, details),
    ]
    return answerUser(await changePerson(call, { userId, version: readVersion(call), statements }))
  },
})

/** The version of an `If-Match` header, `null` where there is none or `*`. */
function readVersion({ request }: Call): number | null {
  const header = request.headers.get('If-Match')
  if (header === null || header === '*') return null
  const version = /^"(\d{1,15})"$/.exec(header)?.[1]
  if (version === undefined) throw new Denial('precondition_failed')
  return Number(version)
}
