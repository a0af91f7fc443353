// parseConfig: what bad input is told, key by key.
import { describe, expect, it } from 'vitest'

import { parseConfig } from '../../src/config/parse.ts'
import { configEnv, type Env, issuer, provider, route } from '../support/config-env.ts'

function problems(changes: Env): readonly string[] {
  const result = parseConfig(configEnv(changes))
  return result.outcome === 'refused' ? result.problems : []
}

function tie(left: Env, right: Env): readonly string[] {
  return problems({ ROUTES: [{ ...route, ...left }], ROUTES_B: [{ ...route, ...right }] })
}

function signsIn(changes: Env, vars: Env = { PASSWORDS: { sign_in: true } }): readonly string[] {
  return problems({ ...vars, ROUTES: [{ ...route, unauthenticated: 'sign-in', ...changes }] })
}

const ORIGIN = 'must be an https origin such as https://api.example.com and nothing more (http only for localhost)'
const DURATION = 'must be a duration such as "30s", "15m", "1h" or "14d"'
const SAFE_URL = 'must be an https URL without user name and fragment (http only for localhost)'
const TEXT = 'must be a string that is not empty'
const TEXTS = 'must be a list of strings that are not empty'

describe('a variable', () => {
  it.each<[Env, string]>([
    [{ ISSUER: undefined }, 'ISSUER is required'],
    [{ ISSUER: '' }, `ISSUER ${TEXT}`],
    [{ ISSUER: 7 }, `ISSUER ${TEXT}`],
    [{ ISSUER: 'https://api.example.com/' }, `ISSUER ${ORIGIN}`],
    [{ ISSUER: 'https://api.example.com/x' }, `ISSUER ${ORIGIN}`],
    [{ ISSUER: 'https://API.example.com' }, `ISSUER ${ORIGIN}`],
    [{ ISSUER: 'https://api.example.com:443' }, `ISSUER ${ORIGIN}`],
    [{ ISSUER: 'https://me@api.example.com' }, `ISSUER ${ORIGIN}`],
    [{ ISSUER: 'https://api.example.com.' }, `ISSUER ${ORIGIN}`],
    [{ ISSUER: 'https://api.example.com?x' }, `ISSUER ${ORIGIN}`],
    [{ ISSUER: 'http://api.example.com' }, `ISSUER ${ORIGIN}`],
    [{ ISSUER: 'http://localhost.example.com' }, `ISSUER ${ORIGIN}`],
    [{ ISSUER: 'ftp://localhost' }, `ISSUER ${ORIGIN}`],
    [{ AUDIENCE: '' }, `AUDIENCE ${TEXT}`],
    [{ AUDIENCE: 'upstream:https://x.example.com' }, 'AUDIENCE must not begin with upstream:'],
    ...['auth', '/', '/auth/', '/Auth', '/a//b', '/../x', '/.', '/a?b', '/a%20b'].map((path): [Env, string] => [
      { AUTH_PATH: path },
      'AUTH_PATH must be a path such as /auth: lower-case, without a trailing slash',
    ]),
    [{ WEB_ORIGINS: 'https://app.example.com' }, `WEB_ORIGINS ${TEXTS}`],
    [{ WEB_ORIGINS: ['https://app.example.com', '*'] }, `WEB_ORIGINS[1] ${ORIGIN}`],
    [{ WEB_ORIGINS: ['http://app.example.com'] }, `WEB_ORIGINS[0] ${ORIGIN}`],
    [{ WEB_ORIGINS: ['null'] }, `WEB_ORIGINS[0] ${ORIGIN}`],
    [{ WEB_ORIGINS: ['https://*.example.com'] }, `WEB_ORIGINS[0] ${ORIGIN}`],
    ...[
      'http://admin.example.com',
      'https://admin.example.com/',
      'https://Admin.example.com',
      'https://user@admin.example.com',
      'https://admin.example.com?x',
      'http://admin.localhost.example.com',
      'http://a.b.localhost',
      '*',
    ].map((origin): [Env, string] => [
      { ADMIN_ORIGIN: origin },
      'ADMIN_ORIGIN must be an https origin such as https://admin.example.com and nothing more (http only for names such as admin.localhost)',
    ]),
    [{ ADMIN_ORIGIN: 'https://api.example.com' }, "ADMIN_ORIGIN must have another host than ISSUER's"],
    [{ ADMIN_ORIGIN: 'https://api.example.com:8443' }, "ADMIN_ORIGIN must have another host than ISSUER's"],
    [{ ADMIN_ORIGIN: 'http://admin.localhost' }, 'ADMIN_ORIGIN must be https or http like ISSUER'],
    [{ ROUTS: 'x' }, 'ROUTS is an unknown variable; did you mean ROUTES?'],
    [{ issuer: 'x' }, 'issuer is an unknown variable; did you mean ISSUER?'],
    [{ SOMETHING_ELSE: { x: 1 } }, 'SOMETHING_ELSE is an unknown variable'],
    [{ 'a\nb': null }, '"a\\nb" is an unknown variable'],
    [{ LEGACY_JWT: 'x' }, 'LEGACY_JWT is an unknown variable'],
    [{ DB: 'x' }, 'DB must be a D1 database binding'],
    [{ DB: { prepare: () => null } }, 'DB must be a D1 database binding'],
    [{ MARKERS: undefined }, 'MARKERS must be a KV namespace binding'],
    [
      { PASSWORDS: { sign_in: true }, SIGN_IN_LIMIT: undefined },
      'SIGN_IN_LIMIT must be a rate limit binding, because PASSWORDS.sign_in is on',
    ],
    [
      { PROVIDERS: [provider], SIGN_IN_LIMIT: undefined },
      'SIGN_IN_LIMIT must be a rate limit binding, because there are PROVIDERS',
    ],
    [
      { ADMIN_ORIGIN: 'https://admin.example.com', SIGN_IN_LIMIT: undefined },
      'SIGN_IN_LIMIT must be a rate limit binding, because there is an ADMIN_ORIGIN',
    ],
  ])('%j is refused', (changes, problem) => {
    expect(problems(changes)).toEqual([problem])
  })
})

describe('a webhook', () => {
  const webhook = { id: 'crm', url: 'https://crm.example.com/hook?team=1', events: ['session.ended'] }
  const SAFE = 'must be an https URL without user name and fragment (http only for localhost)'
  const EVENTS =
    'must be a list of "session.opened", "session.ended", "session.reuse_found", "user.changed", "identity.linked", "identity.unlinked", "identity.suspended", "admin.granted" or "admin.revoked"'

  it('is told of what it names', () => {
    expect(problems({ WEBHOOKS: [webhook, { ...webhook, id: 'other', url: 'http://localhost:9000/' }] })).toEqual([])
  })

  it.each([
    [{ id: undefined }, 'id is required'],
    [{ id: 'CRM' }, 'id must be 1 to 32 of the characters a-z, 0-9 and -'],
    [{ id: 'crm_2' }, 'id must be 1 to 32 of the characters a-z, 0-9 and -'],
    [{ url: undefined }, 'url is required'],
    [{ url: 'http://crm.example.com/hook' }, `url ${SAFE}`],
    [{ url: 'https://me:sesame@crm.example.com/' }, `url ${SAFE}`],
    [{ url: 'https://crm.example.com/#here' }, `url ${SAFE}`],
    [{ events: undefined }, 'events is required'],
    [{ events: [] }, 'events must not be an empty list'],
    [{ events: ['session.closed'] }, `events ${EVENTS}`],
    [{ secret: 'whsec_x' }, 'secret is an unknown key'],
  ])('with %j is refused', (members, problem) => {
    expect(problems({ WEBHOOKS: [{ ...webhook, ...members }] })).toEqual([`WEBHOOKS[0].${problem}`])
  })

  it('has an id of its own', () => {
    expect(problems({ WEBHOOKS: [webhook, webhook] })).toEqual(['WEBHOOKS[1].id is the same as WEBHOOKS[0].id'])
  })

  it('is one of ten at most', () => {
    const many = Array.from({ length: 11 }, (_, at) => ({ ...webhook, id: `crm-${at}` }))
    expect(problems({ WEBHOOKS: many })).toEqual(['WEBHOOKS must be at most 10'])
  })
})

describe('a table', () => {
  it.each<[Env, string]>([
    [{ TOKENS: 'x' }, 'TOKENS must be a table'],
    [{ TOKENS: [] }, 'TOKENS must be a table'],
    [{ TOKENS: { acess_ttl: '1m' } }, 'TOKENS.acess_ttl is an unknown key; did you mean access_ttl?'],
    [{ TOKENS: { 'odd key': 1 } }, 'TOKENS."odd key" is an unknown key'],
    [{ TOKENS: JSON.parse('{"__proto__":1}') }, 'TOKENS.__proto__ is an unknown key'],
    ...['15', '15 m', '-1m', '1.5h', '1w', '', 'm', 900, null, ['1m']].map((access_ttl): [Env, string] => [
      { TOKENS: { access_ttl } },
      `TOKENS.access_ttl ${DURATION}`,
    ]),
    [{ TOKENS: { access_ttl: '59s' } }, 'TOKENS.access_ttl must be from 1m to 1h'],
    [{ TOKENS: { access_ttl: '61m' } }, 'TOKENS.access_ttl must be from 1m to 1h'],
    [{ TOKENS: { clock_skew: '61s' } }, 'TOKENS.clock_skew must be from 0s to 60s'],
    [{ SESSIONS: { idle_timeout: '29m' } }, 'SESSIONS.idle_timeout must be at least twice TOKENS.access_ttl'],
    [{ SESSIONS: { absolute_timeout: '13d' } }, 'SESSIONS.absolute_timeout must be at least idle_timeout'],
    [{ SESSIONS: { rotate_after: '59s' } }, 'SESSIONS.rotate_after must be at least twice reuse_grace'],
    [{ SESSIONS: { reuse_grace: '4s' } }, 'SESSIONS.reuse_grace must be from 5s to 5m'],
    [{ ADMIN: { max_auth_age: '59s' } }, 'ADMIN.max_auth_age must be from 1m to 12h'],
    [{ ADMIN: { max_auth_age: '13h' } }, 'ADMIN.max_auth_age must be from 1m to 12h'],
    [{ ADMIN: { max_age: '15m' } }, 'ADMIN.max_age is an unknown key'],
    [{ AUDIT: { retention: '23h' } }, 'AUDIT.retention must be from 1d to 3650d'],
    [{ AUDIT: { keep: '90d' } }, 'AUDIT.keep is an unknown key'],
    [{ SESSIONS: { reuse_grace: '6m' } }, 'SESSIONS.reuse_grace must be from 5s to 5m'],
    [{ SESSIONS: { max_per_user: 0 } }, 'SESSIONS.max_per_user must be an integer from 1 to 1000'],
    [{ SESSIONS: { max_per_user: 1.5 } }, 'SESSIONS.max_per_user must be an integer from 1 to 1000'],
    [{ SESSIONS: { max_per_user: '5' } }, 'SESSIONS.max_per_user must be an integer from 1 to 1000'],
    [{ REVOCATION: { isolate_ttl: '6m' } }, 'REVOCATION.isolate_ttl must be from 0s to 5m'],
    [{ REVOCATION: { kv_ttl: '29s' } }, 'REVOCATION.kv_ttl must be from 30s to 1h'],
    [{ PASSWORDS: { sign_in: 'true' } }, 'PASSWORDS.sign_in must be true or false'],
    [{ PASSWORDS: { sign_up: true } }, 'PASSWORDS.sign_up needs sign_in = true'],
    [{ PAGES: { hsts: true } }, 'PAGES.hsts must be a duration such as "30s", "15m", "1h" or "14d"'],
    [{ PAGES: { hsts: 'OFF' } }, 'PAGES.hsts must be a duration such as "30s", "15m", "1h" or "14d"'],
    [{ PAGES: { hsts: '731d' } }, 'PAGES.hsts must be from 0s to 730d'],
    [{ PAGES: { clear_site_data: ['cookies'] } }, 'PAGES.clear_site_data must be a list of "cache" or "storage"'],
    [{ PAGES: { clear_site_data: 'cache' } }, 'PAGES.clear_site_data must be a list of "cache" or "storage"'],
    [{ PAGES: { clear: true } }, 'PAGES.clear is an unknown key'],
  ])('%j is refused', (changes, problem) => {
    expect(problems(changes)).toEqual([problem])
  })
})

describe('an issuer', () => {
  const secret = { secret: 'LEGACY_JWT', accept_until: '2027-03-01' }

  it.each<[Env, string]>([
    [{ issuer: undefined }, 'issuer is required'],
    [{ issuer: 'idp.example.com' }, `issuer ${SAFE_URL}`],
    [{ issuer: 'http://idp.example.com' }, `issuer ${SAFE_URL}`],
    [{ issuer: 'https://me:x@idp.example.com' }, `issuer ${SAFE_URL}`],
    [{ issuer: 'https://idp.example.com#' }, `issuer ${SAFE_URL}`],
    [{ issuer: 'https://idp.example.com/?x' }, 'issuer must not have a query'],
    [{ issuer: `https://idp.example.com/${'x'.repeat(377)}` }, 'issuer must not be longer than 400 bytes'],
    [{ issuer: 'https://api.example.com' }, 'issuer must not be ISSUER, which routes call "self"'],
    [{ ...secret, issuer: 'self' }, 'issuer must not be ISSUER, which routes call "self"'],
    [{ ...secret, issuer: '' }, 'issuer must be a string that is not empty'],
    [{ audience: undefined }, 'audience is required'],
    [{ audience: [] }, 'audience must not be an empty list'],
    [{ audience: 'x' }, `audience ${TEXTS}`],
    [{ audience: [''] }, `audience ${TEXTS}`],
    [{ audience_claim: 'sub' }, 'audience_claim must be "aud", "client_id" or "azp"'],
    [{ jwks_uri: 'http://idp.example.com/jwks' }, `jwks_uri ${SAFE_URL}`],
    [{ algorithms: [] }, 'algorithms must not be an empty list'],
    ...[['HS256'], ['none'], ['RS256', 'rs256'], 'RS256'].map((algorithms): [Env, string] => [
      { algorithms },
      'algorithms must be a list of "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA" or "Ed25519"',
    ]),
    [{ secret: 'LEGACY_JWT' }, 'accept_until is required where secret is written'],
    [{ ...secret, jwks_uri: 'https://idp.example.com/' }, 'jwks_uri must be left out where secret is written'],
    [{ ...secret, algorithms: ['HS256', 'RS256'] }, 'algorithms must be a list of "HS256"'],
    [{ ...secret, secret: 'SIGNING_KEYS' }, 'secret must be the name of a Worker secret of its own'],
    [{ ...secret, secret: 'PROVIDER_CORP_SECRET' }, 'secret must be the name of a Worker secret of its own'],
    [{ ...secret, secret: 'ISSUER' }, 'secret must be the name of a Worker secret of its own'],
    [{ ...secret, secret: 'a b' }, 'secret must be the name of a Worker secret of its own'],
    ...['2027-02-30', '2027-3-1', '2027-03-01T12:00:00', '2027-03-01T25:00:00Z', 'soon', 1_800_000_000].map(
      (accept_until): [Env, string] => [
        { accept_until },
        'accept_until must be a date such as "2027-03-01" or a time such as "2027-03-01T12:00:00Z"',
      ],
    ),
    [{ types: [] }, 'types must be a list of strings that is not empty'],
    [{ types: 'JWT' }, 'types must be a list of strings that is not empty'],
    [{ scope_claim: '' }, `scope_claim ${TEXT}`],
    [{ roles_claim: 1 }, `roles_claim ${TEXT}`],
    ...['usr_', 'USR_x', 'cli_a', 'key_'].map((subject_prefix): [Env, string] => [
      { subject_prefix },
      'subject_prefix must not begin like an id of the gateway: usr_, cli_ or key_',
    ]),
    ...['a b', 'é', 'x'.repeat(65), 1, null].map((subject_prefix): [Env, string] => [
      { subject_prefix },
      'subject_prefix must be at most 64 ASCII characters without spaces',
    ]),
    [{ max_lifetime: '0s' }, 'max_lifetime must be from 1s to 3650d'],
    [{ audiance: [] }, 'audiance is an unknown key; did you mean audience?'],
  ])('%j is refused', (members, problem) => {
    expect(problems({ ISSUERS: [{ ...issuer, ...members }] })).toEqual([`ISSUERS[0].${problem}`])
  })

  it('is refused when another has its name', () => {
    expect(problems({ ISSUERS: [issuer, issuer] })).toEqual(['ISSUERS[1].issuer is the same as ISSUERS[0].issuer'])
  })

  const another = { ...issuer, issuer: 'https://another.example.com/' }
  it.each([
    { issuers: ['self', issuer.issuer], missing: ['ISSUERS[0]'] },
    { issuers: [issuer.issuer, another.issuer], missing: ['ISSUERS[0]', 'ISSUERS[1]'] },
    { issuers: [issuer.issuer], missing: [] },
  ])('needs a subject_prefix where a route names another beside it: $issuers', ({ issuers, missing }) => {
    const found = problems({ ISSUERS: [issuer, another], ROUTES: [{ ...route, issuers }] })
    const because = 'subject_prefix is required, because ROUTES[0] names more than one issuer'
    expect(found).toEqual(missing.map((key) => `${key}.${because}`))
  })

  it.each<[string, string, readonly string[]]>([
    ['shop:', 'shop:', ['ROUTES[0].session_control.subject_prefix must not begin with ISSUERS[0].subject_prefix']],
    ['Shop:', 'shop:eu:', ['ROUTES[0].session_control.subject_prefix must not begin with ISSUERS[0].subject_prefix']],
    ['shop:idp:', 'shop:', []],
    ['', 'shop:', []],
  ])('with subject_prefix %j beside a route with %j: %j', (prefix, subject_prefix, expected) => {
    const ROUTES = [{ ...route, session_control: { subject_prefix } }]
    expect(problems({ ROUTES, ISSUERS: [{ ...issuer, subject_prefix: prefix }] })).toEqual(expected)
  })

  it('may say by an empty subject_prefix that its subjects are nobody else’s', () => {
    const routes = [{ ...route, issuers: ['self', issuer.issuer] }]
    expect(problems({ ISSUERS: [{ ...issuer, subject_prefix: '' }], ROUTES: routes })).toEqual([])
  })

  it.each([
    ['idp:', 'idp:'],
    ['idp', 'idp:'],
  ])('has no subject_prefix that another begins with: %s and %s', (one, other) => {
    const found = problems({
      ISSUERS: [
        { ...issuer, subject_prefix: one },
        { ...another, subject_prefix: other },
      ],
    })
    expect(found).toContain('ISSUERS[1].subject_prefix must not begin with ISSUERS[0].subject_prefix')
  })
})

describe('a provider', () => {
  const ID = 'id must be 1 to 32 of the characters a-z, 0-9 and -'

  it.each<[Env, string]>([
    [{ id: undefined }, 'id is required'],
    ...['Corp', 'my_idp', 'a/b', 'a.b', 'ä', 'a'.repeat(33)].map((id): [Env, string] => [{ id }, ID]),
    [{ id: 7 }, `id ${TEXT}`],
    [{ issuer: undefined }, 'issuer is required'],
    [{ issuer: 'login.example.com' }, `issuer ${SAFE_URL}`],
    [{ issuer: 'http://login.example.com' }, `issuer ${SAFE_URL}`],
    [{ issuer: 'https://me:x@login.example.com' }, `issuer ${SAFE_URL}`],
    [{ issuer: 'https://login.example.com/#' }, `issuer ${SAFE_URL}`],
    [{ issuer: 'https://login.example.com/?tenant=x' }, 'issuer must not have a query'],
    [{ issuer: 'https://api.example.com' }, 'issuer must not be ISSUER'],
    [{ client_id: undefined }, 'client_id is required'],
    [{ client_id: '' }, `client_id ${TEXT}`],
    [{ client_id: 'a\n' }, 'client_id must be printable ASCII'],
    [{ scopes: ['email'] }, 'scopes must have "openid" among them'],
    [{ scopes: [] }, 'scopes must have "openid" among them'],
    [{ scopes: 'openid' }, `scopes ${TEXTS}`],
    [{ scopes: ['openid email'] }, 'scopes must be scopes of RFC 6749'],
    [{ client_secret: 'x' }, 'client_secret is an unknown key'],
  ])('%j is refused', (members, problem) => {
    expect(problems({ PROVIDERS: [{ ...provider, ...members }] })).toEqual([`PROVIDERS[0].${problem}`])
  })

  it('is refused when another has its id, and with it the name of its secret', () => {
    expect(problems({ PROVIDERS: [provider, { ...provider, client_id: 'other' }] })).toEqual([
      'PROVIDERS[1].id is the same as PROVIDERS[0].id',
    ])
  })

  it('is refused when another has its client: one person would be two users', () => {
    expect(problems({ PROVIDERS: [provider, { ...provider, id: 'other' }] })).toEqual([
      'PROVIDERS[1].client_id is the same as PROVIDERS[0].client_id, at the same issuer',
    ])
  })
})

describe('a route', () => {
  const SEGMENT = 'path must be visible ASCII; percent-encode anything else'
  const METHODS = 'methods must be a list of methods in upper case'
  const HOST = 'host must be a host name without a port; :param may stand for a label'
  const UPSTREAM = 'upstream must be an https or http URL'
  const UPSTREAM_PARTS = 'upstream must not have a user name, query or fragment'
  const DEMAND = 'needs access = "required" or "observe": here a request without a credential would pass'
  const RESERVED = 'must not be a header that has a meaning of its own'

  it.each<[Env, string]>([
    [{ upstrem: 'x' }, 'upstrem is an unknown key; did you mean upstream?'],
    [{ path: undefined }, 'path is required'],
    [{ path: 'orders' }, 'path must begin with /'],
    [{ path: '/a//b' }, 'path must not have an empty segment'],
    [{ path: '//' }, 'path must not have an empty segment'],
    [{ path: '/a//*' }, 'path must not have an empty segment'],
    [{ path: '/a/../b' }, 'path must not have dot segments'],
    [{ path: '/a/.%2E' }, 'path must not have dot segments'],
    [{ path: '/a b' }, SEGMENT],
    [{ path: '/ä' }, SEGMENT],
    [{ path: '/a\u0000' }, SEGMENT],
    [{ path: '/a;b' }, 'path must not have \\ ; ? or #'],
    [{ path: '/a\\b' }, 'path must not have \\ ; ? or #'],
    [{ path: '/a?b' }, 'path must not have \\ ; ? or #'],
    [{ path: '/a#b' }, 'path must not have \\ ; ? or #'],
    [{ path: '/100%' }, 'path must have two hex digits after each %'],
    [{ path: '/%zz' }, 'path must have two hex digits after each %'],
    [{ path: '/a%2fb' }, 'path must not have / \\ ; ? # or control characters, encoded'],
    [{ path: '/a%00b' }, 'path must not have / \\ ; ? # or control characters, encoded'],
    [{ path: '/%252e' }, 'path must not be percent-encoded twice'],
    [{ path: '/%ff' }, 'path must be UTF-8 where it is percent-encoded'],
    [{ path: '/*/a' }, 'path may have * only as its last segment'],
    [{ path: '/a*' }, 'path may have * only as its last segment'],
    [{ path: '/:Id' }, 'path must name parameters by a-z, 0-9 and _, such as :order_id'],
    [{ path: '/:' }, 'path must name parameters by a-z, 0-9 and _, such as :order_id'],
    [{ path: '/:a/:a' }, 'path must not use a parameter name twice, host included'],
    [{ path: '/:a', host: ':a.example.com' }, 'path must not use a parameter name twice, host included'],
    [{ host: 'api.example.com:443' }, HOST],
    [{ host: '*.example.com' }, HOST],
    [{ host: 'api..example.com' }, HOST],
    [{ host: 'api.example.com.' }, HOST],
    [{ host: ':Tenant.example.com' }, HOST],
    [{ host: 'https://api.example.com' }, HOST],
    [{ methods: [] }, 'methods must not be an empty list'],
    [{ methods: ['get'] }, METHODS],
    [{ methods: ['GET,POST'] }, METHODS],
    [{ methods: 'GET' }, `methods ${TEXTS}`],
    [{ methods: ['GET', 'TRACE'] }, 'methods must not have TRACE or CONNECT'],
    [{ methods: ['CONNECT'] }, 'methods must not have TRACE or CONNECT'],
    [{ upstream: undefined }, 'upstream is required'],
    [{ upstream: 'origin.example.com' }, UPSTREAM],
    [{ upstream: 'ftp://origin.example.com' }, UPSTREAM],
    [{ upstream: 'https:origin.example.com' }, UPSTREAM],
    [{ upstream: 'https:\\\\origin.example.com' }, UPSTREAM],
    [{ upstream: ' https://origin.example.com' }, UPSTREAM],
    [{ upstream: 'https://origin.example\t.com' }, UPSTREAM],
    [{ upstream: 'https://me:secret@origin.example.com' }, UPSTREAM_PARTS],
    [{ upstream: 'https://@origin.example.com' }, UPSTREAM_PARTS],
    [{ upstream: 'https://origin.example.com?' }, UPSTREAM_PARTS],
    [{ upstream: 'https://origin.example.com/#' }, UPSTREAM_PARTS],
    [{ upstream: 'https://origin.example.com/a/../b' }, 'upstream must not have dot segments, in its path'],
    [{ upstream: 'https://origin.example.com//' }, 'upstream must not have an empty segment, in its path'],
    [
      { upstream: 'https://origin.example.com/%7Ea' },
      'upstream must be percent-encoded in the canonical way, in its path',
    ],
    [
      { upstream: 'https://origin.example.com/%c3%a4' },
      'upstream must be percent-encoded in the canonical way, in its path',
    ],
    [
      { upstream: 'https://origin.example.com/{a}' },
      'upstream must be percent-encoded in the canonical way, in its path',
    ],
    [{ binding: 'NOBODY' }, 'binding must name a service, mTLS or VPC binding'],
    [{ binding: 'DB' }, 'binding must name a service, mTLS or VPC binding'],
    [{ rate_limit: 'ORDERS' }, 'rate_limit must name a rate limit binding'],
    [{ path: '/orders/*', strip_prefix: '/order' }, 'strip_prefix must be the beginning of path'],
    [{ path: '/:x/*', strip_prefix: '/orders' }, 'strip_prefix must be the beginning of path'],
    [{ path: '/orders', strip_prefix: '/orders/more' }, 'strip_prefix must be the beginning of path'],
    [{ strip_prefix: '/' }, 'strip_prefix must be a literal path such as /orders'],
    [{ strip_prefix: '/*' }, 'strip_prefix must be a literal path such as /orders'],
    [{ path: '/:x/*', strip_prefix: '/:x' }, 'strip_prefix must be a literal path such as /orders'],
    [{ access: 'none' }, 'access must be "required", "optional", "public" or "observe"'],
    [{ access: '' }, 'access must be "required", "optional", "public" or "observe"'],
    [{ issuers: [] }, 'issuers must not be an empty list'],
    [
      { issuers: ['https://else.example.com/'] },
      'issuers has "https://else.example.com/", which is no issuer of ISSUERS',
    ],
    [
      { issuers: ['https://idp.example.com'] },
      'issuers has "https://idp.example.com", which is no issuer of ISSUERS; did you mean https://idp.example.com/?',
    ],
    [{ credentials: [] }, 'credentials must not be an empty list'],
    [{ credentials: ['token'] }, 'credentials must be a list of "bearer", "cookie" or "api-key"'],
    [
      { credentials: ['cookie'], issuers: [issuer.issuer] },
      'credentials must not have "cookie" unless issuers has "self"',
    ],
    [
      { credentials: ['bearer', 'api-key'], issuers: [issuer.issuer] },
      'credentials must not have "api-key" unless issuers has "self"',
    ],
    [{ scopes: [] }, 'scopes must not be an empty list'],
    [{ roles: [] }, 'roles must not be an empty list'],
    [{ scopes: 'orders:read' }, `scopes ${TEXTS}`],
    [{ access: 'public', scopes: ['a'] }, `scopes ${DEMAND}`],
    [{ access: 'optional', roles: ['a'] }, `roles ${DEMAND}`],
    [{ access: 'public', claims: { a: 1 } }, `claims ${DEMAND}`],
    [{ access: 'optional', max_auth_age: '1m' }, `max_auth_age ${DEMAND}`],
    [{ claims: {} }, 'claims must not be an empty table'],
    [{ claims: [] }, 'claims must be a table'],
    [{ claims: { tenant: null } }, 'claims.tenant must be a string, a number, true or false'],
    [{ claims: { tenant: ['a'] } }, 'claims.tenant must be a string, a number, true or false'],
    [{ path: '/:id', claims: { tenant: ':tenant' } }, 'claims.tenant must name a parameter of path or host'],
    [{ claims: { 'a/b': ':' } }, 'claims."a/b" must name a parameter of path or host'],
    [{ max_auth_age: '0s' }, 'max_auth_age must be from 1s to 365d'],
    [{ revocation: 'none' }, 'revocation must be "expiry", "marker" or "session"'],
    [
      { revocation: 'session', issuers: ['self', issuer.issuer] },
      'revocation must not be "session" unless issuers is ["self"]: other issuers have no session here',
    ],
    [{ revocation: 'session', on_outage: 'allow' }, 'on_outage must not be "allow" where revocation is "session"'],
    [{ on_outage: true }, 'on_outage must be "deny" or "allow"'],
    [{ unauthenticated: 'login' }, 'unauthenticated must be "401" or "sign-in"'],
    [
      { unauthenticated: 'sign-in' },
      'unauthenticated must not be "sign-in" where nobody can sign in: PASSWORDS.sign_in is off, and there are no PROVIDERS',
    ],
    [{ session_control: 'yes' }, 'session_control must be true, false or a table'],
    [{ session_control: {} }, 'session_control must not be an empty table'],
    [{ session_control: { prefix: 'shop:' } }, 'session_control.prefix is an unknown key'],
    [{ session_control: { administrators: 'no' } }, 'session_control.administrators must be true or false'],
    ...['', 7].map(prefixProblem('must be a string that is not empty')),
    ...['shop ', 'Shop:', 'shöp:', 'a\nb', 'x'.repeat(65)].map(
      prefixProblem('must be 1 to 64 ASCII characters without spaces and capitals, such as "shop:"'),
    ),
    ...['usr_', 'u', 'cli', 'key_shop:'].map(
      prefixProblem('must not begin an id of the gateway itself: usr_, cli_, key_'),
    ),
    [{ identity: ['cookie'] }, 'identity must be a list of "headers" or "assertion"'],
    [{ headers: { 'X Y': 'sub' } }, 'headers."X Y" must be a header name'],
    [{ headers: { 'X-User': '' } }, `headers.X-User ${TEXT}`],
    [{ headers: { 'X-User': 'sub', x_user: 'sub' } }, 'headers.x_user is written twice'],
    ...[
      'Host',
      'cookie',
      'Set_Cookie',
      'Authorization',
      'Content-Length',
      'Transfer.Encoding',
      'Connection',
      'TE',
      'Proxy-User',
      'X_Forwarded_User',
      'Forwarded',
      'X-Real-IP',
      'X-Request-Id',
      'X-Original-URL',
      'X-HTTP-Method-Override',
      'CF-User',
      'Gatehouse_Subject',
      'Sec-User',
      '__proto__',
    ].map((name): [Env, string] => [
      { headers: { [name]: 'sub' } },
      `headers.${name.includes('.') ? JSON.stringify(name) : name} ${RESERVED}`,
    ]),
    [{ allow_headers: 'X_LEGACY' }, `allow_headers ${TEXTS}`],
    [{ allow_headers: ['X LEGACY'] }, 'allow_headers has "X LEGACY", which is not a header name'],
    [
      { allow_headers: ['X_LEGACY', 'x.legacy'] },
      'allow_headers has "x.legacy", which some servers read as one written before',
    ],
    [
      { headers: { 'X-User-Id': 'sub' }, allow_headers: ['X_User~Id'] },
      'allow_headers has "x_user~id", which some servers read as a header of a route\'s headers',
    ],
    ...[
      'Gatehouse~Subject',
      'gatehouse_anything',
      'X_Forwarded_For',
      'X.Real.IP',
      'REMOTE_USER',
      'X|Accel|Redirect',
      'Content_Length',
      'Content_Type',
      'X_API_KEY',
      'Cookie',
      'Authorization',
      'X_Middleware_Subrequest',
    ].map((name): [Env, string] => [
      { allow_headers: [name] },
      `allow_headers has "${name}", which some servers read as a header that only the gateway may send, or that has a meaning of its own`,
    ]),
    [{ forward_token: 1 }, 'forward_token must be true or false'],
    [{ timeout: '0s' }, 'timeout must be from 1s to 15m'],
    [{ timeout: '16m' }, 'timeout must be from 1s to 15m'],
    [{ allow_in_path: ['%2f'] }, 'allow_in_path must be a list of "%2F", "%5C", ";" or "//"'],
    [{ cors: true }, 'cors must be a table'],
    [{ cors: {} }, 'cors.origins is required'],
    [{ cors: { origins: [] } }, 'cors.origins must not be an empty list'],
    [{ cors: { origins: ['https://app.example.com/'] } }, `cors.origins[0] ${ORIGIN}`],
    [{ cors: { origins: ['*', 'https://app.example.com'] } }, 'cors.origins must have "*" alone'],
    [{ cors: { origins: ['*'], credentials: true } }, 'cors.origins must not have "*" where credentials is true'],
    [{ cors: { origins: ['*'], headers: ['a b'] } }, 'cors.headers must be a list of header names'],
    [{ cors: { origins: ['*'], expose: 'x' } }, `cors.expose ${TEXTS}`],
    [{ cors: { origins: ['*'], max_age: '25h' } }, 'cors.max_age must be from 0s to 24h'],
    [{ cors: { origin: ['*'], origins: ['*'] } }, 'cors.origin is an unknown key; did you mean origins?'],
  ])('%j is refused', (members, problem) => {
    const issuers = [{ ...issuer, subject_prefix: 'idp:' }]
    expect(problems({ ISSUERS: issuers, ROUTES: [{ ...route, ...members }] })).toEqual([`ROUTES[0].${problem}`])
  })

  it.each<[string, Env, readonly string[]]>([
    ['of which there is none', { ROUTES: undefined }, ['ROUTES must have at least one route']],
    ['of which there is none in a list', { ROUTES: [] }, ['ROUTES must have at least one route']],
    ['that is no list', { ROUTES: {} }, ['ROUTES must be a list of tables, written [[vars.ROUTES]]']],
    ['that is no table', { ROUTES: [route, 'x'] }, ['ROUTES[1] must be a table']],
    [
      'in another variable',
      { ROUTES_BILLING: [{ path: 'x', upstream: 'https://x.example.com' }] },
      ['ROUTES_BILLING[0].path must begin with /'],
    ],
  ])('%s is refused', (_title, changes, expected) => {
    expect(problems(changes)).toEqual(expected)
  })
})

describe('a route that signs in', () => {
  const PROBLEM = 'ROUTES[0].unauthenticated must not be "sign-in"'

  it.each<[string, Env]>([
    ['everywhere', {}],
    ['on ISSUER’s host', { host: 'api.example.com' }],
    ['on hosts that ISSUER’s is among', { host: ':name.example.com' }],
    ['where an identity is optional', { access: 'optional' }],
  ])('is good %s', (_, changes) => {
    expect(signsIn(changes)).toEqual([])
  })

  it('is good with a provider alone', () => {
    const PROVIDERS = [{ id: 'corp', issuer: 'https://login.example-idp.com/', client_id: 'x' }]
    expect(signsIn({}, { PROVIDERS })).toEqual([])
  })

  it.each<[Env, string]>([
    [{ host: 'app.example.com' }, "on a host that is not ISSUER's: browsers bring no cookies there"],
    [{ host: ':name.example.org' }, "on a host that is not ISSUER's: browsers bring no cookies there"],
    [{ credentials: ['bearer'] }, 'unless credentials has "cookie": a browser would be sent back and forth'],
    [{ access: 'public' }, 'where access is "public": nobody is asked to sign in'],
  ])('is refused with %j, where a browser would never arrive', (changes, reason) => {
    expect(signsIn(changes)).toEqual([`${PROBLEM} ${reason}`])
  })
})

describe('two routes', () => {
  const TIE = 'ROUTES_B[0] could win the same requests as ROUTES[0]: same host, path and a method in common'

  it.each<[Env, Env]>([
    [{}, {}],
    [{ path: '/a/:x' }, { path: '/A/:y/' }],
    [{ path: '/%61' }, { path: '/a' }],
    [{ methods: ['GET'] }, { methods: ['POST', 'HEAD'] }],
    [{ methods: ['GET'] }, {}],
    [{ host: ':a.example.com' }, { host: ':b.Example.com' }],
  ])('%j and %j are refused, because both could win', (left, right) => {
    expect(tie(left, right)).toEqual([TIE])
  })

  it.each<[Env, Env]>([
    [{ methods: ['GET'] }, { methods: ['POST'] }],
    [{ path: '/a' }, { path: '/a/*' }],
    [{ path: '/:x/b' }, { path: '/a/:x' }],
    [{ host: 'a.example.com' }, {}],
    [{ host: 'a.example.com' }, { host: 'a.example.com.au' }],
  ])('%j and %j live together', (left, right) => {
    expect(tie(left, right)).toEqual([])
  })
})

describe('every problem', () => {
  it('is reported at once, under its own key', () => {
    const changes = {
      ISSUER: 'x',
      TOKENS: { access_ttl: 'x' },
      ROUTES: [{ path: 'x', upstream: 'x', access: 'x', scopes: [], cors: { origins: ['x'] } }],
      ISSUERS: [{ issuer: 'x' }],
    }
    expect(problems(changes).map((problem) => problem.split(' ')[0])).toEqual([
      'ISSUER',
      'TOKENS.access_ttl',
      'ISSUERS[0].issuer',
      'ISSUERS[0].audience',
      'ROUTES[0].path',
      'ROUTES[0].upstream',
      'ROUTES[0].access',
      'ROUTES[0].scopes',
      'ROUTES[0].cors.origins[0]',
    ])
  })

  it('keeps values to itself', () => {
    const upstream = 'https://me:hunter2@origin.example.com'
    expect(problems({ TYPO: 'hunter2', ROUTES: [{ path: '/*', upstream }] }).join()).not.toContain('hunter2')
  })
})

function prefixProblem(problem: string): (prefix: unknown) => [Readonly<Record<string, unknown>>, string] {
  return (prefix) => [{ session_control: { subject_prefix: prefix } }, `session_control.subject_prefix ${problem}`]
}
