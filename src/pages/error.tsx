// The page of a refusal, for whoever waits in front of it: what to do now, never which check failed.

import type { JSX } from 'hono/jsx/jsx-runtime'

import type { Config } from '../config/config.ts'
import type { Denial, DenialCode } from '../denial.ts'
import { denialHeaders } from '../denial.ts'
import { answerPage } from './layout.tsx'

interface Words {
  readonly heading: string
  readonly advice: string
}

const REQUEST_IS_WRONG = 'Go back and try again. If you followed a link, it may be incomplete or out of date.'
const NOT_ALLOWED = 'Your sign-in is good, but it does not open this page. Ask whoever runs this site for access.'
const COME_BACK = 'This is not your fault. Please try again in a little while.'

const WORDS: Readonly<Record<DenialCode, Words>> = {
  invalid_request: { heading: 'This request cannot be understood', advice: REQUEST_IS_WRONG },
  ambiguous_path: { heading: 'This address cannot be understood', advice: REQUEST_IS_WRONG },
  ambiguous_credential: {
    heading: 'This browser is signed in twice',
    advice: 'Delete the cookies of this site in your browser, then sign in again.',
  },
  credential_required: { heading: 'Please sign in', advice: 'This page is only for people who are signed in.' },
  invalid_token: { heading: 'Please sign in again', advice: 'Your sign-in is not good here any more.' },
  invalid_sign_in: { heading: 'You are not signed in', advice: 'Signing in did not work. Please try again.' },
  session_ended: { heading: 'You have been signed out', advice: 'Your session is over. Please sign in again.' },
  insufficient_user_authentication: {
    heading: 'Please sign in again',
    advice: 'For your safety, this page asks for a recent sign-in.',
  },
  cross_site_request: {
    heading: 'This was stopped for your safety',
    advice: 'The request came from another site. If you meant it, open this site yourself and do it there.',
  },
  insufficient_scope: { heading: 'You have no access to this page', advice: NOT_ALLOWED },
  insufficient_role: { heading: 'You have no access to this page', advice: NOT_ALLOWED },
  claim_mismatch: { heading: 'You have no access to this page', advice: NOT_ALLOWED },
  no_route: {
    heading: 'There is nothing here',
    advice: 'Check the address. The page may have moved, or never existed.',
  },
  method_not_allowed: { heading: 'This cannot be done here', advice: REQUEST_IS_WRONG },
  conflict: { heading: 'This cannot be done now', advice: REQUEST_IS_WRONG },
  precondition_failed: { heading: 'This has changed meanwhile', advice: 'Go back, look at it again, and try again.' },
  too_large: { heading: 'That was too much at once', advice: 'Go back and send less.' },
  rate_limited: { heading: 'Too many attempts', advice: 'Please wait a little before you try again.' },
  headers_too_large: {
    heading: 'Your browser sent too much',
    advice: 'Delete the cookies of this site in your browser, then try again.',
  },
  upstream_unreachable: { heading: 'This page cannot be reached at the moment', advice: COME_BACK },
  invalid_session_control: { heading: 'Something went wrong', advice: COME_BACK },
  misconfigured: { heading: 'This site is not ready yet', advice: COME_BACK },
  unavailable: { heading: 'This does not work at the moment', advice: COME_BACK },
  issuer_unavailable: { heading: 'Your sign-in cannot be checked at the moment', advice: COME_BACK },
  upstream_timeout: { heading: 'This page takes too long to answer', advice: COME_BACK },
}

export interface ErrorContext {
  readonly requestId: string
  /** `null` where it could not be read. */
  readonly config: Pick<Config, 'issuerHost'> | null
  /** Where signing in would help. */
  readonly signInUrl: string | null
}

/** Status and headers are those of the denial's other form. */
export function answerErrorPage(denial: Denial, { requestId, config, signInUrl }: ErrorContext): Promise<Response> {
  const { heading, advice } = WORDS[denial.code]
  const content = <Content {...{ advice, code: denial.code, requestId, signInUrl }} />
  const page = { heading, site: config?.issuerHost ?? null, content }
  return answerPage(page, { status: denial.status, headers: denialHeaders(denial), formOrigins: null })
}

interface ContentProps {
  readonly advice: string
  readonly code: string
  readonly requestId: string
  readonly signInUrl: string | null
}

function Content({ advice, code, requestId, signInUrl }: ContentProps): JSX.Element {
  return (
    <>
      <p>{advice}</p>
      {signInUrl !== null && (
        <p>
          <a class="button" href={signInUrl}>
            Sign in
          </a>
        </p>
      )}
      <dl>
        <dt>Code</dt>
        <dd>
          <code>{code}</code>
        </dd>
        <dt>Request</dt>
        <dd>
          <code>{requestId}</code>
        </dd>
      </dl>
    </>
  )
}
