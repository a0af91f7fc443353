// Signs administrators in and out of the console: a right password without the scope is answered like a wrong one.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { readBody } from '../auth/body.ts'
import { clearingCookies, cookieNames } from '../auth/cookies.ts'
import { publishEnded } from '../auth/effective.ts'
import { findBrowserSession } from '../auth/open.ts'
import { checkPassword, openChecked, parsePasswordForm } from '../auth/sign-in.ts'
import { tellerFor } from '../auth/teller.ts'
import { denialHeaders } from '../denial.ts'
import { ADMIN_SCOPE } from '../gateway-scopes.ts'
import type { Problem } from '../pages/form.tsx'
import { Field, ProblemBox, signInProblem, submitOrShow } from '../pages/form.tsx'
import type { PageAnswer } from '../pages/layout.tsx'
import { answerPage } from '../pages/layout.tsx'
import { answerSeeOther } from '../pages/see-other.ts'
import type { Exchange } from '../runtime.ts'
import { endOne } from '../sessions/lifecycle.ts'
import { CONSOLE_CLIENT } from '../sessions/store.ts'
import { cookieOf } from './administrator.ts'

/** `GET /sign-in`, whoever asks. */
export function showSignIn({ runtime }: Exchange): Promise<Response> {
  return answerForm(runtime.config.console?.host ?? null, { email: '', problem: null })
}

/**
 * `POST /sign-in`. The scope is checked with the password, before a session opens, and again at each request.
 * @throws Denial `invalid_request`, `too_large` for a body that is not such a form
 */
export async function submitSignIn(exchange: Exchange): Promise<Response> {
  const body = await readBody(exchange.request, ['email', 'password'])
  return submitOrShow(
    exchange,
    async () => {
      const checked = await checkPassword(exchange, parsePasswordForm(body, 'same'), { scope: ADMIN_SCOPE })
      const session = await openChecked(exchange, checked, 'cookie', {
        clientId: CONSOLE_CLIENT,
        scopes: [ADMIN_SCOPE],
      })
      return answerSeeOther('/', [cookieOf(exchange, session)])
    },
    (denial) => {
      const email = body['email'] ?? ''
      const form = { email, problem: signInProblem(denial, email) }
      const answer = { status: denial.status, headers: denialHeaders(denial) }
      return answerForm(exchange.runtime.config.console?.host ?? null, form, answer)
    },
  )
}

/** `POST /sign-out`. Safe to repeat. @throws Denial `ambiguous_credential` */
export async function submitSignOut(exchange: Exchange): Promise<Response> {
  const { runtime } = exchange
  const sessionId = findBrowserSession(exchange, 'a')
  if (sessionId !== null) {
    await publishEnded(runtime, await endOne(runtime.db, sessionId, 'sign_out', tellerFor(exchange, null)))
  }
  return answerSeeOther('/sign-in', clearingCookies(cookieNames(runtime.config.insecureCookies)))
}

interface Form {
  readonly email: string
  readonly problem: Problem | null
}

function answerForm(site: string | null, form: Form, answer: Omit<PageAnswer, 'formOrigins'> = {}): Promise<Response> {
  const page = { heading: 'Sign in to the console', site, isMending: form.problem !== null }
  return answerPage({ ...page, content: <Content {...form} /> }, { ...answer, formOrigins: [] })
}

function Content({ email, problem }: Form): JSX.Element {
  return (
    <>
      <ProblemBox problem={problem} />
      <form class="fields" method="post" action="/sign-in">
        <Field
          {...{ name: 'email', label: 'E-mail address', type: 'text', autocomplete: 'username', value: email, problem }}
        />
        <Field
          {...{ name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password', problem }}
        />
        <button class="whole">Sign in</button>
      </form>
    </>
  )
}
