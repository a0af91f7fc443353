// What giving or taking a way in asks of a session: a sign-in of minutes ago, or the password once more (ASVS 7.5.1).

import { forgetAttempts, takeTicketOfUser } from '../accounts/attempts.ts'
import { runBatch } from '../database.ts'
import { Denial } from '../denial.ts'
import { addressBlock } from '../rate-limit.ts'
import type { Exchange } from '../runtime.ts'
import type { SessionState } from '../sessions/store.ts'
import { provePassword } from './prove-password.ts'

/** Seconds since signing in, within which a session may be given another way in. */
const RECENT = 600

/**
 * Whether the session's user may be given a way in, or have one taken, now. Further conditions, such as a verified address,
 * belong here. `password` is what the request gave, if anything; guesses at it count like those of a password change.
 * @throws Denial `insufficient_user_authentication` (RFC 9470 §3) with these `cookies`, `rate_limited`, `invalid_sign_in`
 */
export async function requireRecentProof(
  exchange: Exchange,
  session: SessionState,
  password: string | undefined,
  cookies: readonly string[],
): Promise<void> {
  if (exchange.runtime.now() - session.authTime <= RECENT) return
  if (password === undefined) throw tooOld(cookies)
  const { db, hashing } = exchange.runtime
  const { ticket } = await hashing.admit(exchange, async (passwords) => {
    const taken = await takeTicketOfUser(db, session.userId, addressBlock(exchange.clientAddress))
    return provePassword(exchange, passwords, taken, password, { action: 'password.change' })
  })
  await runBatch(db, forgetAttempts(db, ticket))
}

function tooOld(cookies: readonly string[]): Denial {
  return new Denial('insufficient_user_authentication', {
    members: { max_age: RECENT },
    challenge: { max_age: String(RECENT) },
    cookies,
  })
}
