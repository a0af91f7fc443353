// parseConfig: what good input becomes, and that no input at all makes it throw.
import { env as workerEnv } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { configEnv, type Env, issuer, provider, route } from '../support/config-env.ts'

function parsed(changes: Env = {}): Config {
  const result = parseConfig(configEnv(changes))
  if (result.outcome === 'refused') throw new Error(result.problems.join('\n'))
  return result.config
}

const firstRoute = (members: Env, changes: Env = {}) =>
  parsed({ ROUTES: [{ ...route, ...members }], ...changes }).routes[0]

describe('the smallest configuration', () => {
  it('is complete with its defaults', () => {
    expect(parsed()).toEqual({
      issuer: 'https://api.example.com',
      issuerHost: 'api.example.com',
      audience: 'https://api.example.com',
      authPath: '/auth',
      webOrigins: [],
      console: null,
      admin: { maxAuthAge: 900 },
      insecureCookies: false,
      tokens: { accessTtl: 900, clockSkew: 5 },
      sessions: {
        idleTimeout: 1_209_600,
        absoluteTimeout: 7_776_000,
        rotateAfter: 3600,
        reuseGrace: 30,
        maxPerUser: 50,
      },
      revocation: { isolateTtl: 5, kvTtl: 30 },
      passwords: { signIn: false, signUp: false },
      pages: { hsts: 31_536_000, clearSiteData: [] },
      routes: [
        {
          key: 'ROUTES[0]',
          path: { source: '/*', segments: [], wildcard: true },
          host: null,
          methods: null,
          upstream: { origin: 'https://origin.example.com', path: '/', binding: null },
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
          unauthenticated: '401',
          identity: new Set(['headers', 'assertion']),
          headers: [],
          allowHeaders: new Set(),
          forwardToken: false,
          sessionControl: null,
          timeout: 30,
          allowInPath: new Set(),
          rateLimit: null,
          cors: null,
        },
      ],
      issuers: [],
      providers: [],
      audit: { retention: 7_776_000 },
      webhooks: [],
      identityHeaderNames: new Set(),
    })
  })

  it('is frozen to its depths', () => {
    const config = parsed({ ISSUERS: [issuer], WEB_ORIGINS: ['https://app.example.com'] })
    const parts = [config, config.routes, config.routes[0], config.routes[0]?.path.segments, config.routes[0]?.cors]
    expect([...parts, config.issuers[0]?.audience].every((part) => part !== undefined && Object.isFrozen(part))).toBe(
      true,
    )
  })

  it('leaves the env as it was', () => {
    const env = configEnv({ WEB_ORIGINS: ['https://app.example.com'] })
    parseConfig(env)
    expect([env, env['ROUTES'], env['WEB_ORIGINS']].some((part) => Object.isFrozen(part))).toBe(false)
  })

  it('has cookies without Secure on localhost only', () => {
    expect(parsed({ ISSUER: 'http://localhost:8787' })).toMatchObject({
      insecureCookies: true,
      issuerHost: 'localhost',
    })
  })
})

describe('the tables beside the routes', () => {
  it('are read in seconds', () => {
    const config = parsed({
      AUDIENCE: 'orders',
      AUTH_PATH: '/id/v1',
      TOKENS: { access_ttl: '1m', clock_skew: '0s' },
      SESSIONS: { idle_timeout: '2m', absolute_timeout: '2m', rotate_after: '10s', reuse_grace: '5s', max_per_user: 1 },
      REVOCATION: { isolate_ttl: '0s', kv_ttl: '1h' },
      PASSWORDS: { sign_in: true, sign_up: true },
    })
    expect(config).toMatchObject({
      audience: 'orders',
      authPath: '/id/v1',
      tokens: { accessTtl: 60, clockSkew: 0 },
      sessions: { idleTimeout: 120, absoluteTimeout: 120, rotateAfter: 10, reuseGrace: 5, maxPerUser: 1 },
      revocation: { isolateTtl: 0, kvTtl: 3600 },
      passwords: { signIn: true, signUp: true },
    })
  })

  it('give an issuer its defaults', () => {
    expect(parsed({ ISSUERS: [issuer] }).issuers).toEqual([
      {
        key: 'ISSUERS[0]',
        issuer: 'https://idp.example.com/',
        audience: ['https://api.example.com'],
        audienceClaim: 'aud',
        jwksUri: null,
        algorithms: ['RS256', 'ES256', 'EdDSA'],
        secret: null,
        acceptUntil: null,
        types: ['at+jwt', 'jwt'],
        scopeClaim: 'scope',
        rolesClaim: null,
        subjectPrefix: null,
        maxLifetime: 86_400,
      },
    ])
  })

  it('read every member of an issuer', () => {
    const written = {
      ...issuer,
      audience_claim: 'azp',
      jwks_uri: 'https://idp.example.com/keys?v=1',
      algorithms: ['Ed25519', 'EdDSA', 'PS256'],
      accept_until: '2027-03-01T12:00:00.5+01:00',
      types: ['application/AT+JWT', ''],
      scope_claim: 'scp',
      roles_claim: 'realm_access.roles',
      subject_prefix: 'idp:',
      max_lifetime: '30m',
    }
    expect(parsed({ ISSUERS: [written] }).issuers[0]).toMatchObject({
      audienceClaim: 'azp',
      jwksUri: 'https://idp.example.com/keys?v=1',
      algorithms: ['EdDSA', 'PS256'],
      acceptUntil: Date.UTC(2027, 2, 1, 11) / 1000,
      types: ['at+jwt', ''],
      scopeClaim: 'scp',
      rolesClaim: 'realm_access.roles',
      subjectPrefix: 'idp:',
      maxLifetime: 1800,
    })
  })

  it('let a shared secret’s tokens name any issuer', () => {
    const legacy = { ...issuer, issuer: 'my-app', secret: 'LEGACY_JWT', accept_until: '2027-03-01' }
    const routes = [{ ...route, issuers: ['my-app'] }]
    const config = parsed({ ISSUERS: [legacy], LEGACY_JWT: 'a secret, so no unknown variable', ROUTES: routes })
    expect(config.routes[0]?.issuers.map((each) => each.issuer)).toEqual(['my-app'])
  })

  it('bind an issuer with a secret to HS256 and to its last day', () => {
    const legacy = { ...issuer, secret: 'LEGACY_JWT', accept_until: '2027-03-01' }
    const config = parsed({ ISSUERS: [legacy], LEGACY_JWT: 'a secret, so no unknown variable' })
    expect(config.issuers[0]).toMatchObject({
      algorithms: ['HS256'],
      secret: 'LEGACY_JWT',
      jwksUri: null,
      acceptUntil: Date.UTC(2027, 2, 1) / 1000,
    })
  })
})

describe('a route', () => {
  it('reads every member', () => {
    const members = {
      path: '/Orders/:id/*',
      methods: ['GET', 'POST'],
      host: ':tenant.Example.com',
      upstream: 'https://Orders.internal.example.com:443/v2',
      binding: 'ORDERS',
      strip_prefix: '/orders/',
      access: 'observe',
      issuers: ['self', issuer.issuer],
      credentials: ['bearer'],
      scopes: ['orders:read'],
      roles: ['staff', 'admin'],
      claims: { tenant: ':tenant', level: 3, 'https://example.com/paid': true, plan: 'gold' },
      max_auth_age: '10m',
      revocation: 'expiry',
      on_outage: 'allow',
      identity: ['assertion'],
      headers: { 'X-User_Id': 'sub' },
      allow_headers: ['X_LEGACY'],
      forward_token: true,
      session_control: true,
      timeout: '15m',
      allow_in_path: ['%2F', '//'],
      rate_limit: 'API_LIMIT',
      cors: { origins: ['https://app.example.com'], headers: ['X-Trace'], expose: ['X-Total'], max_age: '1h' },
    }
    const config = parsed({ ROUTES: [{ ...route, ...members }], ISSUERS: [{ ...issuer, subject_prefix: 'idp:' }] })
    expect(config.routes[0]).toEqual({
      key: 'ROUTES[0]',
      path: { source: '/Orders/:id/*', segments: [{ literal: 'orders' }, { param: 'id' }], wildcard: true },
      host: {
        source: ':tenant.Example.com',
        labels: [{ param: 'tenant' }, { literal: 'example' }, { literal: 'com' }],
      },
      methods: ['GET', 'HEAD', 'POST'],
      upstream: { origin: 'https://orders.internal.example.com', path: '/v2', binding: 'ORDERS' },
      stripSegments: 1,
      access: 'observe',
      acceptsSelf: true,
      issuers: config.issuers,
      credentials: new Set(['bearer']),
      scopes: ['orders:read'],
      roles: ['staff', 'admin'],
      claims: [
        { claim: 'tenant', param: 'tenant' },
        { claim: 'level', value: 3 },
        { claim: 'https://example.com/paid', value: true },
        { claim: 'plan', value: 'gold' },
      ],
      maxAuthAge: 600,
      revocation: 'expiry',
      onOutage: 'allow',
      unauthenticated: '401',
      identity: new Set(['assertion']),
      headers: [{ name: 'X-User_Id', claim: 'sub' }],
      allowHeaders: new Set(['x_legacy']),
      forwardToken: true,
      sessionControl: { subjectPrefix: '', administrators: false },
      timeout: 900,
      allowInPath: new Set(['%2F', '//']),
      rateLimit: 'API_LIMIT',
      cors: {
        origins: ['https://app.example.com'],
        credentials: false,
        headers: ['x-trace'],
        expose: ['X-Total'],
        maxAge: 3600,
      },
    })
    expect(config.identityHeaderNames).toEqual(new Set(['x-user-id']))
  })

  it('of other issuers only looks at no cookie, because cookies are the gateway’s own', () => {
    expect(firstRoute({ issuers: [issuer.issuer] }, { ISSUERS: [issuer] })).toMatchObject({
      acceptsSelf: false,
      credentials: new Set(['bearer']),
    })
  })

  it('may name the upstream after the gateway itself where a binding leads there', () => {
    expect(firstRoute({ upstream: 'https://api.example.com', binding: 'ORDERS' })?.upstream.binding).toBe('ORDERS')
  })

  it.each([
    ['nothing without web origins', {}, [], null],
    ['the web origins, with cookies', {}, ['https://app.example.com'], { credentials: true, maxAge: 600 }],
    ['nothing where it is false', { cors: false }, ['https://app.example.com'], null],
    ['any origin, without cookies', { cors: { origins: ['*'] } }, [], { origins: ['*'], credentials: false }],
  ])('has as CORS %s', (_title, members, origins, expected) => {
    const cors = firstRoute(members, { WEB_ORIGINS: origins })?.cors
    expect(cors === null ? null : cors).toEqual(expected === null ? null : expect.objectContaining(expected))
  })

  it.each(['/auth', '/AUTH/x', '/auth/*', '/%61uth/sign-in', '/.well-known/jwks.json', '/.well-known/JWKS.json/*'])(
    'may claim the gateway’s own %s only on a host that is not the gateway’s',
    (path) => {
      const elsewhere = firstRoute({ path, host: 'other.example.com' })
      const here = [undefined, 'API.example.com', ':any.example.com'].map((host) =>
        parseConfig(configEnv({ ROUTES: [{ ...route, path, host }] })),
      )
      expect(elsewhere?.path.source).toBe(path)
      expect(here).toEqual(
        here.map(() => ({
          outcome: 'refused',
          problems: ["ROUTES[0].path must not be one of the gateway's own URLs"],
        })),
      )
    },
  )

  it.each(['/*', '/:page', '/:a/sign-in', '/.well-known/*', '/.well-known/jwks.json/more', '/authors/*', '/x/auth'])(
    'may be %s, which only passes the gateway’s own URLs by',
    (path) => {
      expect(firstRoute({ path })?.path.source).toBe(path)
    },
  )
})

describe('variables', () => {
  it('add routes wherever their name begins with ROUTES', () => {
    const config = parsed({ ROUTES_BILLING: [{ ...route, path: '/billing' }], ROUTES2: [{ ...route, path: '/two' }] })
    expect(config.routes.map((each) => each.key)).toEqual(['ROUTES_BILLING[0]', 'ROUTES2[0]', 'ROUTES[0]'])
  })

  it('of the platform, secrets and live bindings are never unknown', () => {
    const beside = {
      __STATIC_CONTENT: 'x',
      CF_VERSION_METADATA: { id: 'x', tag: '', timestamp: '' },
      SIGNING_KEYS: '{}',
      SESSION_KEYS: 'x',
      PROVIDER_CORP_SECRET: 'x',
      METRICS: { writeDataPoint: () => null },
      TUNNEL: { connect: () => null },
      BUCKET: new Map(),
      ROUTES_KV: { get: () => null },
      ABSENT: undefined,
    }
    expect(parsed(beside).routes).toHaveLength(1)
  })

  it('are told from the live bindings of workerd', () => {
    const result = parseConfig({ ...workerEnv, TYPO: 1 })
    expect(
      result.outcome === 'refused' &&
        result.problems.filter((problem) => /^(?:DB|MARKERS|SIGN_IN_LIMIT)/.test(problem)),
    ).toEqual([])
    expect(result).toMatchObject({ problems: expect.arrayContaining(['TYPO is an unknown variable']) })
  })
})

describe('a provider', () => {
  it('has its members, and asks for openid by default', () => {
    expect(
      parsed({ PROVIDERS: [provider, { ...provider, id: 'my-idp-2', client_id: 'b', scopes: ['openid', 'email'] }] })
        .providers,
    ).toEqual([
      { key: 'PROVIDERS[0]', id: 'corp', issuer: provider.issuer, clientId: 'gatehouse', scopes: ['openid'] },
      { key: 'PROVIDERS[1]', id: 'my-idp-2', issuer: provider.issuer, clientId: 'b', scopes: ['openid', 'email'] },
    ])
  })

  it('may be on localhost without TLS', () => {
    expect(parsed({ PROVIDERS: [{ ...provider, issuer: 'http://localhost:4000' }] }).providers).toHaveLength(1)
  })
})

describe('any JSON at all', () => {
  const names = [
    'ISSUER',
    'AUDIENCE',
    'AUTH_PATH',
    'WEB_ORIGINS',
    'TOKENS',
    'SESSIONS',
    'PASSWORDS',
    'ROUTES',
    'ISSUERS',
    'PROVIDERS',
  ]
  const members = [
    'path',
    'host',
    'upstream',
    'methods',
    'claims',
    'headers',
    'cors',
    'issuers',
    'strip_prefix',
    'scopes',
  ]
  const odd = fc.constantFrom(
    '/a/*',
    '/%',
    '/:a/:a',
    'https://[',
    'http://a/%zz',
    '*',
    'self',
    ':x',
    '',
    '%ff',
    '//',
    '\ud800',
  )
  const value = fc.oneof(odd, fc.jsonValue(), fc.array(odd), fc.dictionary(fc.string(), odd))
  const table = fc.dictionary(
    fc.constantFrom(...members, 'issuer', 'audience', 'secret', 'accept_until', 'types', 'id', 'client_id'),
    value,
  )

  it('is parsed or refused, and never throws', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value), (env) => {
        expect(parseConfig(env).outcome).toBe('refused')
      }),
      { numRuns: 300 },
    )
  })

  it('does so inside routes, issuers and providers too', () => {
    fc.assert(
      fc.property(fc.array(table), fc.array(table), fc.array(table), (routes, issuers, providers) => {
        const env = configEnv({ ROUTES: routes, ISSUERS: issuers, PROVIDERS: providers })
        expect(['parsed', 'refused']).toContain(parseConfig(env).outcome)
      }),
      { numRuns: 300 },
    )
  })
})
