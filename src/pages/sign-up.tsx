// The sign-up page, where the operator has opened it.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { parseEmail } from '../accounts/email.ts'
import { readBody } from '../auth/body.ts'
import { parseReturnTo } from '../auth/return-to.ts'
import type { Site } from '../auth/same-site.ts'
import { enforceAddressLimit, parsePasswordForm } from '../auth/sign-in.ts'
import { openNewAccount } from '../auth/sign-up.ts'
import type { Config } from '../config/config.ts'
import { Denial, denialHeaders } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import type { Problem } from './form.tsx'
import { Carried, commonProblem, Field, passwordWords, ProblemBox, submitOrShow } from './form.tsx'
import type { PageAnswer } from './layout.tsx'
import { answerPage } from './layout.tsx'
import { answerSignedIn, findVisitor } from './living.ts'
import { pagePath, readReturnTo } from './places.ts'
import { answerSeeOther } from './see-other.ts'

/** `GET /auth/sign-up`. @throws Denial `no_route` where sign-up is off, `ambiguous_credential` */
export async function showSignUp(exchange: Exchange): Promise<Response> {
  const { config } = exchange.runtime
  if (!config.passwords.signUp) throw new Denial('no_route')
  const returnTo = readReturnTo(config, exchange.head.url)
  const { outcome, cookies } = await findVisitor(exchange)
  if (outcome === 'signed-in') return answerSeeOther(returnTo ?? pagePath(config, 'account'), cookies)
  return answerForm({ config, returnTo, email: '', problem: null }, { cookies })
}

/**
 * `POST /auth/sign-up` by the page's form.
 * @throws Denial `no_route`, `cross_site_request`, `invalid_request` or `too_large` for a body that is no such form
 */
export async function submitSignUp(exchange: Exchange, site: Site): Promise<Response> {
  const { config } = exchange.runtime
  if (!config.passwords.signUp) throw new Denial('no_route')
  await enforceAddressLimit(exchange)
  const body = await readBody(exchange.request, ['email', 'password', 'return_to'])
  const returnTo = parseReturnTo(config, body['return_to'])
  const email = body['email'] ?? ''
  return submitOrShow(
    exchange,
    async () => answerSignedIn(exchange, await openNewAccount(exchange, parsePasswordForm(body, site)), returnTo),
    (denial) => {
      const form = { config, returnTo, email, problem: findProblem(denial, email) }
      return answerForm(form, { status: denial.status, headers: denialHeaders(denial) })
    },
  )
}

/** An e-mail that is taken is told like a wrong password, as everywhere: the page does not tell who has an account. */
function findProblem(denial: Denial, email: string): Problem {
  if (denial.code === 'invalid_sign_in') {
    const text = 'An account could not be made with this e-mail address. If you have one, sign in.'
    return { text, fields: ['email'] }
  }
  if (denial.code !== 'invalid_request') return commonProblem(denial)
  if (parseEmail(email) === null) return { text: 'Please enter an e-mail address.', fields: ['email'] }
  return { text: passwordWords(denial) ?? 'Please enter a password.', fields: ['password'] }
}

interface Form {
  readonly config: Config
  readonly returnTo: string | null
  readonly email: string
  readonly problem: Problem | null
}

function answerForm(form: Form, answer: Omit<PageAnswer, 'formOrigins'>): Promise<Response> {
  const { config, problem } = form
  const page = { heading: 'Create an account', site: config.issuerHost, isMending: problem !== null }
  return answerPage({ ...page, content: <Content {...form} /> }, { ...answer, formOrigins: config.webOrigins })
}

function Content({ config, returnTo, email, problem }: Form): JSX.Element {
  const hint = 'At least 8 characters, and none that everybody tries first.'
  return (
    <>
      <ProblemBox problem={problem} />
      <form class="fields" method="post" action={pagePath(config, 'sign-up')}>
        <Field
          {...{ name: 'email', label: 'E-mail address', type: 'text', autocomplete: 'username', value: email, problem }}
        />
        <Field
          {...{
            name: 'password',
            label: 'New password',
            type: 'password',
            autocomplete: 'new-password',
            hint,
            problem,
          }}
        />
        <Carried name="return_to" value={returnTo} />
        <button class="whole">Create the account</button>
      </form>
      <p class="below">
        Already have an account? <a href={pagePath(config, 'sign-in', returnTo)}>Sign in</a>
      </p>
    </>
  )
}
