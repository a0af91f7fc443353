// The error boundary: a refusal becomes its answer, anything else that was thrown becomes a logged 503.

import { Denial } from './denial.ts'
import type { LogEvent } from './log.ts'
import { describeFault } from './log.ts'
import { refuse } from './refusal.ts'
import type { RequestHead } from './request-head.ts'
import type { Exchange } from './runtime.ts'

/** How a refusal is told and finished. */
export interface Bounds {
  /** The route's key, once there is one. */
  readonly route?: string
  /** True where pages send whoever is not signed in to the sign-in page. */
  readonly signsIn?: boolean
  /** Finishes a refusal, such as with CORS headers. */
  readonly finish?: (refusal: Response) => Response
}

/** What answers a request, once it is known whose it is. */
export interface Call extends Bounds {
  readonly answer: () => Promise<Response>
}

type Refusing = Pick<Exchange, 'head' | 'requestId' | 'runtime' | 'note'>

/**
 * What the call answers that `find` gives; whatever one of both throws is logged under the request id and answered from the
 * table of denials. Until there is a call, a refusal is finished as `early` says.
 */
export async function answerOrRefuse(exchange: Refusing, early: Bounds, find: () => Call): Promise<Response> {
  let bounds = early
  try {
    const call = find()
    bounds = call
    return await call.answer()
  } catch (error) {
    return answerThrown(exchange, bounds, error)
  }
}

async function answerThrown(
  { head: request, requestId, runtime, note }: Refusing,
  { route, signsIn = false, finish }: Bounds,
  error: unknown,
): Promise<Response> {
  const denial = error instanceof Denial ? error : new Denial('unavailable', { cause: error })
  runtime.log(describeRefusal({ request, requestId, ...(route === undefined ? {} : { route }) }, denial))
  note?.({ outcome: denial.code })
  const refusal = await refuse({ request, requestId, config: runtime.config, signsIn }, denial)
  return finish?.(refusal) ?? refusal
}

/** What the log tells of a request that was refused. */
export interface RefusedRequest {
  readonly request: Pick<RequestHead, 'method'>
  readonly requestId: string
  readonly route?: string
}

/** The log line of a refusal: a fault where something broke, else a denial. */
export function describeRefusal({ requestId, request, route }: RefusedRequest, denial: Denial): LogEvent {
  const { reason, refused, cause } = denial.details
  return {
    event: denial.status < 500 ? 'denial' : 'fault',
    request_id: requestId,
    code: denial.code,
    status: denial.status,
    method: request.method,
    ...(route === undefined ? {} : { route }),
    ...(reason === undefined ? {} : { reason }),
    ...refused,
    ...(cause === undefined ? {} : describeFault(cause)),
  }
}
