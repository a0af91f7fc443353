// On to another page.

import { answerRedirect } from '../auth/answer.ts'
import { VARY_ON_NAVIGATION } from '../navigation.ts'

/** 303: the browser goes on with a GET, whatever it asked with, and no password is sent again (RFC 9700 §4.12). */
export function answerSeeOther(location: string, cookies: readonly string[]): Response {
  const answer = answerRedirect(location, cookies)
  answer.headers.set('Vary', VARY_ON_NAVIGATION)
  return answer
}
