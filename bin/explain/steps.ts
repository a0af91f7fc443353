// Each step of a request's way (DESIGN §5), asked of the gateway's own functions, until one refuses.
import { findOwnPath } from '../../src/app.ts'
import { cookieNames } from '../../src/auth/cookies.ts'
import type { Route, SessionControl } from '../../src/config/config.ts'
import { Denial } from '../../src/denial.ts'
import { authenticate } from '../../src/gateway/authenticate.ts'
import { isPreflight } from '../../src/gateway/cors.ts'
import type { Credential } from '../../src/gateway/credential.ts'
import { readCredential } from '../../src/gateway/credential.ts'
import { enforceSameSite, needsSameSite, ownOrigins } from '../../src/gateway/csrf.ts'
import type { Target } from '../../src/gateway/path.ts'
import { canonicalTarget, enforceHost } from '../../src/gateway/path.ts'
import { enforcePolicy } from '../../src/gateway/policy.ts'
import type { RouteMatch } from '../../src/gateway/route.ts'
import { compileRoutes, matchRoute } from '../../src/gateway/route.ts'
import { expectControl } from '../../src/gateway/session-control.ts'
import type { Exchange } from '../../src/runtime.ts'
import { parseSessionToken } from '../../src/sessions/session-token.ts'
import type { Identity } from '../../src/tokens/identity.ts'
import { demands, matches } from '../check/route-table.ts'
import type { Offline } from './offline.ts'
import { ONLY_D1_KNOWS } from './offline.ts'

export interface Step {
  readonly name: string
  /** `own` is one of the gateway's own URLs, which no later step is for. */
  readonly verdict: 'good' | 'refused' | 'unknown' | 'own' | '-'
  readonly says: string
}

/** The steps in their order; after one that is refused, or cannot be told, there is none. */
export async function explainSteps(offline: Offline, exchange: Exchange): Promise<readonly Step[]> {
  const steps: Step[] = []
  try {
    for await (const step of walk(offline, exchange, (name) => void steps.push({ name, verdict: '-', says: '' }))) {
      steps.pop()
      steps.push(step)
    }
    return steps
  } catch (error) {
    const name = steps.pop()?.name ?? ''
    return [...steps, describeRefusal(name, error, offline)]
  }
}

type Begin = (name: string) => void

async function* walk(offline: Offline, exchange: Exchange, begin: Begin): AsyncGenerator<Step> {
  const { head, runtime } = exchange
  begin('path')
  enforceHost(head.headers.get('Host'))
  const target = canonicalTarget(head.url)
  yield { name: 'path', verdict: 'good', says: target.path }

  begin('route')
  const ownPath = findOwnPath(runtime.config, target)
  if (ownPath !== null) {
    yield { name: 'route', verdict: 'own', says: `the gateway's own URL ${ownPath}` }
    return
  }
  const preflight = isPreflight(head)
  const method = preflight ? (head.headers.get('Access-Control-Request-Method') ?? '') : head.method
  const match = matchRoute(compileRoutes(runtime.config.routes), target, method)
  yield { name: 'route', verdict: 'good', says: describeRoute(match.route) }

  begin('CORS')
  yield { name: 'CORS', verdict: '-', says: describeCors(match.route, preflight) }
  if (!preflight) yield* judge(offline, exchange, { target, match, begin })
}

interface Way {
  readonly target: Target
  readonly match: RouteMatch
  readonly begin: Begin
}

async function* judge(offline: Offline, exchange: Exchange, { target, match, begin }: Way): AsyncGenerator<Step> {
  const { head, runtime } = exchange
  const { route } = match
  if (route.sessionControl !== null) {
    begin('control')
    expectControl(exchange, target, route)
    yield { name: 'control', verdict: 'good', says: describeControl(route.sessionControl) }
  }
  begin('credential')
  if (route.access === 'public' || route.access === 'observe') {
    yield { name: 'credential', verdict: '-', says: `none is looked at: access is ${route.access}` }
    return
  }
  const credential = readCredential(head, route.credentials, cookieNames(runtime.config.insecureCookies))
  if (credential.kind === 'cookie' && offline.missing.has('SESSION_KEYS')) {
    yield { name: 'credential', verdict: 'unknown', says: 'cookies, and SESSION_KEYS is not at hand' }
    return
  }
  yield { name: 'credential', verdict: '-', says: describeCredential(credential, exchange) }

  begin('CSRF')
  const isAsked = needsSameSite(head, credential)
  if (isAsked) enforceSameSite(head, ownOrigins(runtime.config, route))
  yield isAsked
    ? { name: 'CSRF', verdict: 'good', says: 'from this site, or from an origin that may write with cookies' }
    : { name: 'CSRF', verdict: '-', says: 'not asked: no cookies count, or the method only reads' }

  begin('verify')
  const { identity } = await authenticate(exchange, credential, route)
  yield { name: 'verify', verdict: 'good', says: describeIdentity(identity, runtime.now()) }

  if (identity !== null) yield* judgeIdentity(offline, { identity, match, now: runtime.now(), begin })
}

interface Known {
  readonly identity: Identity
  readonly match: RouteMatch
  readonly now: number
  readonly begin: Begin
}

async function* judgeIdentity(
  offline: Offline,
  { identity, match: { route, params }, now, begin }: Known,
): AsyncGenerator<Step> {
  begin('revocation')
  yield { name: 'revocation', verdict: 'unknown', says: describeRevocation(offline, identity, route) }
  begin('policy')
  enforcePolicy(route, identity, { params, now })
  const asked = demands(route).join('; ')
  yield {
    name: 'policy',
    verdict: 'good',
    says: asked === '' ? 'nothing more is asked' : `has what is asked: ${asked}`,
  }
}

function describeRoute(route: Route): string {
  return `${route.key} (${matches(route)}), access ${route.access}`
}

function describeCors({ cors }: Route, preflight: boolean): string {
  if (cors === null)
    return preflight ? 'a preflight goes upstream without an identity' : 'the upstream answers for itself'
  return preflight ? 'the gateway answers this preflight itself' : `for ${cors.origins.join(', ')}`
}

function describeCredential(credential: Credential, { runtime }: Exchange): string {
  if (credential.kind === 'none') return 'none of the kinds that the route takes'
  if (credential.kind === 'bearer') return 'a bearer token'
  if (credential.kind === 'api-key') return 'an API key'
  const { access, session } = credential
  if (session === null) return 'an access cookie alone, which counts as none'
  const isGood = parseSessionToken(runtime.sessionKeys, 'c', session) !== null
  if (!isGood) return 'a session cookie by none of SESSION_KEYS, which counts as none'
  return access === null ? 'a session cookie alone' : 'a session cookie and an access cookie'
}

function describeIdentity(identity: Identity | null, now: number): string {
  if (identity === null) return 'nobody: the route lets an anonymous request pass'
  const { subject, issuer, session, expiresAt } = identity
  const left = Math.ceil((expiresAt - now) / 60)
  return `${subject} of ${issuer}${session === null ? '' : `, session ${session}`}, for another ${left} min`
}

/** By what the configuration says, for which D1 and KV would be asked. */
function describeRevocation({ config }: Offline, { issuer, session, subject }: Identity, { key }: Route): string {
  const rule = config.routes.find((route) => route.key === key)?.revocation
  if (rule === 'expiry') return 'the route trusts a token until it expires'
  if (issuer !== config.issuer)
    return 'only KV and D1 know whether this subject of another issuer was revoked; taken not to be'
  return rule === 'session'
    ? `only D1 knows whether ${session === null ? subject : `session ${session}`} is alive; taken to be`
    : `only KV (marker:${subject}) and D1 know whether it was revoked; taken not to be`
}

function describeRefusal(name: string, error: unknown, { missing }: Offline): Step {
  if (isUnknown(error))
    return { name, verdict: 'unknown', says: 'only D1 knows whether this session or API key is alive, and whose it is' }
  if (!(error instanceof Denial)) throw error
  const { code, status, details } = error
  if (code === 'issuer_unavailable')
    return { name, verdict: 'unknown', says: "the issuer's keys are not at hand; --fetch asks for them" }
  const isBlind = missing.size > 0 && (details.reason === 'kid' || details.reason === 'signature')
  if (isBlind) return { name, verdict: 'unknown', says: `not at hand: ${[...missing].join(', ')}` }
  const lacking = details.members === undefined ? '' : ` ${JSON.stringify(details.members)}`
  return { name, verdict: 'refused', says: `${status} ${code}${describeReason(details.reason)}${lacking}` }
}

function describeReason(reason: string | undefined): string {
  if (reason === undefined) return ''
  return reason === 'kid' ? ' (kid: none of the keys at hand is the one that it names)' : ` (${reason})`
}

/** What a renewal or an API key asks is D1's answer to give. */
function isUnknown(error: unknown): boolean {
  if (error instanceof Denial) return error.code === 'unavailable' && isUnknown(error.details.cause)
  return error instanceof Error && error.name === ONLY_D1_KNOWS
}

function describeControl({ subjectPrefix, administrators }: SessionControl): string {
  const whose = subjectPrefix === '' ? '' : ` of users whose ids begin with ${subjectPrefix}`
  return `this upstream may open and end sessions${whose}${administrators ? ', of administrators too' : ''}`
}
