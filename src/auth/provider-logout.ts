// Where a browser that has signed out here also signs out of its provider (OpenID Connect RP-Initiated Logout 1.0).

import { endSessionUrl } from '../providers/end-session.ts'
import type { Exchange } from '../runtime.ts'
import type { Beginning } from '../sessions/store.ts'
import { metadataOf, requireProvider } from './provider.ts'

/**
 * The URL at the provider that began the session which has ended; `null` where it has none, is not configured any more, or cannot
 * be asked: signing out here never waits for it to come back.
 */
export async function findProviderLogout(exchange: Exchange, began: Beginning): Promise<string | null> {
  const { config, sessionKeys } = exchange.runtime
  const { issuer, authPath } = config
  const { sessionId, sealedIdToken: sealed } = began
  const { openText } = await import('../sealed-text.ts')
  const idToken = sealed === null ? null : openText(sessionKeys, sessionId, sealed)
  try {
    const provider = requireProvider(exchange, began.id)
    const metadata = await metadataOf(exchange, provider)
    const postLogoutRedirectUri = `${issuer}${authPath}/sign-in`
    return endSessionUrl(metadata, provider, { idToken, postLogoutRedirectUri })
  } catch {
    return null
  }
}
