// The page that a reset link leads to: a new password is asked for, and whose it is stays untold.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { readBody } from '../auth/body.ts'
import { publishEnded } from '../auth/effective.ts'
import { findResetLink, forgetResetLink, isResetToken, keepResetLink, resetFormMark } from '../auth/reset-cookie.ts'
import { parseResetForm, useLink } from '../auth/reset.ts'
import type { Site } from '../auth/same-site.ts'
import { enforceTransport } from '../auth/same-site.ts'
import { enforceAddressLimit } from '../auth/sign-in.ts'
import type { Config } from '../config/config.ts'
import { Denial, denialHeaders } from '../denial.ts'
import { isEmbedded } from '../navigation.ts'
import type { Exchange } from '../runtime.ts'
import type { Problem } from './form.tsx'
import { Carried, commonProblem, Field, passwordWords, ProblemBox, submitOrShow } from './form.tsx'
import type { PageAnswer } from './layout.tsx'
import { answerPage } from './layout.tsx'
import { pagePath, queryOf } from './places.ts'
import { answerSeeOther } from './see-other.ts'

/**
 * `GET /auth/reset?token=…` puts the link into a cookie and redirects to a URL without it; `GET /auth/reset` is the form.
 * Asks D1 nothing and uses nothing up, because mail scanners follow links: a wrong link gets the same form as a good one.
 * @throws Denial `no_route`, `invalid_request` for more than one token, `cross_site_request`, `ambiguous_credential`
 */
export async function showReset(exchange: Exchange): Promise<Response> {
  const { config } = exchange.runtime
  if (!config.passwords.signIn) throw new Denial('no_route')
  const query = queryOf(exchange.head.url)
  const [token, ...others] = query.getAll('token')
  if (others.length > 0) throw new Denial('invalid_request', { reason: 'token' })
  if (token !== undefined) return openLink(exchange, token)
  if (query.get('done') === 'yes') return answerDone(config)
  const opened = findResetLink(exchange)
  return opened === null ? answerExpired(config) : answerForm({ config, token: opened, problem: null }, {})
}

/** An image or frame of another site must not put a link of its choice into this browser. */
async function openLink(exchange: Exchange, token: string): Promise<Response> {
  const { config } = exchange.runtime
  if (isEmbedded(exchange.head)) throw new Denial('cross_site_request', { reason: 'not a page' })
  if (!isResetToken(token)) return answerExpired(config)
  return answerSeeOther(pagePath(config, 'reset'), [keepResetLink(exchange, token)])
}

/**
 * `POST /auth/reset` by the page's form. The link comes from the cookie.
 * @throws Denial `no_route`, `cross_site_request`, `ambiguous_credential`, `invalid_request` or `too_large` for a body
 *   that is not such a form
 */
export async function submitReset(exchange: Exchange, site: Site): Promise<Response> {
  const { config } = exchange.runtime
  if (!config.passwords.signIn) throw new Denial('no_route')
  await enforceAddressLimit(exchange)
  const { link, password } = await readBody(exchange.request, ['link', 'password'])
  enforceTransport(site, 'cookie')
  const token = findResetLink(exchange)
  if (token === null || link !== resetFormMark(token)) return answerExpired(config)
  return submitOrShow(
    exchange,
    async () => {
      const ended = await useLink(
        exchange,
        await parseResetForm({ token, ...(password !== undefined && { password }) }),
      )
      if (ended === null) return answerExpired(config, [forgetResetLink(exchange)])
      await publishEnded(exchange.runtime, ended)
      return answerSeeOther(`${pagePath(config, 'reset')}?done=yes`, [forgetResetLink(exchange)])
    },
    (denial) => {
      const form = { config, token, problem: findProblem(denial) }
      return answerForm(form, { status: denial.status, headers: denialHeaders(denial) })
    },
  )
}

/**
 * One answer for a link that never was, has expired, was used, or is not in this browser. Some browsers keep a cookie of a
 * redirect that began on another site and send it only with the next request of this site: its link leads there.
 */
function answerExpired(config: Config, cookies: readonly string[] = []): Promise<Response> {
  const page = { heading: 'Choose a new password', site: config.issuerHost, isMending: true }
  const content = (
    <>
      <ProblemBox problem={EXPIRED} />
      <p>
        Have you opened it just now? <a href={pagePath(config, 'reset')}>Continue here.</a>
      </p>
    </>
  )
  return answerPage({ ...page, content }, { status: 400, cookies, formOrigins: null })
}

const EXPIRED: Problem = {
  text: 'This link has expired, or has been used. Please open it again from the message, or ask for another.',
  fields: [],
}

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
        <Carried name="link" value={resetFormMark(token)} />
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
