// What a request to an upstream that controls sessions carries; what its answer then does is loaded only where it has the header.

import type { SessionControl } from '../config/config.ts'
import { randomText } from '../crypto.ts'
import type { Exchange } from '../runtime.ts'
import type { Transport } from './issue.ts'
import { findBrowserSession } from './open.ts'

/** What is known of a request before its upstream may answer with `Gatehouse-Session`. */
export interface Control {
  /** `Gatehouse-Control`: told to this request's upstream and to nobody else. */
  readonly value: string
  readonly transport: Transport
  /** The session that the browser's cookie names, if its mac is good. */
  readonly browserSession: string | null
  /** What the audit trail calls the upstream. */
  readonly actor: string
  /** Cookies live on ISSUER's host only. */
  readonly takesCookies: boolean
  readonly rules: SessionControl
}

/** What the upstream's answer says to the client on top of what the upstream said. */
export interface Settled {
  /** `Set-Cookie` lines; none where the browser keeps what it has. */
  readonly cookies: readonly string[]
  readonly headers: Readonly<Record<string, string>>
}

/** `host` is the request's, `upstream` an origin. @throws Denial `ambiguous_credential` */
export function createControl(exchange: Exchange, host: string, upstream: string, rules: SessionControl): Control {
  return {
    value: randomText(32),
    transport: exchange.request.headers.get('Gatehouse-Transport') === 'token' ? 'token' : 'cookie',
    browserSession: findBrowserSession(exchange),
    actor: `the upstream ${upstream}`,
    takesCookies: host === exchange.runtime.config.issuerHost,
    rules,
  }
}
