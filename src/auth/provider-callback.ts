// A browser comes back from a provider: its answer becomes a session, or another way in of the user who is signed in (DESIGN §9.2).

import type { ProviderIdentity } from '../accounts/store.ts'
import type { Provider } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { exchangeCode } from '../providers/code-exchange.ts'
import type { Exchange } from '../runtime.ts'
import type { SignedIn } from '../tokens/id-token.ts'
import { verifyIdToken } from '../tokens/id-token.ts'
import { answerRedirect } from './answer.ts'
import type { Caller } from './caller.ts'
import { usesCookies } from './caller.ts'
import { cookieNames, readSignInCookie, signInCookie } from './cookies.ts'
import { publishEnded } from './effective.ts'
import { cookiesFor, credentialsOf, mintFor } from './issue.ts'
import { findBrowserSession } from './open.ts'
import type { Secrets, Transaction } from './provider-transaction.ts'
import { deriveSecrets, isState, openTransaction, transactionId } from './provider-transaction.ts'
import { linkIdentity, openForIdentity } from './provider-user.ts'
import { callbackUrl, enforcePage, metadataOf, requireProvider } from './provider.ts'
import { parseReturnTo } from './return-to.ts'
import { requireLiving } from './session.ts'
import { enforceAddressLimit } from './sign-in.ts'

/** A sign-in under way, and what was sent with it. */
type UnderWay = Transaction & Secrets & { readonly state: string }

/**
 * `GET /auth/providers/:id/callback`. Whatever comes of it, the sign-in is under way no longer.
 * @throws Denial `no_route`, `cross_site_request`, `rate_limited`, `invalid_request` for an answer that belongs to no sign-in
 * of this browser, `invalid_sign_in` where the provider refuses or its word cannot be believed, `issuer_unavailable`, `misconfigured`,
 * `session_ended`, `unavailable`
 */
export async function finishSignIn(
  exchange: Exchange,
  id: string,
  findCaller: () => Promise<Caller | null>,
): Promise<Response> {
  const provider = requireProvider(exchange, id)
  enforcePage(exchange)
  await enforceAddressLimit(exchange)
  const parameters = readParameters(exchange.request.url)
  const state = parameters.get('state') ?? ''
  const { insecureCookies } = exchange.runtime.config
  const cleared = signInCookie(cookieNames(insecureCookies), transactionId(state), '', 0)
  try {
    const underWay = readTransaction(exchange, provider, state)
    const cookies = await settle(exchange, provider, parameters, underWay, findCaller)
    return answerRedirect(whereTo(exchange, underWay), [...cookies, cleared])
  } catch (error) {
    throw withCookie(error, cleared)
  }
}

/** @throws Denial `invalid_request` */
function readParameters(url: string): URLSearchParams {
  const parameters = new URL(url).searchParams
  const names = [...parameters.keys()]
  if (new Set(names).size < names.length) throw malformed('a parameter twice')
  if (!isState(parameters.get('state') ?? '')) throw malformed('state')
  const hasCode = (parameters.get('code') ?? '') !== ''
  if (hasCode === parameters.has('error')) throw malformed('neither code nor error, or both')
  return parameters
}

/** The cookie says whose the state is; one of another provider is worth nothing here. */
function readTransaction({ request, runtime }: Exchange, provider: Provider, state: string): UnderWay {
  const { config, sessionKeys, now } = runtime
  const id = transactionId(state)
  const value = readSignInCookie(request.headers.get('Cookie'), cookieNames(config.insecureCookies), id)
  const transaction = value === null ? null : openTransaction(sessionKeys, id, value, now())
  if (transaction === null) throw malformed('no such sign-in under way')
  if (transaction.provider !== provider.id) throw malformed('a sign-in at another provider')
  return { ...transaction, ...deriveSecrets(transaction.key, provider.id, state), state }
}

/** The `Set-Cookie` lines of what came of it. */
async function settle(
  exchange: Exchange,
  provider: Provider,
  parameters: URLSearchParams,
  underWay: UnderWay,
  findCaller: () => Promise<Caller | null>,
): Promise<readonly string[]> {
  const { linkedTo } = underWay
  if (linkedTo !== null && findBrowserSession(exchange) !== linkedTo) throw malformed('another session asked to link')
  const proven = await proveSignIn(exchange, provider, parameters, underWay)
  return linkedTo === null
    ? signIn(exchange, provider, proven)
    : link(exchange, { provider: provider.id, subject: proven.subject }, await findCaller())
}

/** The session that asked is alive at the end of it all, or nothing is linked. */
async function link(exchange: Exchange, identity: ProviderIdentity, caller: Caller | null): Promise<readonly string[]> {
  const { session } = await requireLiving(exchange, usesCookies(caller) ? caller : null)
  const linked = await linkIdentity(exchange, session, identity)
  const [{ cookies }] = await Promise.all([
    credentialsOf(exchange.runtime, linked.session, 'cookie'),
    publishEnded(exchange.runtime, linked),
  ])
  return cookies
}

interface Proven extends SignedIn {
  readonly idToken: string
}

async function proveSignIn(
  exchange: Exchange,
  provider: Provider,
  parameters: URLSearchParams,
  underWay: UnderWay,
): Promise<Proven> {
  const { config, fetch, now, issuerKeys, providerSecrets } = exchange.runtime
  const { clockSkew } = config.tokens
  const metadata = await metadataOf(exchange, provider)
  const clientSecret = providerSecrets.get(provider.id) ?? ''
  const sent = { ...underWay, redirectUri: callbackUrl(config, provider) }
  const idToken = await exchangeCode({ fetch, metadata, provider, clientSecret, clockSkew }, parameters, sent)
  const relying = { provider, issuerKeys, waitUntil: exchange.waitUntil, now: now(), clockSkew }
  try {
    return { ...(await verifyIdToken(idToken, relying, underWay.nonce)), idToken }
  } catch (error) {
    throw error instanceof Denial && error.code === 'invalid_token' ? refusedFor(error) : error
  }
}

/** Characters of an ID token that is kept: it comes back as a part of a URL. */
const MAX_HINT = 4096

/** When somebody signed in at a provider that does not say it: perhaps long ago, so never recently enough. */
const UNTOLD = 0

async function signIn(
  exchange: Exchange,
  { id }: Provider,
  { session: providerSession, authTime, amr, idToken, ...word }: Proven,
): Promise<readonly string[]> {
  const { runtime } = exchange
  const kept = idToken.length <= MAX_HINT ? idToken : null
  const began = { ...word, id, session: providerSession, idToken: kept, authTime: authTime ?? UNTOLD }
  const session = await openForIdentity(exchange, began, amr)
  const now = runtime.now()
  return cookiesFor(runtime, session, await mintFor(runtime, session, now), now)
}

/** WEB_ORIGINS may have changed since the sign-in began. */
function whereTo({ runtime }: Exchange, { returnTo }: Transaction): string {
  return parseReturnTo(runtime.config, returnTo) ?? `${runtime.config.authPath}/account`
}

/** A fault is the `unavailable` that the error boundary would make of it. */
function withCookie(error: unknown, cookie: string): Denial {
  const { code, details } = error instanceof Denial ? error : new Denial('unavailable', { cause: error })
  return new Denial(code, { ...details, cookies: [...(details.cookies ?? []), cookie] })
}

function refusedFor({ details }: Denial): Denial {
  return new Denial('invalid_sign_in', details)
}

function malformed(reason: string): Denial {
  return new Denial('invalid_request', { reason })
}
