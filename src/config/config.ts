// What the configuration is once it has been parsed: frozen, in seconds, with nothing left to check.

/** JWS algorithms that may be configured (RFC 7518 §3.1, RFC 8037, RFC 9864). `EdDSA` is Ed25519. */
export type Algorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'
  | 'HS256'

export interface Config {
  /** The gateway's own origin: `iss` of its tokens. */
  readonly issuer: string
  /** Host name of `issuer`, lower-case, without port. */
  readonly issuerHost: string
  readonly audience: string
  /** No trailing slash: `/auth`. */
  readonly authPath: string
  readonly webOrigins: readonly string[]
  /** Where the console is; `null`: nowhere. */
  readonly console: { readonly origin: string; readonly host: string } | null
  /** Seconds since a sign-in in which it may write, on the console and in the admin API. */
  readonly admin: { readonly maxAuthAge: number }
  /** True on an `http://localhost` ISSUER only: cookies without `__Host-` and `Secure`. */
  readonly insecureCookies: boolean
  readonly tokens: { readonly accessTtl: number; readonly clockSkew: number }
  readonly sessions: {
    readonly idleTimeout: number
    readonly absoluteTimeout: number
    readonly rotateAfter: number
    readonly reuseGrace: number
    readonly maxPerUser: number
  }
  readonly revocation: { readonly isolateTtl: number; readonly kvTtl: number }
  readonly passwords: { readonly signIn: boolean; readonly signUp: boolean }
  /** The most specific first. */
  readonly routes: readonly Route[]
  readonly issuers: readonly Issuer[]
  readonly providers: readonly Provider[]
  readonly pages: {
    /** Seconds of HSTS on the gateway's own answers; `null`: none. */
    readonly hsts: number | null
    /** What browsers are asked to clear at sign-out. */
    readonly clearSiteData: readonly ('cache' | 'storage')[]
  }
  /** Seconds that the audit trail is kept. */
  readonly audit: { readonly retention: number }
  readonly webhooks: readonly Webhook[]
  /** Folded names of every route's `headers`: removed from clients' requests on every route. */
  readonly identityHeaderNames: ReadonlySet<string>
}

/** One part between the slashes of a path or the dots of a host: folded literal text, or a name that binds it. */
export type Segment = { readonly literal: string } | { readonly param: string }

export interface Route {
  /** As the operator wrote it: `ROUTES[2]`. */
  readonly key: string
  readonly path: { readonly source: string; readonly segments: readonly Segment[]; readonly wildcard: boolean }
  readonly host: { readonly source: string; readonly labels: readonly Segment[] } | null
  /** Upper-case, with HEAD where GET is; `null` is all. */
  readonly methods: readonly string[] | null
  readonly upstream: {
    readonly origin: string
    /** Begins with `/`, as configured: `/v2`, `/`. */
    readonly path: string
    /** Name of the binding to fetch through. */
    readonly binding: string | null
  }
  /** How many leading segments of the path are not forwarded. */
  readonly stripSegments: number
  readonly access: 'required' | 'optional' | 'public' | 'observe'
  readonly acceptsSelf: boolean
  readonly issuers: readonly Issuer[]
  readonly credentials: ReadonlySet<CredentialKind>
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
  readonly claims: readonly ClaimRule[]
  readonly maxAuthAge: number | null
  readonly revocation: 'expiry' | 'marker' | 'session'
  readonly onOutage: 'deny' | 'allow'
  /** `sign-in`: pages on ISSUER's host send whoever is not signed in to the sign-in page. */
  readonly unauthenticated: '401' | 'sign-in'
  readonly identity: ReadonlySet<'headers' | 'assertion'>
  readonly headers: readonly { readonly name: string; readonly claim: string }[]
  /** Lower-case names with odd characters that this route's clients may send upstream. */
  readonly allowHeaders: ReadonlySet<string>
  readonly forwardToken: boolean
  /** Lets the upstream sign people in, out and change them (DESIGN §9.3); `null`: it may not. */
  readonly sessionControl: SessionControl | null
  readonly timeout: number
  readonly allowInPath: ReadonlySet<PathOddity>
  /** Name of a rate-limit binding. */
  readonly rateLimit: string | null
  readonly cors: Cors | null
}

/** Whom an upstream may sign in, out and change. */
export interface SessionControl {
  /** Stands before each `sub` that the upstream names; `''`: none. */
  readonly subjectPrefix: string
  /** True where it may do so to users who hold a scope of the gateway. */
  readonly administrators: boolean
}

/** Where a credential may be looked for. */
export type CredentialKind = 'bearer' | 'cookie' | 'api-key'

/** A claim that must equal a value, or what a parameter of host or path is bound to. */
export type ClaimRule =
  | { readonly claim: string; readonly value: string | number | boolean }
  | { readonly claim: string; readonly param: string }

/** What `allow_in_path` may open. */
export type PathOddity = '%2F' | '%5C' | ';' | '//'

export interface Cors {
  /** `['*']` is every origin, without credentials. */
  readonly origins: readonly string[]
  readonly credentials: boolean
  readonly headers: readonly string[]
  readonly expose: readonly string[]
  readonly maxAge: number
}

/** One `[[vars.ISSUERS]]` entry. */
export interface Issuer {
  readonly key: string
  readonly issuer: string
  readonly audience: readonly string[]
  readonly audienceClaim: 'aud' | 'client_id' | 'azp'
  /** `null`: by discovery. */
  readonly jwksUri: string | null
  readonly algorithms: readonly Algorithm[]
  /** Name of the Worker secret that holds an HS256 key; `null`: keys by JWKS. */
  readonly secret: string | null
  /** Unix seconds; tokens are refused from then on. */
  readonly acceptUntil: number | null
  /** Lower-case, without `application/`; `''` accepts a token without `typ`. */
  readonly types: readonly string[]
  readonly scopeClaim: string
  readonly rolesClaim: string | null
  /** Stands before `sub` in every subject; `null` where nothing is written. */
  readonly subjectPrefix: string | null
  readonly maxLifetime: number
}

/** One `[[vars.PROVIDERS]]` entry. */
export interface Provider {
  /** As the operator wrote it: `PROVIDERS[0]`. */
  readonly key: string
  /** In our URLs, and in the rows of its users and sessions. */
  readonly id: string
  readonly issuer: string
  readonly clientId: string
  /** `openid` is among them. */
  readonly scopes: readonly string[]
}

/** What webhooks may hear of. */
export type WebhookEvent =
  | 'session.opened'
  | 'session.ended'
  | 'session.reuse_found'
  | 'user.changed'
  | 'identity.linked'
  | 'identity.unlinked'
  | 'identity.suspended'
  | 'admin.granted'
  | 'admin.revoked'

/** One `[[vars.WEBHOOKS]]` entry. */
export interface Webhook {
  readonly key: string
  readonly id: string
  readonly url: string
  readonly events: ReadonlySet<WebhookEvent>
}
