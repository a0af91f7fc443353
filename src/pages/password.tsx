// The page on which somebody who is signed in changes his password.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { readBody } from '../auth/body.ts'
import { publishEnded } from '../auth/effective.ts'
import { credentialsOf } from '../auth/issue.ts'
import { changeOwnPassword, parsePasswordChange } from '../auth/password.ts'
import type { Site } from '../auth/same-site.ts'
import { enforceTransport } from '../auth/same-site.ts'
import { enforceAddressLimit } from '../auth/sign-in.ts'
import type { Config } from '../config/config.ts'
import { Denial, denialHeaders } from '../denial.ts'
import { findAccount } from '../identities/account.ts'
import type { Exchange } from '../runtime.ts'
import type { Problem } from './form.tsx'
import { commonProblem, Field, passwordWords, ProblemBox, submitOrShow } from './form.tsx'
import type { PageAnswer } from './layout.tsx'
import { answerPage } from './layout.tsx'
import { requireVisitor } from './living.ts'
import { pagePath } from './places.ts'
import { answerSeeOther } from './see-other.ts'

/** `GET /auth/password`. @throws Denial `no_route`, `credential_required`, `invalid_token`, `session_ended` */
export async function showPassword(exchange: Exchange): Promise<Response> {
  const { config, db } = exchange.runtime
  if (!config.passwords.signIn) throw new Denial('no_route')
  const { session, cookies } = await requireVisitor(exchange)
  const { user } = await findAccount(db, session.userId)
  return answerForm({ config, email: user?.email ?? null, problem: null }, { cookies })
}

/**
 * `POST /auth/password` by the page's form.
 * @throws Denial `no_route`, `cross_site_request`, `credential_required`, `session_ended`, `invalid_request` or
 *   `too_large` for a body that is no such form
 */
export async function submitPassword(exchange: Exchange, site: Site): Promise<Response> {
  const { config, db } = exchange.runtime
  if (!config.passwords.signIn) throw new Denial('no_route')
  await enforceAddressLimit(exchange)
  const body = await readBody(exchange.request, ['username', 'current', 'new'])
  enforceTransport(site, 'cookie')
  const { session } = await requireVisitor(exchange)
  return submitOrShow(
    exchange,
    async () => {
      const form = await parsePasswordChange(body)
      const changed = await changeOwnPassword(exchange, session, form)
      const [{ cookies }] = await Promise.all([
        credentialsOf(exchange.runtime, changed.session, 'cookie'),
        publishEnded(exchange.runtime, changed),
      ])
      return answerSeeOther(`${pagePath(config, 'account')}?done=password`, cookies)
    },
    async (denial) => {
      const { user } = await findAccount(db, session.userId)
      const form = { config, email: user?.email ?? null, problem: findProblem(denial) }
      // Without the cookies of a renewal: the session may have ended while the password was checked.
      return answerForm(form, { status: denial.status, headers: denialHeaders(denial) })
    },
  )
}

function findProblem(denial: Denial): Problem {
  if (denial.code === 'invalid_sign_in') return { text: 'The current password is wrong.', fields: ['current'] }
  if (denial.code !== 'invalid_request') return commonProblem(denial)
  const words = passwordWords(denial)
  return words === null
    ? { text: 'Please enter both passwords.', fields: ['current', 'new'] }
    : { text: words, fields: ['new'] }
}

interface Form {
  readonly config: Config
  readonly email: string | null
  readonly problem: Problem | null
}

function answerForm(form: Form, answer: Omit<PageAnswer, 'formOrigins'>): Promise<Response> {
  const { config, problem } = form
  const page = { heading: 'Change your password', site: config.issuerHost, isMending: problem !== null }
  return answerPage({ ...page, content: <Content {...form} /> }, { ...answer, formOrigins: [] })
}

function Content({ config, email, problem }: Form): JSX.Element {
  const hint = 'At least 8 characters, and none that everybody tries first.'
  return (
    <>
      <p>All your other devices will be signed out.</p>
      <ProblemBox problem={problem} />
      <form class="fields" method="post" action={pagePath(config, 'password')}>
        {email !== null && <Username email={email} />}
        <Field
          {...{
            name: 'current',
            label: 'Current password',
            type: 'password',
            autocomplete: 'current-password',
            problem,
          }}
        />
        <Field
          {...{ name: 'new', label: 'New password', type: 'password', autocomplete: 'new-password', hint, problem }}
        />
        <button class="whole">Change the password</button>
      </form>
      <p class="below">
        <a href={pagePath(config, 'account')}>Back to your account</a>
      </p>
    </>
  )
}

/** Tells password managers whose password it is. Not read. */
function Username({ email }: { readonly email: string }): JSX.Element {
  return <input type="text" name="username" autocomplete="username" value={email} hidden />
}
