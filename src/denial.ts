// A refusal: one table of codes, one error class, one way onto the wire (DESIGN §11, RFC 9457).

interface Row {
  readonly status: number
  readonly title: string
  /** The `error` of the `WWW-Authenticate: Bearer` challenge (RFC 6750 §3.1); `null` is a bare challenge, absent is none. */
  readonly challenge?: string | null
  /** Seconds after which a client may try again. */
  readonly retryAfter?: number
}

const TABLE = {
  invalid_request: { status: 400, title: 'The request is not valid.' },
  ambiguous_path: { status: 400, title: 'The path could be read in more than one way.' },
  ambiguous_credential: { status: 400, title: 'More than one credential of a kind was sent.' },
  credential_required: { status: 401, title: 'A credential is required.', challenge: null },
  invalid_token: { status: 401, title: 'The credential is not valid.', challenge: 'invalid_token' },
  invalid_sign_in: { status: 401, title: 'E-mail or password is wrong.', challenge: null },
  session_ended: { status: 401, title: 'The session has ended.', challenge: 'invalid_token' },
  insufficient_user_authentication: {
    status: 401,
    title: 'A more recent sign-in is required.',
    challenge: 'insufficient_user_authentication',
  },
  cross_site_request: { status: 403, title: 'The request came from another site.' },
  insufficient_scope: { status: 403, title: 'A scope is missing.', challenge: 'insufficient_scope' },
  insufficient_role: { status: 403, title: 'A role is missing.' },
  claim_mismatch: { status: 403, title: 'The identity does not match this resource.' },
  no_route: { status: 404, title: 'Nothing is here.' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here.' },
  conflict: { status: 409, title: 'It is taken, or not in a state for this.' },
  precondition_failed: { status: 412, title: 'It has changed since it was read.' },
  too_large: { status: 413, title: 'The body is too large.' },
  rate_limited: { status: 429, title: 'Too many requests.', retryAfter: 60 },
  headers_too_large: { status: 431, title: 'The headers are too large.' },
  upstream_unreachable: { status: 502, title: 'The upstream could not be reached.' },
  invalid_session_control: { status: 502, title: 'The upstream gave an answer that cannot be used.' },
  misconfigured: { status: 503, title: 'The gateway is not configured correctly.', retryAfter: 60 },
  unavailable: { status: 503, title: 'This cannot be decided at the moment.', retryAfter: 5 },
  issuer_unavailable: { status: 503, title: 'The identity provider cannot be asked at the moment.', retryAfter: 30 },
  upstream_timeout: { status: 504, title: 'The upstream did not answer in time.' },
} as const satisfies Record<string, Row>

export type DenialCode = keyof typeof TABLE

export interface DenialDetails {
  /** Which check failed. For the log only; never leaves the gateway. */
  readonly reason?: string
  /** Who was refused: a keyed digest of the account and an address block. For the log only. */
  readonly refused?: { readonly account?: string; readonly address: string }
  /** Extra members of the problem body, such as `missing`. */
  readonly members?: Readonly<Record<string, unknown>>
  /** Extra parameters of the `WWW-Authenticate` challenge, such as `max_age`. */
  readonly challenge?: Readonly<Record<string, string>>
  /** Extra response headers, such as `Allow`. */
  readonly headers?: Readonly<Record<string, string>>
  /** `Set-Cookie` lines, such as those that clear a dead session's cookies. */
  readonly cookies?: readonly string[]
  readonly cause?: unknown
}

/** A request ends here, with the answer that its code names. It is no fault, so nobody needs to know where: it has no stack. */
export class Denial extends Error {
  readonly code: DenialCode
  readonly details: DenialDetails

  constructor(code: DenialCode, details: DenialDetails = {}) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(code, { cause: details.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.name = 'Denial'
    this.code = code
    this.details = details
  }

  get status(): number {
    return TABLE[this.code].status
  }
}

/** The wire form of a denial for programs: `application/problem+json` with the challenge and headers of its code. */
export function denialResponse(denial: Denial, requestId: string): Response {
  const { status, title } = TABLE[denial.code]
  const body = {
    type: `urn:gatehouse:${denial.code}`,
    title,
    status,
    code: denial.code,
    request_id: requestId,
    ...denial.details.members,
  }
  const headers = { ...plainHeaders(denial), 'Content-Type': 'application/problem+json' }
  const response = new Response(JSON.stringify(body), { status, headers })
  appendCookies(response.headers, denial)
  return response
}

/** What a denial says in headers, whatever form its body has. */
export function denialHeaders(denial: Denial): Headers {
  const headers = new Headers(plainHeaders(denial))
  appendCookies(headers, denial)
  return headers
}

/** A record, which costs the runtime half of what as many calls to `Headers` do. */
function plainHeaders({ code, details }: Denial): Readonly<Record<string, string>> {
  const row: Row = TABLE[code]
  return {
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(row.challenge === undefined ? {} : { 'WWW-Authenticate': challenge(row.challenge, details.challenge) }),
    ...(row.retryAfter === undefined ? {} : { 'Retry-After': String(row.retryAfter) }),
    ...details.headers,
  }
}

function appendCookies(headers: Headers, { details }: Denial): void {
  for (const cookie of details.cookies ?? []) headers.append('Set-Cookie', cookie)
}

/** RFC 6750 §3: `Bearer`, alone where no credential came, else with its error and parameters. */
function challenge(error: string | null, parameters: Readonly<Record<string, string>> = {}): string {
  if (error === null) return 'Bearer'
  const pairs = Object.entries({ error, ...parameters }).map(([name, value]) => `${name}="${value}"`)
  return `Bearer ${pairs.join(', ')}`
}
