// Sends a browser to a provider, to sign in or to link the provider to the user who is signed in (DESIGN §9.2).

import type { Config, Provider } from '../config/config.ts'
import { Denial } from '../denial.ts'
import { authorizationUrl } from '../providers/authorization.ts'
import type { Metadata } from '../providers/metadata.ts'
import type { Exchange } from '../runtime.ts'
import { answerRedirect } from './answer.ts'
import { readBody } from './body.ts'
import type { Caller } from './caller.ts'
import { usesCookies } from './caller.ts'
import { cookieNames, listSignInCookies, signInCookie } from './cookies.ts'
import type { Transaction } from './provider-transaction.ts'
import {
  deriveSecrets,
  firstOf,
  LIFETIME,
  newState,
  openTransaction,
  sealTransaction,
  transactionId,
} from './provider-transaction.ts'
import { callbackUrl, enforcePage, metadataOf, requireProvider } from './provider.ts'
import { requireRecentProof } from './recent-proof.ts'
import { parseReturnTo } from './return-to.ts'
import type { Site } from './same-site.ts'
import { enforceTransport } from './same-site.ts'
import { requireLiving } from './session.ts'
import { enforceAddressLimit } from './sign-in.ts'

/** Sign-ins that one browser may have under way: a cookie each, and a request's headers have their limits. */
const MAX_UNDER_WAY = 5

/**
 * `GET /auth/providers/:id/start?return_to=&prompt=`: a link that anybody may follow. One of another site leads to the sign-in
 * page: a provider that asks nothing would let that site change who its visitor is. With `prompt=login` the provider asks again.
 * @throws Denial `no_route`, `cross_site_request`, `rate_limited`, `invalid_request`, `issuer_unavailable`
 */
export async function startSignIn(exchange: Exchange, id: string): Promise<Response> {
  const provider = requireProvider(exchange, id)
  enforcePage(exchange)
  const query = new URL(exchange.request.url).searchParams
  const given = query.getAll('return_to')
  if (given.length > 1) throw new Denial('invalid_request', { reason: 'return_to twice' })
  const returnTo = requireReturnTo(exchange.runtime.config, given[0])
  const isAgain = query.get('prompt') === 'login'
  if (isFromElsewhere(exchange)) return answerRedirect(signInPath(exchange.runtime.config, returnTo, isAgain), [])
  await enforceAddressLimit(exchange)
  const metadata = await metadataOf(exchange, provider)
  const { location, cookies } = beginSignIn(exchange, provider, metadata, { returnTo, linkedTo: null }, isAgain)
  return answerRedirect(location, cookies, 302)
}

/**
 * `POST /auth/providers/:id/start`: links the provider to the user of this browser's session, whoever he is there. It is a way in
 * that outlives the session, so whoever has only found that must not get one (ASVS 7.5.1).
 * @throws Denial `no_route`, `cross_site_request`, `rate_limited`, `invalid_request`, `credential_required`, `session_ended`,
 *   `insufficient_user_authentication` unless the sign-in is recent or the body has the `password`, `issuer_unavailable`
 */
export async function startLink(exchange: Exchange, site: Site, id: string, caller: Caller | null): Promise<Response> {
  const provider = requireProvider(exchange, id)
  await enforceAddressLimit(exchange)
  const { return_to: given, password } = await readBody(exchange.request, ['return_to', 'password'])
  enforceTransport(site, 'cookie')
  const returnTo = requireReturnTo(exchange.runtime.config, given)
  const metadata = await metadataOf(exchange, provider)
  // Last of what takes time: cookies of a renewal are given out while they are young.
  const { session, cookies } = await requireLiving(exchange, usesCookies(caller) ? caller : null)
  await requireRecentProof(exchange, session, password, cookies)
  const begun = beginSignIn(exchange, provider, metadata, { returnTo, linkedTo: session.sessionId })
  return answerRedirect(begun.location, [...cookies, ...begun.cookies])
}

/** Fetch Metadata §2.3; a sibling host may be a web app of ours. */
function isFromElsewhere({ head }: Exchange): boolean {
  return head.headers.get('Sec-Fetch-Site') === 'cross-site'
}

function signInPath({ authPath }: Config, returnTo: string, isAgain: boolean): string {
  const query = new URLSearchParams({ return_to: returnTo, ...(isAgain && { prompt: 'login' }) })
  return `${authPath}/sign-in?${query.toString()}`
}

function requireReturnTo(config: Config, given: string | undefined): string {
  const returnTo = given === undefined ? `${config.authPath}/account` : parseReturnTo(config, given)
  if (returnTo === null) throw new Denial('invalid_request', { reason: 'return_to' })
  return returnTo
}

function beginSignIn(
  exchange: Exchange,
  provider: Provider,
  metadata: Metadata,
  aim: Pick<Transaction, 'returnTo' | 'linkedTo'>,
  isAgain = false,
): { readonly location: string; readonly cookies: readonly string[] } {
  const { config, sessionKeys, now } = exchange.runtime
  const state = newState()
  const transaction = { provider: provider.id, createdAt: now(), ...aim }
  const secrets = deriveSecrets(firstOf(sessionKeys), provider.id, state)
  const location = authorizationUrl(metadata, provider, {
    state,
    redirectUri: callbackUrl(config, provider),
    isAgain,
    ...secrets,
  })
  return { location, cookies: [...makeRoom(exchange), transactionCookie(exchange, state, transaction)] }
}

function transactionCookie({ runtime }: Exchange, state: string, transaction: Transaction): string {
  const id = transactionId(state)
  const value = sealTransaction(runtime.sessionKeys, id, transaction)
  return signInCookie(cookieNames(runtime.config.insecureCookies), id, value, LIFETIME)
}

/** Takes away the oldest sign-ins that would be too many, and what is none. */
function makeRoom({ request, runtime }: Exchange): readonly string[] {
  const { sessionKeys, now, config } = runtime
  const names = cookieNames(config.insecureCookies)
  const underWay = listSignInCookies(request.headers.get('Cookie'), names).map(({ id, value }) => ({
    id,
    createdAt: openTransaction(sessionKeys, id, value, now())?.createdAt ?? 0,
  }))
  const newest = underWay.toSorted((one, other) => other.createdAt - one.createdAt)
  return newest.flatMap(({ id, createdAt }, at) =>
    createdAt > 0 && at < MAX_UNDER_WAY - 1 ? [] : [signInCookie(names, id, '', 0)],
  )
}
