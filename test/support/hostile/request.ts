// A hostile request: its bytes, what may become of it, and what is true of it whatever the gateway thinks.

/** Whom a credential truly proves. */
export interface Who {
  readonly subject: string
  readonly issuer: string
  readonly session: string | null
  readonly scope: string
  readonly roles: readonly string[]
  readonly tenant: string | null
}

/** How a request presents itself, and what of that no upstream, log or answer may show. */
export interface Credential {
  readonly name: string
  /** Header lines. */
  readonly lines: readonly string[]
  readonly who: Who | null
  readonly secrets: readonly string[]
}

/** By whom a case may be sent. */
export type Everybody = Readonly<Record<'user' | 'admin' | 'guest' | 'browser', Credential>>

/**
 * `passed` reached an upstream; `400 ambiguous_path` and the like are the gateway's denials (to HEAD, `400`);
 * `own 200` is an answer of its own URLs; `workerd 400` came before the Worker ran; `closed` is no answer at all.
 */
export type Outcome = string

export interface Hostile {
  readonly name: string
  /** In Latin-1; each request in it carries `X-Case: ${id}`. */
  readonly text: (id: string) => string
  readonly may: readonly Outcome[]
  readonly method: string
  readonly target: string
  /** `Host` as sent. */
  readonly host: string
  readonly credential: Credential
  /** What the upstream gets of the body; `null` is not looked at. */
  readonly body: string | null
  /** The client ends in the middle. */
  readonly isCutOff: boolean
}

export const HOST = 'gateway.test'

export const NOBODY: Credential = { name: 'nobody', lines: [], who: null, secrets: [] }

export interface Parts {
  readonly name: string
  readonly may: readonly Outcome[]
  readonly target?: string
  readonly method?: string
  readonly host?: string
  readonly credential?: Credential
  /** Further header lines. */
  readonly lines?: readonly string[]
  /** Framed by Content-Length unless `lines` frame it. */
  readonly body?: string
  readonly arrives?: string | null
  readonly isCutOff?: boolean
  /** Replaces all of the bytes that the other parts would make. */
  readonly text?: (id: string) => string
}

export function hostile(parts: Parts): Hostile {
  const { name, may, target = '/public/x', method = 'GET', host = HOST, credential = NOBODY, body, lines = [] } = parts
  const framing =
    body === undefined || lines.some((line) => FRAMING.test(line)) ? [] : [`Content-Length: ${body.length}`]
  const head = (id: string) => [
    `${method} ${target} HTTP/1.1`,
    `Host: ${host}`,
    `X-Case: ${id}`,
    ...credential.lines,
    ...lines,
    ...framing,
  ]
  return {
    name: `${name}: ${method} ${target.slice(0, 80)} as ${credential.name}`,
    text: parts.text ?? ((id) => `${head(id).join('\r\n')}\r\n\r\n${body ?? ''}`),
    may,
    method,
    target,
    host,
    credential,
    body: parts.arrives === undefined ? (body ?? '') : parts.arrives,
    isCutOff: parts.isCutOff ?? false,
  }
}

const FRAMING = /^(?:content-length|transfer-encoding):/i
