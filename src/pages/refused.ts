// A page that is refused: on to the sign-in page where that helps and the route says so, else the error page.

import type { Denial, DenialCode } from '../denial.ts'
import type { Refused } from '../refusal.ts'
import type { RequestHead } from '../request-head.ts'
import { answerErrorPage } from './error.tsx'
import { answerSeeOther } from './see-other.ts'
import { findSignInUrl } from './sign-in-url.ts'

export function answerRefusedPage(
  { request, requestId, config, signsIn }: Refused,
  denial: Denial,
): Promise<Response> | Response {
  const helps = config !== null && SIGN_IN_HELPS.has(denial.code)
  const signInUrl = helps ? findSignInUrl(config, request, denial.code) : null
  const goesOn = signsIn && signInUrl !== null && isPlainReading(request)
  return goesOn
    ? answerSeeOther(signInUrl, denial.details.cookies ?? [])
    : answerErrorPage(denial, { requestId, config, signInUrl })
}

const SIGN_IN_HELPS: ReadonlySet<DenialCode> = new Set([
  'credential_required',
  'invalid_token',
  'invalid_sign_in',
  'session_ended',
  'insufficient_user_authentication',
])

/** A form's content would be lost on the way, and whoever sends a token has no use for cookies. */
function isPlainReading({ method, headers }: RequestHead): boolean {
  return (method === 'GET' || method === 'HEAD') && !headers.has('Authorization')
}
