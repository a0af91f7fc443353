// Table of contents: the gateway's own URLs in the order tried, then everything else on its way through.

import { Hono } from 'hono/tiny'

import { endSessionOf, showDevices } from './auth/devices.ts'
import { createHealthCheck } from './auth/health.ts'
import { refresh } from './auth/refresh.ts'
import { resetByLink } from './auth/reset.ts'
import type { Site } from './auth/same-site.ts'
import { showSession } from './auth/session.ts'
import { signIn } from './auth/sign-in.ts'
import { signOut, signOutEverywhere } from './auth/sign-out.ts'
import type { Call } from './boundary.ts'
import { answerOrRefuse } from './boundary.ts'
import type { Config, Cors } from './config/config.ts'
import { Denial } from './denial.ts'
import { findAdministrator } from './gateway/administrator.ts'
import { findCaller } from './gateway/caller.ts'
import { isPreflight, preflightResponse, withCors } from './gateway/cors.ts'
import { siteOf, writes } from './gateway/csrf.ts'
import type { Gateway } from './gateway/handle.ts'
import { callRoute, createGateway } from './gateway/handle.ts'
import type { Target } from './gateway/path.ts'
import { ambiguousPath, canonicalTarget, enforceHost, enforceOpened, otherReadings } from './gateway/path.ts'
import { describeFault, writeLog } from './log.ts'
import type { Meter } from './metrics.ts'
import { createMeter } from './metrics.ts'
import { isNavigation } from './navigation.ts'
import { withHsts, withSessionChange } from './own-headers.ts'
import { refuse } from './refusal.ts'
import type { RequestHead } from './request-head.ts'
import { enforceSize, readHead } from './request-head.ts'
import type { Exchange, Loaded, Runtime } from './runtime.ts'

export type App = (request: Request, context: Pick<ExecutionContext, 'waitUntil'>) => Promise<Response>

/** One app an isolate: what the env said, compiled. */
export function createApp(loaded: Loaded): App {
  return loaded.outcome === 'ready' ? createReadyApp(loaded.runtime) : createRefusingApp(loaded.problems)
}

/** A configuration that is wrong never serves: 503 for everything, the problems in the log only. */
function createRefusingApp(problems: readonly string[]): App {
  return async (request) => {
    const requestId = crypto.randomUUID()
    writeLog({ event: 'misconfigured', request_id: requestId, method: request.method, problems })
    return refuse({ request, requestId, config: null, signsIn: false }, new Denial('misconfigured'))
  }
}

function createReadyApp(runtime: Runtime): App {
  const gateway = createGateway(runtime)
  const own = createOwnUrls(runtime.config)
  return (request, context) => {
    const meter = runtime.metrics === null ? null : createMeter(runtime.metrics)
    const exchange = createExchange(request, runtime, context, meter)
    runtime.tally?.flush(runtime.db, exchange.waitUntil)
    const early = { finish: (refusal: Response) => withOwnCors(refusal, exchange.head, own) }
    const answered = answerOrRefuse(exchange, early, () => findCall(exchange, gateway, own))
    if (meter !== null) context.waitUntil(measure(exchange, meter, answered))
    return answered
  }
}

/** Whose the request is: the console's, the gateway's own URLs', or else a route's. */
function findCall(exchange: Exchange, gateway: Gateway, own: OwnUrls): Call {
  const { head, runtime } = exchange
  enforceSize(head)
  enforceHost(head.headers.get('Host'))
  const target = canonicalTarget(head.url)
  enforceOpened(target, gateway.table.opened)
  if (target.host === runtime.config.console?.host) return callConsole(exchange, target)
  const ownPath = findOwnPath(runtime.config, target)
  return ownPath === null ? callRoute(exchange, target, gateway) : callOwn(own, exchange, ownPath)
}

/** Once the answer is on its way; that it cannot be counted is no reason not to give it. */
async function measure(exchange: Exchange, meter: Meter, answered: Promise<Response>): Promise<void> {
  const { head, requestId, runtime } = exchange
  try {
    const { status } = await answered
    await runtime.sleepUntil(0)
    meter.write({ status, writes: writes(head) })
  } catch (error) {
    runtime.log({ event: 'fault', request_id: requestId, reason: 'metrics', ...describeFault(error) })
  }
}

function createExchange(
  request: Request,
  runtime: Runtime,
  context: Pick<ExecutionContext, 'waitUntil'>,
  meter: Meter | null,
): Exchange {
  const head = readHead(request)
  return {
    request,
    head,
    requestId: crypto.randomUUID(),
    clientAddress: head.headers.get('CF-Connecting-IP'),
    runtime,
    note: meter?.note ?? null,
    waitUntil: (work) => context.waitUntil(work),
  }
}

/** One of the gateway's own URLs; `path` is written as if AUTH_PATH were `/auth`. */
interface OwnCall extends Exchange {
  readonly path: string
}

interface OwnUrls {
  readonly urls: Hono<{ Bindings: OwnCall }>
  readonly cors: Cors | null
}

const JWKS = '/.well-known/jwks.json'
const METADATA = '/.well-known/oauth-authorization-server'
const WELL_KNOWN: ReadonlySet<string> = new Set([JWKS, METADATA])

/** Each is loaded when the first of its URLs is asked for. */
const oauth = () => import('./oauth/oauth.ts')
const pages = () => import('./pages/pages.ts')

/** The console has a host of its own, with nothing else on it. */
function callConsole(exchange: Exchange, target: Target): Call {
  const finish = (response: Response): Response => withHsts(response, exchange)
  const answer = async (): Promise<Response> => {
    const { answerConsole } = await import('./console/pages.ts')
    return finish(await answerConsole(exchange, target.path))
  }
  return { finish, answer }
}

function createOwnUrls(config: Config): OwnUrls {
  const checkHealth = createHealthCheck()
  const origins = [config.issuer, ...config.webOrigins]
  const site = ({ request }: Exchange): Site => siteOf(request, origins)
  const urls: OwnUrls['urls'] = new Hono({ getPath: (_, options) => options?.env?.path ?? '' })

  urls.get('/auth/sign-in', async ({ env }) => (await pages()).showSignIn(env))
  urls.post('/auth/sign-in', async ({ env }) =>
    isNavigation(env.head) ? (await pages()).submitSignIn(env, site(env)) : signIn(env, site(env)),
  )
  urls.get('/auth/sign-up', async ({ env }) => (await pages()).showSignUp(env))
  urls.post('/auth/sign-up', async ({ env }) => {
    if (isNavigation(env.head)) return (await pages()).submitSignUp(env, site(env))
    const { signUp } = await import('./auth/sign-up.ts')
    return signUp(env, site(env))
  })
  urls.post('/auth/refresh', ({ env }) => refresh(env, site(env)))
  urls.post('/auth/sign-out', async ({ env }) =>
    isNavigation(env.head)
      ? (await pages()).submitSignOut(env, site(env))
      : signOut(env, site(env), () => findCaller(env)),
  )
  urls.post('/auth/sign-out-everywhere', async ({ env }) => signOutEverywhere(env, site(env), await findCaller(env)))
  urls.get('/auth/session', async ({ env }) => showSession(env, await findCaller(env)))
  urls.get('/auth/sessions', async ({ env }) => showDevices(env, await findCaller(env)))
  urls.delete('/auth/sessions/:id', async ({ env, req }) =>
    endSessionOf(env, site(env), await findCaller(env), req.param('id')),
  )
  urls.get('/auth/identities', async ({ env }) => {
    const { showIdentities } = await import('./auth/identities.ts')
    return showIdentities(env, await findCaller(env))
  })
  urls.delete('/auth/identities/:id', async ({ env, req }) => {
    const { removeIdentity } = await import('./auth/identities.ts')
    return removeIdentity(env, site(env), await findCaller(env), req.param('id'))
  })
  urls.get('/auth/password', async ({ env }) => (await pages()).showPassword(env))
  urls.post('/auth/password', async ({ env }) => {
    if (isNavigation(env.head)) return (await pages()).submitPassword(env, site(env))
    const { replaceOwnPassword } = await import('./auth/password.ts')
    return replaceOwnPassword(env, site(env), await findCaller(env))
  })
  urls.get('/auth/account', async ({ env }) => (await pages()).showAccount(env))
  urls.post('/auth/account', async ({ env }) => (await pages()).submitAccount(env, site(env)))
  urls.get('/auth/providers/:id/start', async ({ env, req }) => {
    const { startSignIn } = await import('./auth/provider-start.ts')
    return startSignIn(env, req.param('id'))
  })
  urls.post('/auth/providers/:id/start', async ({ env, req }) => {
    if (isNavigation(env.head)) return (await pages()).submitLink(env, site(env), req.param('id'))
    const { startLink } = await import('./auth/provider-start.ts')
    return startLink(env, site(env), req.param('id'), await findCaller(env))
  })
  urls.get('/auth/providers/:id/callback', async ({ env, req }) => {
    const { finishSignIn } = await import('./auth/provider-callback.ts')
    return finishSignIn(env, req.param('id'), () => findCaller(env))
  })
  urls.post('/auth/providers/:id/backchannel-logout', async ({ env, req }) => {
    const { logOutByProvider } = await import('./auth/provider-backchannel.ts')
    return logOutByProvider(env, req.param('id'))
  })
  urls.post('/auth/token', async ({ env }) => (await oauth()).issueToken(env, site(env)))
  urls.post('/auth/revoke', async ({ env }) => (await oauth()).revokeToken(env))
  urls.post('/auth/introspect', async ({ env }) => (await oauth()).introspectToken(env))
  urls.get(METADATA, async ({ env }) => (await oauth()).showMetadata(env.runtime.config))
  urls.get('/auth/reset', async ({ env }) => (await pages()).showReset(env))
  urls.post('/auth/reset', async ({ env }) =>
    isNavigation(env.head) ? (await pages()).submitReset(env, site(env)) : resetByLink(env, site(env)),
  )
  urls.all('/auth/admin/*', async ({ env }) => {
    const { answerAdmin } = await import('./admin/admin.ts')
    return answerAdmin(env, env.path, findAdministrator)
  })
  urls.get('/auth/health', ({ env }) => checkHealth(env.runtime))
  urls.get(JWKS, ({ env }) => Response.json(env.runtime.keys.publicJwks, { headers: PUBLIC_FOR_FIVE_MINUTES }))

  urls.notFound(({ env }) => refuseUnknown(urls, env.path))
  urls.onError((error) => {
    throw error
  })
  return { urls, cors: ownCors(config) }
}

/** A key that left the set stops verifying within ten minutes where caches keep it for five. */
const PUBLIC_FOR_FIVE_MINUTES = { 'Cache-Control': 'public, max-age=300' }

function refuseUnknown({ routes }: OwnUrls['urls'], path: string): never {
  const methods = routes.filter((route) => route.path === path).map((route) => route.method)
  if (methods.length === 0) throw new Denial('no_route')
  const allowed = methods.includes('GET') ? [...methods, 'HEAD'] : methods
  throw new Denial('method_not_allowed', { headers: { Allow: allowed.join(', ') } })
}

/** Web apps of WEB_ORIGINS call these URLs with cookies. */
function ownCors({ webOrigins }: Config): Cors | null {
  if (webOrigins.length === 0) return null
  const headers = ['authorization', 'content-type']
  return { origins: webOrigins, credentials: true, headers, expose: [], maxAge: 600 }
}

/**
 * Reserved on ISSUER's host, in any spelling: AUTH_PATH and what is below it, and the well-known URLs.
 * @throws Denial `ambiguous_path` where only another reading of the path is one of them
 */
export function findOwnPath({ issuerHost, authPath }: Config, target: Target): string | null {
  if (target.host !== issuerHost) return null
  const readings = target.oddities.size === 0 ? [target] : [target, ...otherReadings(target)]
  if (!readings.some((reading) => isReserved(reading, authPath))) return null
  if (readings.length > 1) throw ambiguousPath('a reading is one of our own URLs')
  const depth = authPath.split('/').length
  const path = target.path.replace(/\/$/, '')
  return isWellKnown(target) ? foldedPath(target) : ['/auth', ...path.split('/').slice(depth)].join('/')
}

function isReserved(target: Target, authPath: string): boolean {
  const folded = foldedPath(target)
  return isWellKnown(target) || folded === authPath || folded.startsWith(`${authPath}/`)
}

function isWellKnown(target: Target): boolean {
  return WELL_KNOWN.has(foldedPath(target))
}

function foldedPath({ segments }: Target): string {
  return `/${segments.join('/')}`
}

function callOwn({ urls, cors }: OwnUrls, exchange: Exchange, path: string): Call {
  const { request, note } = exchange
  note?.({ route: 'own' })
  if (cors !== null && isPreflight(request))
    return { answer: async () => withHsts(preflightResponse(request, { methods: OWN_METHODS }, cors), exchange) }
  const finish = (response: Response): Response =>
    withOwnCors(withHsts(withSessionChange(response, exchange, path), exchange), request, { cors })
  return {
    signsIn: PAGES_OF_SOMEBODY.has(path),
    finish,
    answer: async () => finish(await urls.fetch(request, { ...exchange, path })),
  }
}

/** Also what is refused before it has a route: web apps of WEB_ORIGINS can read it. */
function withOwnCors(response: Response, request: RequestHead, { cors }: Pick<OwnUrls, 'cors'>): Response {
  return cors === null ? response : withCors(response, request, cors)
}

/** Pages that are nothing to whoever is not signed in. */
const PAGES_OF_SOMEBODY: ReadonlySet<string> = new Set(['/auth/account', '/auth/password'])

const OWN_METHODS = ['GET', 'HEAD', 'POST', 'DELETE']
