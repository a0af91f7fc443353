// The page that a reset link leads to: a new password is asked for, and whose it is stays untold.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { readBody } from '../auth/body.ts'
import { publishEnded } from '../auth/effective.ts'
import { parseResetForm, useLink } from '../auth/reset.ts'
import type { Site } from '../auth/same-site.ts'
import { enforceTransport } from '../auth/same-site.ts'
import type { Config } from '../config/config.ts'
import { Denial, denialHeaders } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import type { Problem } from './form.tsx'
import { Carried, commonProblem, Field, passwordWords, ProblemBox, submitOrShow } from './form.tsx'
import type { PageAnswer } from './layout.tsx'
import { answerPage } from './layout.tsx'
import { pagePath, queryOf } from './places.ts'
import { answerSeeOther } from './see-other.ts'

/**
 * `GET /auth/reset?token=…`. Asks D1 nothing and uses nothing up: mail scanners follow links, and the same page comes
 * for a link that is over.
 * @throws Denial `no_route`, `invalid_request` without a token
 */
export async function showReset({ runtime, head }: Exchange): Promise<Response> {
  const { config } = runtime
  if (!config.passwords.signIn) throw new Denial('no_route')
  const query = queryOf(head.url)
  if (query.get('done') === 'yes') return answerDone(config)
  const [token, ...others] = query.getAll('token')
  if (token === undefined || others.length > 0) throw new Denial('invalid_request', { reason: 'token' })
  return answerForm({ config, token, problem: null }, {})
}

/**
 * `POST /auth/reset` by the page's form.
 * @throws Denial `no_route`, `cross_site_request`, `invalid_request` or `too_large` for a body that is no such form
 */
export async function submitReset(exchange: Exchange, site: Site): Promise<Response> {
  const { config } = exchange.runtime
  if (!config.passwords.signIn) throw new Denial('no_route')
  const body = await readBody(exchange.request, ['token', 'password'])
  enforceTransport(site, 'cookie')
  const token = body['token'] ?? ''
  return submitOrShow(
    exchange,
    async () => {
      const ended = await useLink(exchange, await parseResetForm(body))
      if (ended === null) return answerForm({ config, token, problem: OVER }, { status: 400 })
      await publishEnded(exchange.runtime, ended)
      return answerSeeOther(`${pagePath(config, 'reset')}?done=yes`, [])
    },
    (denial) => {
      const form = { config, token, problem: findProblem(denial) }
      return answerForm(form, { status: denial.status, headers: denialHeaders(denial) })
    },
  )
}

const OVER: Problem = { text: 'This link is over, or has been used. Please ask for another.', fields: [] }

function findProblem(denial: Denial): Problem {
  if (denial.code !== 'invalid_request') return commonProblem(denial)
  return { text: passwordWords(denial) ?? 'Please enter a password.', fields: ['password'] }
}

interface Form {
  readonly config: Config
  readonly token: string
  readonly problem: Problem | null
}

function answerForm(form: Form, answer: Omit<PageAnswer, 'formOrigins'>): Promise<Response> {
  const { config, problem } = form
  const page = { heading: 'Choose a new password', site: config.issuerHost, isMending: problem !== null }
  return answerPage({ ...page, content: <Content {...form} /> }, { ...answer, formOrigins: [] })
}

function Content({ config, token, problem }: Form): JSX.Element {
  const hint = 'At least 8 characters, and none that everybody tries first.'
  return (
    <>
      <p>All your devices will be signed out.</p>
      <ProblemBox problem={problem} />
      <form class="fields" method="post" action={pagePath(config, 'reset')}>
        <Carried name="token" value={token} />
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
        <button class="whole">Set the password</button>
      </form>
    </>
  )
}

function answerDone(config: Config): Promise<Response> {
  const content = (
    <p>
      You can <a href={pagePath(config, 'sign-in')}>sign in</a> with it now.
    </p>
  )
  return answerPage({ heading: 'Your password has been set', site: config.issuerHost, content }, { formOrigins: null })
}
