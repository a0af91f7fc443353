// Linking a provider by a form of the account page.

import { startLink } from '../auth/provider-start.ts'
import type { Site } from '../auth/same-site.ts'
import { findCaller } from '../gateway/caller.ts'
import type { Exchange } from '../runtime.ts'
import { answerOnward } from './onward.tsx'

/** `POST /auth/providers/:id/start` by a form. @throws Denial as `startLink` */
export async function submitLink(exchange: Exchange, site: Site, id: string): Promise<Response> {
  const { headers } = await startLink(exchange, site, id, await findCaller(exchange))
  return answerOnward(exchange.runtime.config, headers.get('Location') ?? '', headers.getSetCookie())
}
