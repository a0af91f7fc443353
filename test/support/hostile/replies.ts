// What an answer is, and whether it says what the table of denials promises (DESIGN §11, written out here again).

import { isObject } from '../../../src/json.ts'
import { MARK } from './recorder.ts'
import type { Outcome } from './request.ts'
import type { Reply } from './socket.ts'
import { valuesOf } from './socket.ts'

const STATUSES: Readonly<Record<string, number>> = {
  invalid_request: 400,
  ambiguous_path: 400,
  ambiguous_credential: 400,
  credential_required: 401,
  invalid_token: 401,
  invalid_sign_in: 401,
  session_ended: 401,
  cross_site_request: 403,
  insufficient_scope: 403,
  insufficient_role: 403,
  claim_mismatch: 403,
  no_route: 404,
  method_not_allowed: 405,
  too_large: 413,
  rate_limited: 429,
  headers_too_large: 431,
  upstream_unreachable: 502,
}

/** RFC 6750 §3: bare where no credential came. */
const CHALLENGES: Readonly<Record<string, string>> = {
  credential_required: 'Bearer',
  invalid_sign_in: 'Bearer',
  invalid_token: 'Bearer error="invalid_token"',
  session_ended: 'Bearer error="invalid_token"',
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

export function outcomeOf(reply: Reply): Outcome {
  const [type = ''] = valuesOf(reply, 'Content-Type')
  if (valuesOf(reply, MARK).length > 0) return 'passed'
  if (type === 'application/problem+json') return `${reply.status} ${codeOf(reply)}`.trim()
  return type.startsWith('application/json') ? `own ${reply.status}` : `workerd ${reply.status}`
}

/** What is wrong with an answer of the gateway's own; nothing is, with what it only passes on. */
export function problemsOf(reply: Reply, isHead: boolean): readonly string[] {
  const outcome = outcomeOf(reply)
  if (/^(?:passed|own|workerd)/.test(outcome)) return []
  const headers = headerProblems(reply, isHead)
  return isHead ? headers : [...headers, ...bodyProblems(reply)]
}

function codeOf({ body }: Reply): string {
  const problem = parse(body)
  return isObject(problem) ? String(problem['code']) : ''
}

function headerProblems(reply: Reply, isHead: boolean): readonly string[] {
  const challenge = isHead ? undefined : CHALLENGES[codeOf(reply)]
  const challenges = valuesOf(reply, 'WWW-Authenticate')
  return [
    valuesOf(reply, 'Cache-Control').join() === 'no-store' ? '' : 'a denial that may be cached',
    reply.status !== 401 || challenges.length === 1 ? '' : 'a 401 without its challenge',
    challenge === undefined || challenges.join() === challenge ? '' : `the challenge is ${challenges.join()}`,
    reply.status !== 429 || valuesOf(reply, 'Retry-After').length === 1 ? '' : 'a 429 without Retry-After',
  ].filter((problem) => problem !== '')
}

function bodyProblems(reply: Reply): readonly string[] {
  const problem = parse(reply.body)
  if (!isObject(problem)) return ['a denial without a JSON object']
  const { type, title, status, code, request_id: requestId } = problem
  return [
    STATUSES[String(code)] === reply.status ? '' : `the code ${String(code)} is not of ${reply.status}`,
    status === reply.status ? '' : 'the status of the body is another',
    type === `urn:gatehouse:${String(code)}` ? '' : `the type is ${String(type)}`,
    typeof title === 'string' && title !== '' ? '' : 'no title',
    UUID.test(String(requestId)) ? '' : 'no request_id',
  ].filter((each) => each !== '')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
