// Forms: their fields, what was wrong with what was sent, and the step that either answers or shows the form again.

import type { JSX } from 'hono/jsx/jsx-runtime'

import { parseEmail } from '../accounts/email.ts'
import { describeRefusal } from '../boundary.ts'
import type { DenialCode } from '../denial.ts'
import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'

/** What a person can put right in the form; other refusals have the error page. */
const MENDABLE: ReadonlySet<DenialCode> = new Set(['invalid_request', 'invalid_sign_in', 'rate_limited', 'unavailable'])

/** What `step` answers; where it refuses what was filled in, it is logged, and `show` shows the form again. */
export async function submitOrShow(
  { runtime, head, requestId }: Exchange,
  step: () => Promise<Response>,
  show: (denial: Denial) => Promise<Response>,
): Promise<Response> {
  try {
    return await step()
  } catch (error) {
    if (!(error instanceof Denial) || !MENDABLE.has(error.code)) throw error
    runtime.log(describeRefusal({ request: head, requestId }, error))
    return show(error)
  }
}

/** What is said above a form that is shown again, and of which fields it is said; the first gets the focus. */
export interface Problem {
  readonly text: string
  readonly fields: readonly string[]
}

/** The problem of a denial that is not about a form's own fields. */
export function commonProblem({ code, details }: Denial): Problem {
  const seconds = details.headers?.['Retry-After']
  if (code === 'rate_limited') {
    const when = seconds === undefined ? 'in a minute' : `in ${seconds} ${seconds === '1' ? 'second' : 'seconds'}`
    return { text: `Too many attempts. Please try again ${when}.`, fields: [] }
  }
  return { text: 'This did not work just now. Please try again.', fields: [] }
}

/** The problem of an e-mail and a password that let nobody in. */
export function signInProblem(denial: Denial, email: string): Problem {
  if (denial.code === 'invalid_sign_in') {
    return { text: 'The e-mail address or the password is wrong.', fields: ['password', 'email'] }
  }
  if (denial.code !== 'invalid_request') return commonProblem(denial)
  return parseEmail(email) === null
    ? { text: 'Please enter an e-mail address.', fields: ['email'] }
    : { text: 'Please enter your password.', fields: ['password'] }
}

/** The words of a new password that is refused, which follow "The password"; `null` where the denial is about something else. */
export function passwordWords({ details }: Denial): string | null {
  const detail = details.members?.['detail']
  return typeof detail === 'string' ? `The new password ${detail}.` : null
}

export function ProblemBox({ problem }: { readonly problem: Problem | null }): JSX.Element | null {
  if (problem === null) return null
  return (
    <p class="problem" id="problem" role="alert">
      {problem.text}
    </p>
  )
}

interface FieldProps {
  readonly name: string
  readonly label: string
  readonly type: 'text' | 'password'
  /** HTML §4.10.19.7.1. */
  readonly autocomplete: string
  readonly hint?: string
  readonly value?: string
  readonly problem: Problem | null
}

/** A text that must be filled in. E-mail addresses are a text: `type="email"` would rewrite those with letters beyond ASCII. */
export function Field({ name, label, type, autocomplete, hint, value, problem }: FieldProps): JSX.Element {
  const isWrong = problem?.fields.includes(name) === true
  const described = [...(isWrong ? ['problem'] : []), ...(hint === undefined ? [] : [`${name}-hint`])]
  return (
    <>
      <label for={name}>{label}</label>
      {hint !== undefined && (
        <p class="hint" id={`${name}-hint`}>
          {hint}
        </p>
      )}
      <input
        id={name}
        name={name}
        type={type}
        autocomplete={autocomplete}
        required
        spellcheck={false}
        {...(type === 'text' && { inputmode: 'email', autocapitalize: 'none' })}
        {...(value !== undefined && { value })}
        {...(isWrong && { 'aria-invalid': 'true' })}
        {...(problem?.fields[0] === name && { autofocus: true })}
        {...(described.length > 0 && { 'aria-describedby': described.join(' ') })}
      />
    </>
  )
}

/** A member that the form carries on unseen; nothing where there is nothing to carry. */
export function Carried({ name, value }: { readonly name: string; readonly value: string | null }): JSX.Element | null {
  return value === null ? null : <input type="hidden" name={name} value={value} />
}
