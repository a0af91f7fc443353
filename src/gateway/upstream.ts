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
import type { HeaderRecord } from './request-headers.ts'
import { inTheirBytes, passRequestHeaders } from './request-headers.ts'
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
  readonly issuer: string
  readonly identityHeaderNames: ReadonlySet<string>
  readonly cookies: CookieNames
  readonly findFetcher: (binding: string) => Pick<Fetcher, 'fetch'> | null
}

/**
 * Sends the request once, never again, and waits for the headers of the upstream's answer, not for its body, so a stream may
 * live on. Bodies stream both ways; nothing is cached. Everything the upstream is told of the identity is ready before anything
 * is sent. A preflight is not judged, so it goes with neither body nor cookies, which browsers never send. A request that is
 * waited for no longer ends with ours, when the client has been answered.
 * Does NOT decide whether the request may pass; policy.ts does, before.
 * @throws Denial `invalid_request`, `headers_too_large`, `misconfigured`; what is given rejects with `upstream_unreachable`, `upstream_timeout`
 */
export function forward(forwarding: Forwarding): Promise<Response> {
  const { route, url, findFetcher } = forwarding
  const fetcher = fetcherOf(route, findFetcher)
  return withinTime(fetcher.fetch(url, upstreamRequest(forwarding)), route.timeout * 1000, refuseFailed)
}

/**
 * What of the upstream's answer goes on: its redirects, encodings and statuses untouched.
 * @throws Denial `upstream_unreachable` where it is none
 */
export function receive(answer: Response, { head, cookies }: Forwarding): Passed {
  const { status } = answer
  const isSwitching = status === 101 && answer.webSocket !== null
  if (!isSwitching && !isFinal(status))
    throw new Denial('upstream_unreachable', { reason: 'the upstream answered with an odd status' })
  const passed = passResponse(answer, cookies)
  return isSwitching ? { ...passed, response: withTokenProtocol(passed.response, head) } : passed
}

/** What `fetch` makes a request of, once: a `Request` made here would be copied there, headers and all. */
function upstreamRequest(forwarding: Forwarding): RequestInit {
  const { request, head } = forwarding
  const { method } = head
  const hasBody = method !== 'GET' && method !== 'HEAD' && !isPreflight(head)
  const init = { method, headers: upstreamHeaders(forwarding), redirect: 'manual', cache: 'no-store' } as const
  return hasBody ? { ...init, body: request.body } : init
}

/** A record, which costs the runtime half of what as many calls to `Headers` do. */
function upstreamHeaders(forwarding: Forwarding): HeadersInit {
  const { request, head } = forwarding
  const { passed, isFaithful } = passRequestHeaders(head.headers, forwarding)
  passWebSocket(passed, head)
  if (isPreflight(head)) delete passed['cookie']
  const told = tellUpstream(forwarding)
  return isFaithful ? Object.assign(passed, told) : inTheirBytes(request.headers, passed, told)
}

function tellUpstream({ head, route, identity, assertion, control, ...about }: Forwarding): HeaderRecord {
  const told: HeaderRecord = identity === null ? {} : { ...identityHeaders(identity, route) }
  told['X-Forwarded-Host'] = about.host
  told['X-Forwarded-Proto'] = head.url.startsWith('https:') ? 'https' : 'http'
  told['X-Request-Id'] = about.requestId
  if (about.clientAddress !== null) told['X-Forwarded-For'] = about.clientAddress
  if (assertion !== null) told['Gatehouse-Assertion'] = assertion
  if (control !== null) told['Gatehouse-Control'] = control
  return told
}

/** RFC 6455 §4.1. A subprotocol that was the client's token stays here. */
function passWebSocket(passed: HeaderRecord, { method, headers: client }: RequestHead): void {
  if (method === 'GET' && client.get('Upgrade') === 'websocket') passed['upgrade'] = 'websocket'
  const offered = passed['sec-websocket-protocol']
  if (offered === undefined) return
  const { forwarded } = withoutTokenProtocol(offered)
  if (forwarded === null) delete passed['sec-websocket-protocol']
  else passed['sec-websocket-protocol'] = forwarded
}

function refuseFailed(cause: unknown): Denial {
  return new Denial(isTimeLimit(cause) ? 'upstream_timeout' : 'upstream_unreachable', { cause })
}

function fetcherOf({ upstream }: Route, findFetcher: Forwarding['findFetcher']): Pick<Fetcher, 'fetch'> {
  if (upstream.binding === null) return globalThis
  const fetcher = findFetcher(upstream.binding)
  if (fetcher === null) throw new Denial('misconfigured', { reason: "the upstream's binding is missing" })
  return fetcher
}

/** True for a status of RFC 9110 §15 that ends an exchange, and that a Worker can give on. */
function isFinal(status: number): boolean {
  return status >= 200 && status <= 599
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
