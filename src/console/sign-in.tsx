// Signs administrators in and out of the console: a right password without the scope is answered like a wrong one.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { readBody } from '../auth/body.ts'
import { clearingCookies, cookieNames } from '../auth/cookies.ts'
import { publishEnded } from '../auth/effective.ts'
import { findBrowserSession } from '../auth/open.ts'
import { checkPassword, enforceAddressLimit, openChecked, parsePasswordForm } from '../auth/sign-in.ts'
import { tellerFor } from '../auth/teller.ts'
import { denialHeaders } from '../denial.ts'
import { ADMIN_SCOPE } from '../gateway-scopes.ts'
import type { Problem } from '../pages/form.tsx'
import { Carried, Field, ProblemBox, signInProblem, submitOrShow } from '../pages/form.tsx'
import type { PageAnswer } from '../pages/layout.tsx'
import { answerPage } from '../pages/layout.tsx'
import { queryOf } from '../pages/places.ts'
import { answerSeeOther } from '../pages/see-other.ts'
import type { Exchange } from '../runtime.ts'
import { endOne } from '../sessions/lifecycle.ts'
import { CONSOLE_CLIENT } from '../sessions/store.ts'
import { cookieOf } from './administrator.ts'
import { parseConsolePath } from './recent.ts'

/** `GET /sign-in`, for every visitor. `return_to` is where a sign-in leads, because something there needs a recent one. */
export function showSignIn({ head, runtime }: Exchange): Promise<Response> {
  const given = queryOf(head.url).getAll('return_to')
  const returnTo = given.length === 1 ? parseConsolePath(runtime.config, given[0]) : null
  return answerForm(runtime.config.console?.host ?? null, { email: '', returnTo, problem: null })
}

/**
 * `POST /sign-in`. The scope is checked with the password, before a session opens, and again at each request.
 * @throws Denial `invalid_request`, `too_large` for a body that is not such a form
 */
export async function submitSignIn(exchange: Exchange): Promise<Response> {
  await enforceAddressLimit(exchange)
  const body = await readBody(exchange.request, ['email', 'password', 'return_to'])
  const returnTo = parseConsolePath(exchange.runtime.config, body['return_to'])
  return submitOrShow(
    exchange,
    async () => {
      const checked = await checkPassword(exchange, parsePasswordForm(body, 'same'), { scope: ADMIN_SCOPE })
      const session = await openChecked(exchange, checked, 'cookie', {
        clientId: CONSOLE_CLIENT,
        scopes: [ADMIN_SCOPE],
      })
      return answerSeeOther(returnTo ?? '/', [cookieOf(exchange, session)])
    },
    (denial) => {
      const email = body['email'] ?? ''
      const form = { email, returnTo, problem: signInProblem(denial, email) }
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
  /** Where on this host the sign-in leads. */
  readonly returnTo: string | null
  readonly problem: Problem | null
}

function answerForm(site: string | null, form: Form, answer: Omit<PageAnswer, 'formOrigins'> = {}): Promise<Response> {
  const heading = form.returnTo === null ? 'Sign in to the console' : 'Sign in to the console again'
  const page = { heading, site, isMending: form.problem !== null }
  return answerPage({ ...page, content: <Content {...form} /> }, { ...answer, formOrigins: [] })
}

function Content({ email, returnTo, problem }: Form): JSX.Element {
  return (
    <>
      {returnTo !== null && <p>For your safety, what you are about to do needs a recent sign-in.</p>}
      <ProblemBox problem={problem} />
      <form class="fields" method="post" action="/sign-in">
        <Field
          {...{ name: 'email', label: 'E-mail address', type: 'text', autocomplete: 'username', value: email, problem }}
        />
        <Field
          {...{ name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password', problem }}
        />
        <Carried name="return_to" value={returnTo} />
        <button class="whole">Sign in</button>
      </form>
    </>
  )
}
