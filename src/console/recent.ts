// Writing on the console needs a recent sign-in: the way to one, and back to what the form was about to do.

import { readBody } from '../auth/body.ts'
import { parseReturnTo } from '../auth/return-to.ts'
import type { Config } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { isNavigation } from '../navigation.ts'
import { answerSeeOther } from '../pages/see-other.ts'
import type { Visit } from './frame.tsx'
import { pathWith } from './frame.tsx'

/** True where the sign-in is at most `ADMIN.max_auth_age` ago, by D1's clock. */
export function isRecent({ session, runtime }: Visit): boolean {
  return session.readAt - session.authTime <= runtime.config.admin.maxAuthAge
}

/**
 * Sends a form whose sign-in is too old to the sign-in page, with the page that it is of and those of its members that say
 * what it is about to do. Nothing is done: after the sign-in that page asks once more.
 * @throws Denial `insufficient_user_authentication` where no person waits, `invalid_request`, `too_large`
 */
export async function askAgain(visit: Visit, path: string, aim: readonly string[]): Promise<Response> {
  const max_age = visit.runtime.config.admin.maxAuthAge
  const { cookies } = visit
  if (!isNavigation(visit.head)) {
    const challenge = { max_age: String(max_age) }
    throw new Denial('insufficient_user_authentication', { members: { max_age }, challenge, cookies })
  }
  const body = await readBody(visit.request, aim)
  return answerSeeOther(pathWith('/sign-in', { return_to: pathWith(path, body) }), cookies)
}

/** A path of the console to return to; `null` for everything else, and for what could be read in two ways. */
export function parseConsolePath({ console: site }: Config, text: unknown): string | null {
  return site === null ? null : parseReturnTo({ issuer: site.origin, webOrigins: [] }, text)
}
