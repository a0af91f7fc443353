// A refusal of the OAuth endpoints: one table of codes, and one way onto the wire (RFC 6749 §5.2).

import { Denial } from '../denial.ts'
import type { LogEvent } from '../log.ts'
import { describeFault } from '../log.ts'
import type { Exchange } from '../runtime.ts'

/** Status of each code: RFC 6749 §5.2, RFC 6750 §3.1; `temporarily_unavailable` as §4.1.2.1 has it. */
const TABLE = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unsupported_grant_type: 400,
  invalid_scope: 400,
  insufficient_scope: 403,
  temporarily_unavailable: 503,
} as const

export type OAuthCode = keyof typeof TABLE

export interface OAuthDetails {
  /** Which check failed. For the log only. */
  readonly reason?: string
  /** Tells a developer what to write instead: our own words, and nothing that depends on a secret. */
  readonly description?: string
  /** Where it is another than the code's own. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** A request to an OAuth endpoint ends here. */
export class OAuthError extends Error {
  readonly code: OAuthCode
  readonly details: OAuthDetails

  constructor(code: OAuthCode, details: OAuthDetails = {}) {
    super(code, { cause: details.cause })
    this.name = 'OAuthError'
    this.code = code
    this.details = details
  }

  get status(): number {
    return this.details.status ?? TABLE[this.code]
  }
}

/** What `step` answers; whatever it throws is logged under the request id, and answered in the form of RFC 6749 §5.2. */
export async function answerOrRefuseClient(exchange: Exchange, step: () => Promise<Response>): Promise<Response> {
  try {
    return await step()
  } catch (error) {
    const refusal = refusalOf(error)
    exchange.runtime.log(describeRefusal(exchange, refusal))
    return refusalResponse(refusal)
  }
}

/** The gateway's other refusals in OAuth's words: what cannot be told is never called invalid. */
function refusalOf(error: unknown): OAuthError {
  if (error instanceof OAuthError) return error
  if (!(error instanceof Denial)) return new OAuthError('temporarily_unavailable', { cause: error })
  const { status, details } = error
  const { reason = error.code, headers = {}, cause } = details
  if (error.code === 'session_ended') return new OAuthError('invalid_grant', { reason, cause })
  const isTemporary = status === 429 || status >= 500
  if (isTemporary) return new OAuthError('temporarily_unavailable', { reason, status, headers, cause })
  const detail = details.members?.['detail']
  const description = typeof detail === 'string' ? { description: detail } : {}
  return new OAuthError('invalid_request', { reason, status, ...description, cause })
}

function describeRefusal({ requestId, head }: Exchange, { code, status, details }: OAuthError): LogEvent {
  const { reason, cause } = details
  return {
    event: status < 500 ? 'denial' : 'fault',
    request_id: requestId,
    code,
    status,
    method: head.method,
    ...(reason === undefined ? {} : { reason }),
    ...(cause === undefined ? {} : describeFault(cause)),
  }
}

/** Seconds after which a client may try again. */
const RETRY_AFTER = { 429: '60', 503: '5' } as const

/** RFC 9110 §15.5.2: every 401 says how one authenticates; RFC 6749 §5.2 where that was tried by `Basic`. */
function refusalResponse({ code, status, details }: OAuthError): Response {
  const { description } = details
  const headers = new Headers({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' })
  if (status === 401) headers.set('WWW-Authenticate', 'Basic realm="gatehouse", charset="UTF-8"')
  if (status === 429 || status === 503) headers.set('Retry-After', RETRY_AFTER[status])
  for (const [name, value] of Object.entries(details.headers ?? {})) headers.set(name, value)
  const body = { error: code, ...(description === undefined ? {} : { error_description: description }) }
  return Response.json(body, { status, headers })
}
