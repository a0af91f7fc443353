// Which POSTs to the gateway's own URLs may set or use cookies (DESIGN §5.4).

import { Denial } from '../denial.ts'
import type { Transport } from './issue.ts'

/** What the browser's own headers say of a request: `unknown` is a client that sends neither of them. */
export type Site = 'same' | 'cross' | 'unknown'

/**
 * Cookies are for requests that provably come from this site; a client that is no browser takes tokens.
 * @throws Denial `cross_site_request`
 */
export function enforceTransport(site: Site, transport: Transport): void {
  if (site === 'same' || (site === 'unknown' && transport === 'token')) return
  throw new Denial('cross_site_request')
}
