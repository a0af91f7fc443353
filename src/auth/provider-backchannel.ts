// Back-channel logout: a provider says that somebody has signed out there (OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8).

import type { Provider } from '../config/config.ts'
import { Denial } from '../denial.ts'
import type { Exchange } from '../runtime.ts'
import { endByProvider } from '../sessions/lifecycle.ts'
import { publish } from '../sessions/publish.ts'
import type { LogoutToken } from '../tokens/logout-token.ts'
import { verifyLogoutToken } from '../tokens/logout-token.ts'
import { readForm } from './body.ts'
import { requireProvider } from './provider.ts'
import { tellerFor } from './teller.ts'

/**
 * `POST /auth/providers/:id/backchannel-logout`: ends the sessions that this provider began and the token names. 200 says that it
 * is committed and published; after a 503 the same token may come again, unless it was done after all: then it is a replay.
 * @throws Denial `no_route`, `invalid_request` for a token that is not good or came before, `too_large`, `issuer_unavailable`, `unavailable`
 */
export async function logOutByProvider(exchange: Exchange, id: string): Promise<Response> {
  const provider = requireProvider(exchange, id)
  const { logout_token: text } = await readForm(exchange.request)
  if (text === undefined) throw new Denial('invalid_request', { reason: 'logout_token is missing' })
  const token = await verifyLogout(exchange, provider, text)
  const teller = tellerFor(exchange, `the provider ${provider.id}`)
  const ended = await endByProvider(exchange.runtime.db, { provider: provider.id, ...token }, teller)
  if (ended === null) throw new Denial('invalid_request', { reason: 'logout token came before' })
  await Promise.all(ended.raised.map((user) => publish(exchange.runtime, user)))
  return new Response(null, { status: 200, headers: { 'Cache-Control': 'no-store' } })
}

/** §2.8: a token that is not good is a bad request. */
async function verifyLogout({ runtime, waitUntil }: Exchange, provider: Provider, text: string): Promise<LogoutToken> {
  const { config, now, issuerKeys } = runtime
  const relying = { provider, issuerKeys, waitUntil, now: now(), clockSkew: config.tokens.clockSkew }
  try {
    return await verifyLogoutToken(text, relying)
  } catch (error) {
    if (error instanceof Denial && error.code === 'invalid_token') throw new Denial('invalid_request', error.details)
    throw error
  }
}
