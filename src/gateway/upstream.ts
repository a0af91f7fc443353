// The last step: the request goes to its upstream with the identity attached, and the answer comes back (DESIGN §5.8, §5.9).

import type { CookieNames } from '../auth/cookies.ts'
import type { Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import type { RequestHead } from '../request-head.ts'
import { isTimeLimit, withinTime } from '../time-limit.ts'
import type { Identity } from '../tokens/identity.ts'
import { isPreflight } from './cors.ts'
import { withoutTokenProtocol } from './credential.ts'
import { identityHeaders } from './identity-headers.ts'
import { cleanRequestHeaders } from './request-headers.ts'
import type { Passed } from './response-headers.ts'
import { passResponse } from './response-headers.ts'

export interface Forwarding {
  readonly request: Request
  readonly head: RequestHead
  /** At the upstream, whole. */
  readonly url: string
  readonly route: Route
  readonly identity: Identity | null
  readonly assertion: string | null
  /** Value of `Gatehouse-Control`, on routes with session control. */
  readonly control: string | null
  readonly requestId: string
  readonly clientAddress: string | null
  /** As the client named it. */
  readonly host: string
  readonly keepAuthorization: boolean
  readonly takesApiKeys: boolean
  readonly identityHeaderNames: ReadonlySet<string>
  readonly cookies: CookieNames
  readonly findFetcher: (binding: string) => Pick<Fetcher, 'fetch'> | null
}

/**
 * Sends the request once, never again, and gives the upstream's answer back. Bodies stream both ways; redirects,
 * encodings and statuses pass untouched; nothing is cached. Everything the upstream is told of the identity is ready
 * before anything is sent. A preflight is not judged, so it goes with neither body nor cookies, which browsers never send.
 * Does NOT decide whether the request may pass; policy.ts does, before.
 * @throws Denial `invalid_request`, `headers_too_large`, `misconfigured`, `upstream_unreachable`, `upstream_timeout`
 */
export async function forward(forwarding: Forwarding): Promise<Passed> {
  const { head, cookies } = forwarding
  const answer = await send(forwarding, upstreamRequest(forwarding))
  if (!isUsable(answer))
    throw new Denial('upstream_unreachable', { reason: 'the upstream answered with an odd status' })
  const passed = passResponse(answer, cookies)
  return answer.status === 101 ? { ...passed, response: withTokenProtocol(passed.response, head) } : passed
}

/** What `fetch` makes a request of, once: a `Request` made here would be copied there, headers and all. */
function upstreamRequest(forwarding: Forwarding): RequestInit {
  const { request, head } = forwarding
  const { method } = head
  const hasBody = method !== 'GET' && method !== 'HEAD' && !isPreflight(head)
  const init = { method, headers: upstreamHeaders(forwarding), redirect: 'manual', cache: 'no-store' } as const
  return hasBody ? { ...init, body: request.body } : init
}

/** The client's headers are copied by the runtime, byte for byte, and changed in that copy. */
function upstreamHeaders(forwarding: Forwarding): Headers {
  const { request, head, route, identity, assertion, control, clientAddress } = forwarding
  const headers = new Headers(request.headers)
  cleanRequestHeaders(headers, head.headers, forwarding)
  passWebSocket(headers, head)
  if (isPreflight(head)) headers.delete('Cookie')
  if (clientAddress !== null) headers.set('X-Forwarded-For', clientAddress)
  headers.set('X-Forwarded-Host', forwarding.host)
  headers.set('X-Forwarded-Proto', head.url.startsWith('https:') ? 'https' : 'http')
  headers.set('X-Request-Id', forwarding.requestId)
  for (const [name, value] of identity === null ? [] : identityHeaders(identity, route)) headers.set(name, value)
  if (assertion !== null) headers.set('Gatehouse-Assertion', assertion)
  if (control !== null) headers.set('Gatehouse-Control', control)
  return headers
}

/** RFC 6455 §4.1. A subprotocol that was the client's token stays here. */
function passWebSocket(headers: Headers, { method, headers: client }: RequestHead): void {
  if (method === 'GET' && client.get('Upgrade') === 'websocket') headers.set('Upgrade', 'websocket')
  const offered = client.get('Sec-WebSocket-Protocol')
  if (offered === null) return
  const { forwarded } = withoutTokenProtocol(offered)
  if (forwarded === null) return headers.delete('Sec-WebSocket-Protocol')
  if (forwarded !== offered) headers.set('Sec-WebSocket-Protocol', forwarded)
}

/**
 * Waits for the response's headers, not for its body, so a stream may live on. A request that is waited for no longer ends
 * with ours, when the client has been answered.
 */
async function send({ route, url, findFetcher }: Forwarding, request: RequestInit): Promise<Response> {
  const fetcher = fetcherOf(route, findFetcher)
  try {
    return await withinTime(fetcher.fetch(url, request), route.timeout * 1000)
  } catch (cause) {
    throw new Denial(isTimeLimit(cause) ? 'upstream_timeout' : 'upstream_unreachable', { cause })
  }
}

function fetcherOf({ upstream }: Route, findFetcher: Forwarding['findFetcher']): Pick<Fetcher, 'fetch'> {
  if (upstream.binding === null) return globalThis
  const fetcher = findFetcher(upstream.binding)
  if (fetcher === null) throw new Denial('misconfigured', { reason: "the upstream's binding is missing" })
  return fetcher
}

/** True for an answer that a Worker can give on: a final status of RFC 9110 §15, or a WebSocket. */
function isUsable({ status, webSocket }: Response): boolean {
  return status === 101 ? webSocket !== null : status >= 200 && status <= 599
}

/** A browser insists that one of the subprotocols that it offered is chosen, the token alone included. */
function withTokenProtocol(answer: Response, { headers }: RequestHead): Response {
  const offered = headers.get('Sec-WebSocket-Protocol')
  if (offered === null) return answer
  const { answer: chosen } = withoutTokenProtocol(offered)
  if (chosen === null) return answer
  const passed = new Response(null, answer)
  passed.headers.set('Sec-WebSocket-Protocol', chosen)
  return passed
}
