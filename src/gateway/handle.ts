// A request's way through the gateway, step by step in the order of DESIGN §5.

import { cookieNames } from '../auth/cookies.ts'
import type { YoungCookies } from '../auth/renew.ts'
import { youngLines } from '../auth/renew.ts'
import type { Control, Settled } from '../auth/upstream-control.ts'
import { answerOrRefuse, describeRefusal } from '../boundary.ts'
import type { Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { addressBlock, enforceRateLimit } from '../rate-limit.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { Identity } from '../tokens/identity.ts'
import type { Assertions } from './assertion.ts'
import { createAssertions } from './assertion.ts'
import type { Authenticated } from './authenticate.ts'
import { authenticate } from './authenticate.ts'
import { isPreflight, preflightResponse, withCors } from './cors.ts'
import { readCredential } from './credential.ts'
import { enforceSameSite, needsSameSite, ownOrigins } from './csrf.ts'
import type { Target } from './path.ts'
import { enforcePolicy } from './policy.ts'
import type { RouteMatch, RouteTable } from './route.ts'
import { compileRoutes, matchRoute, upstreamUrl } from './route.ts'
import { expectControl, obeyControl } from './session-control.ts'
import { forward } from './upstream.ts'

/** What is made once from the configuration. */
export interface Gateway {
  readonly table: RouteTable
  readonly assertions: Assertions
}

export function createGateway({ config, keys }: Runtime): Gateway {
  return { table: compileRoutes(config.routes), assertions: createAssertions(keys, config.issuer) }
}

/** Answers a request that is not for one of the gateway's own URLs. */
export function handle(exchange: Exchange, target: Target, gateway: Gateway): Promise<Response> {
  const { head, runtime, note } = exchange
  const preflight = isPreflight(head)
  const method = preflight ? (head.headers.get('Access-Control-Request-Method') ?? '') : head.method
  const match = matchRoute(gateway.table, target, method)
  const { cors, key, unauthenticated } = match.route
  note?.({ route: key })
  if (preflight && cors !== null) return Promise.resolve(preflightResponse(head, match.route, cors))
  const signsIn = unauthenticated === 'sign-in' && target.host === runtime.config.issuerHost
  const answered = answerOrRefuse({ exchange, route: key, signsIn }, () =>
    preflight ? passPreflight(exchange, target, match, gateway) : pass(exchange, target, match, gateway),
  )
  return cors === null ? answered : answered.then((response) => withCors(response, head, cors))
}

/** A request that may go on. */
interface Admitted extends Authenticated {
  readonly keepAuthorization: boolean
  readonly control: Control | null
}

const ANONYMOUS: Authenticated = { identity: null, renewal: null }
const UNASKED: Admitted = { ...ANONYMOUS, keepAuthorization: false, control: null }

/** Nobody is asked who he is, but too many are too many. */
async function passPreflight(
  exchange: Exchange,
  target: Target,
  match: RouteMatch,
  gateway: Gateway,
): Promise<Response> {
  await enforceRouteLimit(exchange, match.route, null)
  return send(exchange, target, match, gateway, UNASKED)
}

async function pass(exchange: Exchange, target: Target, match: RouteMatch, gateway: Gateway): Promise<Response> {
  const control = expectControl(exchange, target, match.route)
  const admitted = admit(exchange, match)
  const authenticated = admitted instanceof Promise ? await admitted : admitted
  if (match.route.rateLimit !== null) await enforceRouteLimit(exchange, match.route, authenticated.identity)
  const keepAuthorization = keepsAuthorization(match.route, authenticated)
  return send(exchange, target, match, gateway, { ...authenticated, keepAuthorization, control })
}

/** Who is let in: nobody is asked on `public`, and on `observe` the verdict is only logged, beside the request. */
function admit(exchange: Exchange, match: RouteMatch): Promise<Authenticated> | Authenticated {
  const { access } = match.route
  if (access === 'observe') exchange.waitUntil(observe(exchange, match))
  return access === 'required' || access === 'optional' ? judge(exchange, match) : ANONYMOUS
}

/** Credential, CSRF, verification, revocation, policy; at once where everything is known here. */
function judge(exchange: Exchange, match: RouteMatch): Promise<Authenticated> | Authenticated {
  const { head, runtime } = exchange
  const { route } = match
  const credential = readCredential(head, route.credentials, cookieNames(runtime.config.insecureCookies))
  if (needsSameSite(head, credential)) enforceSameSite(head, ownOrigins(runtime.config, route))
  const authenticated = authenticate(exchange, credential, route)
  return authenticated instanceof Promise
    ? authenticated.then((known) => permit(runtime, match, known))
    : permit(runtime, match, authenticated)
}

function permit({ now }: Runtime, { route, params }: RouteMatch, authenticated: Authenticated): Authenticated {
  const { identity } = authenticated
  if (identity !== null) enforcePolicy(route, identity, { params, now: now() })
  return authenticated
}

/** Logs what `required` would have said; changes nothing for the request. */
async function observe(exchange: Exchange, match: RouteMatch): Promise<void> {
  const { head, requestId, runtime } = exchange
  const observed = { event: 'observed', request_id: requestId, route: match.route.key, method: head.method } as const
  try {
    await judge(exchange, match)
    runtime.log({ ...observed, reason: 'would pass' })
  } catch (error) {
    const denial = error instanceof Denial ? error : new Denial('unavailable', { cause: error })
    runtime.log({ ...describeRefusal({ requestId, request: head }, denial), ...observed })
  }
}

async function enforceRouteLimit(exchange: Exchange, { rateLimit }: Route, identity: Identity | null): Promise<void> {
  if (rateLimit === null) return
  const limiter = exchange.runtime.findRateLimit(rateLimit)
  if (limiter === null) throw new Denial('misconfigured', { reason: 'rate-limit binding is missing' })
  const client = addressBlock(exchange.clientAddress)
  await enforceRateLimit(limiter, identity === null ? `address ${client}` : `${identity.issuer} ${identity.subject}`)
}

/** `Authorization` stays where the gateway read no identity from the request, or the route hands it on. */
function keepsAuthorization({ forwardToken }: Route, { identity }: Authenticated): boolean {
  return forwardToken || identity === null
}

async function send(
  exchange: Exchange,
  target: Target,
  { route }: RouteMatch,
  gateway: Gateway,
  { identity, renewal, keepAuthorization, control }: Admitted,
): Promise<Response> {
  const { runtime, request, head, requestId, clientAddress } = exchange
  const { config, now } = runtime
  const judgedAt = now()
  const isAsserted = identity !== null && route.identity.has('assertion')
  const assertion = isAsserted ? gateway.assertions.for(identity, route, judgedAt) : null
  const forwarded = await forward({
    request,
    head,
    url: upstreamUrl(route, target),
    route,
    identity,
    assertion: assertion instanceof Promise ? await assertion : assertion,
    control: control?.value ?? null,
    requestId,
    clientAddress,
    host: target.authority,
    keepAuthorization,
    takesApiKeys: route.credentials.has('api-key'),
    identityHeaderNames: config.identityHeaderNames,
    cookies: cookieNames(config.insecureCookies),
    findFetcher: runtime.findFetcher,
  })
  exchange.note?.({ outcome: 'passed', upstreamStatus: forwarded.response.status })
  const settled = control === null ? NOTHING : await obeyControl(exchange, control, identity, forwarded)
  const renewed = renewal === null ? [] : await readyLines(runtime, renewal)
  return withCredentials(forwarded.response, settled.cookies.length > 0 ? settled.cookies : renewed, settled.headers)
}

const NOTHING: Settled = { cookies: [], headers: {} }

/** A renewal's cookies if they are there by now; no answer waits for them, and one that failed has none. */
async function readyLines(runtime: Runtime, renewal: Promise<YoungCookies>): Promise<readonly string[]> {
  const ready = await Promise.race([renewal, Promise.resolve(null)]).catch(() => null)
  return ready === null ? [] : youngLines(runtime, ready)
}

/** Adds what the client gets of us; the upstream's own headers stay, and no cache may keep the answer. */
function withCredentials(
  response: Response,
  cookies: readonly string[],
  tokens: Readonly<Record<string, string>>,
): Response {
  const headers = Object.entries(tokens)
  if (cookies.length + headers.length === 0 || response.webSocket !== null) return response
  const answer = new Response(response.body, response)
  for (const cookie of cookies) answer.headers.append('Set-Cookie', cookie)
  for (const [name, value] of headers) answer.headers.set(name, value)
  answer.headers.set('Cache-Control', 'no-store')
  for (const name of OTHER_CACHES) answer.headers.delete(name)
  return answer
}

/** What shared caches prefer to `Cache-Control` (RFC 9213 §2.1, Edge Architecture §2.1), or read where they know none. */
const OTHER_CACHES = ['CDN-Cache-Control', 'Cloudflare-CDN-Cache-Control', 'Surrogate-Control', 'Expires']
