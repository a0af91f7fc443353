// Parsed values as the configuration and the verifier would give them, for tests of one step.
import type { Route } from '../../src/config/config.ts'
import type { Identity } from '../../src/tokens/identity.ts'

/** A route that forwards everything to `https://upstream.test/`, but for what is named. */
export function makeRoute(route: Partial<Route> = {}): Route {
  return {
    key: 'ROUTES[0]',
    path: { source: '/*', segments: [], wildcard: true },
    host: null,
    methods: null,
    upstream: { origin: 'https://upstream.test', path: '/', binding: null },
    stripSegments: 0,
    access: 'required',
    acceptsSelf: true,
    issuers: [],
    credentials: new Set(['bearer', 'cookie']),
    scopes: [],
    roles: [],
    claims: [],
    maxAuthAge: null,
    revocation: 'marker',
    onOutage: 'deny',
    identity: new Set(['headers', 'assertion']),
    headers: [],
    forwardToken: false,
    timeout: 30,
    allowInPath: new Set(),
    rateLimit: null,
    cors: null,
    ...route,
  }
}

/** A user of the gateway at `https://gateway.test`, but for what is named. */
export function makeIdentity(identity: Partial<Identity> = {}): Identity {
  return {
    issuer: 'https://gateway.test',
    subject: 'usr_1',
    session: 'ses_1',
    scopes: [],
    roles: [],
    claims: {},
    authTime: null,
    expiresAt: 2_000_000_000,
    version: 1,
    ...identity,
  }
}
