// A request's way through the gateway, step by step in the order of DESIGN §5.

import type { Settled } from '../auth/control.ts'
import { cookieNames } from '../auth/cookies.ts'
import type { YoungCookies } from '../auth/renew.ts'
import { youngLines } from '../auth/renew.ts'
import type { Call } from '../boundary.ts'
import { describeRefusal } from '../boundary.ts'
import type { Route } from '../config/config.ts'
import { Denial } from '../denial.ts'
import type { Exchange, Runtime } from '../runtime.ts'
import type { Identity } from '../tokens/identity.ts'
import type { Assertions } from './assertion.ts'
import { createAssertions } from './assertion.ts'
import type { Authenticated } from './authenticate.ts'
import { authenticate } from './authenticate.ts'
import { isPreflight, preflightResponse, withCors } from './cors.ts'
import type { Credential } from './credential.ts'
import { readCredential } from './credential.ts'
import { enforceSameSite, needsSameSite, ownOrigins } from './csrf.ts'
import type { Target } from './path.ts'
import { enforcePolicy } from './policy.ts'
import { countRefusal, findRouteLimit, judgeWithin, limitByAddress } from './route-limit.ts'
import type { RouteMatch, RouteTable } from './route.ts'
import { compileRoutes, matchRoute, upstreamUrl } from './route.ts'
import { expectControl, obeyControl } from './session-control.ts'
import { forward, receive } from './upstream.ts'

/** What is made once from the configuration. */
export interface Gateway {
  readonly table: RouteTable
  readonly assertions: Assertions
}

export function createGateway({ config, keys }: Runtime): Gateway {
  return { table: compileRoutes(config.routes), assertions: createAssertions(keys, config.issuer) }
}

/** What answers a request that is not for one of the gateway's own URLs. @throws Denial where it has no route */
export function callRoute(exchange: Exchange, target: Target, gateway: Gateway): Call {
  const { head, runtime, note } = exchange
  const preflight = isPreflight(head)
  const method = preflight ? (head.headers.get('Access-Control-Request-Method') ?? '') : head.method
  const match = matchRoute(gateway.table, target, method)
  const { cors, key, unauthenticated } = match.route
  note?.({ route: key })
  const signsIn = unauthenticated === 'sign-in' && target.host === runtime.config.issuerHost
  const answer = (): Promise<Response> => pass(exchange, target, match, gateway, !preflight)
  if (cors === null) return { route: key, signsIn, answer }
  if (preflight) return { route: key, answer: async () => preflightResponse(head, match.route, cors) }
  const finish = (response: Response): Response => withCors(response, head, cors)
  return { route: key, signsIn, finish, answer: () => answer().then(finish) }
}

const ANONYMOUS: Authenticated = { identity: null, renewal: null }

/**
 * The way of a request that has a route. Nobody asks whose a preflight is, but too many are too many.
 * Nothing is waited for that is known here: a promise costs more than most steps.
 */
async function pass(
  exchange: Exchange,
  target: Target,
  match: RouteMatch,
  { assertions }: Gateway,
  isAsked: boolean,
): Promise<Response> {
  const { request, head, requestId, clientAddress, runtime } = exchange
  const { route } = match
  const control = isAsked ? expectControl(exchange, target, route) : null
  const admitting = isAsked ? admit(exchange, match) : passUnasked(exchange, route)
  const { identity, renewal } = admitting instanceof Promise ? await admitting : admitting
  const isAsserted = identity !== null && route.identity.has('assertion')
  const asserting = isAsserted ? assertions.for(identity, route, runtime.now()) : null
  const forwarding = {
    request,
    head,
    url: upstreamUrl(route, target),
    route,
    identity,
    assertion: asserting instanceof Promise ? await asserting : asserting,
    control: control?.value ?? null,
    requestId,
    clientAddress,
    host: target.authority,
    keepAuthorization: isAsked && keepsAuthorization(route, identity),
    takesApiKeys: route.credentials.has('api-key'),
    issuer: runtime.config.issuer,
    identityHeaderNames: runtime.config.identityHeaderNames,
    cookies: cookieNames(runtime.config.insecureCookies),
    findFetcher: runtime.findFetcher,
  }
  const forwarded = receive(await forward(forwarding), forwarding)
  exchange.note?.({ outcome: 'passed', upstreamStatus: forwarded.response.status })
  const settled = control === null ? NOTHING : await obeyControl(exchange, control, identity, forwarded)
  const renewed = renewal === null ? [] : await readyLines(runtime, renewal)
  return withCredentials(forwarded.response, settled.cookies.length > 0 ? settled.cookies : renewed, settled.headers)
}

/** Who is let in: nobody is asked on `public`, and on `observe` the verdict is only logged, beside the request. */
function admit(exchange: Exchange, match: RouteMatch): Promise<Authenticated> | Authenticated {
  const { route } = match
  if (route.access === 'required' || route.access === 'optional') return judgeOrLimit(exchange, match)
  const passing = passUnasked(exchange, route)
  if (route.access === 'observe') observeOnce(exchange, match, passing)
  return passing
}

/** Within the route's limit by address. */
function passUnasked(exchange: Exchange, route: Route): Promise<Authenticated> | Authenticated {
  const limiter = findRouteLimit(exchange, route)
  return limiter === null ? ANONYMOUS : limitByAddress(exchange, limiter).then(() => ANONYMOUS)
}

/** Only a request that passes is looked at: too many are not. */
function observeOnce(exchange: Exchange, match: RouteMatch, passing: Promise<Authenticated> | Authenticated): void {
  const observing = passing instanceof Promise ? passing.then(() => observe(exchange, match), ignore) : null
  exchange.waitUntil(observing ?? observe(exchange, match))
}

function ignore(): void {}

/** Credential, CSRF, verification, revocation, policy; at once where everything is known here and the route has no limit. */
function judgeOrLimit(exchange: Exchange, match: RouteMatch): Promise<Authenticated> | Authenticated {
  const limiter = findRouteLimit(exchange, match.route)
  return limiter === null ? judge(exchange, match) : judgeLimited(exchange, match, limiter)
}

/** A request without a credential costs nothing but its refusal, and is limited only where it passes. */
async function judgeLimited(exchange: Exchange, match: RouteMatch, limiter: RateLimit): Promise<Authenticated> {
  const { route } = match
  const credential = await countRefusal(exchange, limiter, () => readCredentialOf(exchange, route))
  enforceOwnSite(exchange, credential, route)
  const judging = (): Promise<Authenticated> | Authenticated => judgeCredential(exchange, match, credential)
  if (credential.kind === 'none' && route.access === 'required') return judging()
  return judgeWithin(exchange, limiter, credential, judging)
}

function judge(exchange: Exchange, match: RouteMatch): Promise<Authenticated> | Authenticated {
  const credential = readCredentialOf(exchange, match.route)
  enforceOwnSite(exchange, credential, match.route)
  return judgeCredential(exchange, match, credential)
}

function readCredentialOf({ head, runtime }: Exchange, { credentials }: Route): Credential {
  return readCredential(head, credentials, cookieNames(runtime.config.insecureCookies))
}

/** @throws Denial `cross_site_request` */
function enforceOwnSite({ head, runtime }: Exchange, credential: Credential, route: Route): void {
  if (needsSameSite(head, credential)) enforceSameSite(head, ownOrigins(runtime.config, route))
}

function judgeCredential(
  exchange: Exchange,
  match: RouteMatch,
  credential: Credential,
): Promise<Authenticated> | Authenticated {
  const authenticated = authenticate(exchange, credential, match.route)
  return authenticated instanceof Promise
    ? authenticated.then((known) => permit(exchange.runtime, match, known))
    : permit(exchange.runtime, match, authenticated)
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

/** `Authorization` stays where the gateway read no identity from the request, or the route hands it on. */
function keepsAuthorization({ forwardToken }: Route, identity: Identity | null): boolean {
  return forwardToken || identity === null
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
