// A link by which a user sets a password once: whoever asks for it mails it.

import { answerJson } from '../auth/answer.ts'
import { randomText, sha256 } from '../crypto.ts'
import { findBrokenColumn } from '../database.ts'
import { Denial } from '../denial.ts'
import { insertReset } from '../resets/store.ts'
import { operation } from './operation.ts'
import { userIdOf } from './user.ts'
import { commitChange, record } from './write.ts'

/** Seconds. */
const LIFETIME = 3600

/** The link before it, if there is one, is dead from now on. */
export const makeResetLink = operation({
  method: 'POST',
  path: '/users/:id/reset-link',
  summary: 'Make a password reset link for a user',
  answers: {
    201: {
      type: 'object',
      properties: {
        url: { type: 'string', description: 'a secret: whoever has it sets the password' },
        expires_at: { type: 'integer', description: 'unix seconds' },
      },
      required: ['url', 'expires_at'],
      additionalProperties: false,
    },
  },
  run: async (call) => {
    const { db, config, now } = call.runtime
    if (!config.passwords.signIn) throw new Denial('no_route', { reason: 'passwords are off' })
    const userId = userIdOf(call)
    const token = randomText(32)
    const statements = [insertReset(db, userId, sha256(token), LIFETIME), record(call, 'password.reset_link', userId)]
    await commitChange(call, { userId, version: null, statements }).catch(refuseWithoutEmail)
    const url = `${config.issuer}${config.authPath}/reset?token=${token}`
    return answerJson({ url, expires_at: now() + LIFETIME }, [], 201)
  },
})

/** A password is of no use to a user who has no e-mail, or is disabled. */
function refuseWithoutEmail(cause: unknown): never {
  if (findBrokenColumn(cause) !== 'password_resets.email') throw cause
  throw new Denial('conflict', { members: { detail: 'the user has no email, or is disabled' } })
}
