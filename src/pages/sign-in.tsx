// The sign-in page: a password, or an account elsewhere, and on to the page that was asked for.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { readBody } from '../auth/body.ts'
import { parseReturnTo } from '../auth/return-to.ts'
import type { Site } from '../auth/same-site.ts'
import { enforceAddressLimit, openByPassword, parsePasswordForm } from '../auth/sign-in.ts'
import type { Config } from '../config/config.ts'
import { canSignIn } from '../config/unauthenticated.ts'
import { Denial, denialHeaders } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import type { Problem } from './form.tsx'
import { Carried, Field, ProblemBox, signInProblem, submitOrShow } from './form.tsx'
import type { PageAnswer } from './layout.tsx'
import { answerPage } from './layout.tsx'
import { answerSignedIn, findVisitor } from './living.ts'
import { pagePath, providerPath, queryOf, readReturnTo } from './places.ts'
import { answerSeeOther } from './see-other.ts'

/**
 * `GET /auth/sign-in`. Who is signed in goes on, unless `prompt=login` asks for him once more: then the page waits.
 * @throws Denial `no_route` where nobody can sign in, `ambiguous_credential`
 */
export async function showSignIn(exchange: Exchange): Promise<Response> {
  const { config } = exchange.runtime
  if (!canSignIn(config)) throw new Denial('no_route')
  const returnTo = readReturnTo(config, exchange.head.url)
  const form = { config, returnTo, scope: null, email: '', problem: null }
  if (queryOf(exchange.head.url).get('prompt') === 'login') return answerForm({ ...form, isAgain: true })
  const { outcome, cookies } = await findVisitor(exchange)
  if (outcome === 'signed-in') return answerSeeOther(returnTo ?? pagePath(config, 'account'), cookies)
  return answerForm({ ...form, isAgain: false }, { cookies })
}

/**
 * `POST /auth/sign-in` by the page's form.
 * @throws Denial `no_route`, `cross_site_request`, `invalid_request` or `too_large` for a body that is no such form
 */
export async function submitSignIn(exchange: Exchange, site: Site): Promise<Response> {
  const { config } = exchange.runtime
  if (!config.passwords.signIn) throw new Denial('no_route')
  await enforceAddressLimit(exchange)
  const body = await readBody(exchange.request, ['email', 'password', 'return_to', 'scope'])
  const scope = body['scope'] ?? null
  const returnTo = parseReturnTo(config, body['return_to'])
  const email = body['email'] ?? ''
  return submitOrShow(
    exchange,
    async () => answerSignedIn(exchange, await openByPassword(exchange, parsePasswordForm(body, site)), returnTo),
    (denial) => {
      const form = { config, returnTo, scope, email, problem: signInProblem(denial, email), isAgain: false }
      return answerForm(form, { status: denial.status, headers: denialHeaders(denial) })
    },
  )
}

interface Form {
  readonly config: Config
  readonly returnTo: string | null
  /** What a form of the site's own asks for. */
  readonly scope: string | null
  readonly email: string
  readonly problem: Problem | null
  /** True where whoever is signed in is asked once more. */
  readonly isAgain: boolean
}

function answerForm(form: Form, answer: Omit<PageAnswer, 'formOrigins'> = {}): Promise<Response> {
  const { config, problem, isAgain } = form
  const heading = isAgain ? 'Sign in again' : 'Sign in'
  const page = { heading, site: config.issuerHost, isMending: problem !== null, content: <Content {...form} /> }
  return answerPage(page, { ...answer, formOrigins: config.webOrigins })
}

function Content(form: Form): JSX.Element {
  const { passwords, providers } = form.config
  return (
    <>
      {form.isAgain && <p>For your safety, the page that you asked for needs a recent sign-in.</p>}
      <ProblemBox problem={form.problem} />
      {passwords.signIn && <PasswordForm {...form} />}
      {passwords.signIn && providers.length > 0 && <p class="or">or</p>}
      {providers.length > 0 && <Providers {...form} />}
      {passwords.signUp && (
        <p class="below">
          No account yet? <a href={pagePath(form.config, 'sign-up', form.returnTo)}>Create one</a>
        </p>
      )}
    </>
  )
}

function PasswordForm({ config, returnTo, scope, email, problem }: Form): JSX.Element {
  return (
    <form class="fields" method="post" action={pagePath(config, 'sign-in')}>
      <Field
        {...{ name: 'email', label: 'E-mail address', type: 'text', autocomplete: 'username', value: email, problem }}
      />
      <Field
        {...{ name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password', problem }}
      />
      <Carried name="return_to" value={returnTo} />
      <Carried name="scope" value={scope} />
      <button class="whole">Sign in</button>
    </form>
  )
}

function Providers({ config, returnTo, isAgain }: Form): JSX.Element {
  return (
    <ul class="ways fields">
      {config.providers.map(({ id }) => (
        <li>
          <a class="button plain whole" href={providerPath(config, id, returnTo, isAgain)}>
            Continue with {id}
          </a>
        </li>
      ))}
    </ul>
  )
}
