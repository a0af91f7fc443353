// The error boundary: a refusal becomes its answer, anything else that was thrown becomes a logged 503.

import { Denial, denialResponse } from './denial.ts'
import type { Log, LogEvent } from './log.ts'
import { describeFault } from './log.ts'
import type { RequestHead } from './request-head.ts'

export interface Bounds {
  readonly log: Log
  readonly requestId: string
  readonly request: Pick<RequestHead, 'method'>
  /** The route's key, once there is one. */
  readonly route?: string
  /** Finishes a refusal, such as with CORS headers. */
  readonly finish?: (refusal: Response) => Response
}

/** What `step` answers; whatever it throws is logged under the request id and answered from the table of denials. */
export async function answerOrRefuse(bounds: Bounds, step: () => Promise<Response>): Promise<Response> {
  try {
    return await step()
  } catch (error) {
    const denial = error instanceof Denial ? error : new Denial('unavailable', { cause: error })
    bounds.log(describeRefusal(bounds, denial))
    const refusal = denialResponse(denial, bounds.requestId)
    return bounds.finish?.(refusal) ?? refusal
  }
}

/** The log line of a refusal: a fault where something broke, else a denial. */
export function describeRefusal({ requestId, request, route }: Omit<Bounds, 'log'>, denial: Denial): LogEvent {
  const { reason, cause } = denial.details
  return {
    event: denial.status < 500 ? 'denial' : 'fault',
    request_id: requestId,
    code: denial.code,
    status: denial.status,
    method: request.method,
    ...(route === undefined ? {} : { route }),
    ...(reason === undefined ? {} : { reason }),
    ...(cause === undefined ? {} : describeFault(cause)),
  }
}
