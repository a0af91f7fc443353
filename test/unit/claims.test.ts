import { describe, expect, it } from 'vitest'

import type { Issuer } from '../../src/config/config.ts'
import { readIssuerClaims, readOwnClaims } from '../../src/tokens/claims.ts'
import type { Members } from '../support/forge.ts'
import { issuerPayload, ownPayload, refusalOf } from '../support/forge.ts'

const NOW = 1_800_000_000
const CLOCK = { now: NOW, clockSkew: 5 }

const ISSUER: Issuer = {
  key: 'ISSUERS[0]',
  issuer: 'https://idp.test/',
  audience: ['https://gate.test'],
  audienceClaim: 'aud',
  jwksUri: null,
  algorithms: ['ES256'],
  secret: null,
  acceptUntil: null,
  types: ['at+jwt', 'jwt'],
  scopeClaim: 'scope',
  rolesClaim: 'realm_access.roles',
  subjectPrefix: null,
  maxLifetime: 86_400,
}

const parsed = (payload: Members, typ: string | null) => ({
  header: {},
  payload: { ...payload },
  alg: 'ES256',
  kid: 'k',
  typ,
  issuer: String(payload['iss']),
})
const readOwn = (changes: Members = {}, typ: string | null = 'at+jwt') =>
  readOwnClaims(parsed(ownPayload(NOW, changes), typ), 'https://gate.test', CLOCK)
const readOther = (changes: Members = {}, issuer: Partial<Issuer> = {}, typ: string | null = 'at+jwt') =>
  readIssuerClaims(parsed(issuerPayload(NOW, changes), typ), { ...ISSUER, ...issuer }, CLOCK)

/** Claims that both kinds of token are refused for: name, what is wrong, value. */
const BAD_FOR_ALL: readonly (readonly [string, string, unknown])[] = [
  ['exp', 'absent', undefined],
  ['exp', 'a text', String(NOW + 60)],
  ['exp', 'null', null],
  ['exp', 'an array', [NOW + 60]],
  ['exp', 'true', true],
  ['exp', 'a fraction', NOW + 60.5],
  ['exp', 'infinite', Number.POSITIVE_INFINITY],
  ['exp', 'beyond safe integers', 2 ** 53],
  ['exp', 'negative', -1],
  ['iat', 'absent', undefined],
  ['iat', 'a text', String(NOW)],
  ['iat', 'a fraction', NOW - 0.5],
  ['iat', 'negative', -1],
  ['iat', 'in the future', NOW + 6],
  ['nbf', 'in the future', NOW + 6],
  ['nbf', 'a text', String(NOW)],
  ['nbf', 'null', null],
  ['nbf', 'a fraction', NOW - 0.5],
  ['auth_time', 'in the future', NOW + 6],
  ['auth_time', 'a text', String(NOW)],
  ['auth_time', 'null', null],
  ['auth_time', 'a fraction', NOW - 0.5],
  ['aud', 'absent', undefined],
  ['aud', 'null', null],
  ['aud', 'empty', ''],
  ['aud', 'an empty array', []],
  ['aud', 'another', 'https://other.test'],
  ['aud', 'another in an array', ['https://other.test']],
  ['aud', 'nested', [['https://gate.test']]],
  ['aud', 'ours beside a number', ['https://gate.test', 1]],
  ['aud', 'an object', { 'https://gate.test': true }],
  ['aud', 'ours with a slash', 'https://gate.test/'],
  ['aud', 'ours in other letters', 'https://GATE.test'],
  ['sub', 'absent', undefined],
  ['sub', 'null', null],
  ['sub', 'a number', 1],
  ['sub', 'empty', ''],
  ['sub', 'an object', { id: 1 }],
  ['sub', 'half a surrogate pair', 'a\uD800'],
  ['sub', 'with a line break', 'u\r\nX-Role: admin'],
  ['sub', 'with a NUL', 'u\0'],
  ['sub', 'with DEL', 'u\u007F'],
  ['sub', 'with a C1 control', 'u\u0085'],
  ['sub', 'of 256 characters', 'u'.repeat(256)],
  ['scope', 'a number', 1],
  ['scope', 'null', null],
  ['scope', 'an object', {}],
  ['scope', 'an array with a number', ['a', 1]],
  ['scope', 'half a surrogate pair', '\uDC00'],
]

const BAD_FOR_OWN: readonly (readonly [string, string, unknown])[] = [
  ['scope', 'absent', undefined],
  ['scope', 'an array', ['orders:read']],
  ['roles', 'absent', undefined],
  ['roles', 'a text', 'staff'],
  ['roles', 'null', null],
  ['roles', 'with a number', ['staff', 1]],
  ['roles', 'with null', [null]],
  ['roles', 'nested', [['admin']]],
  ['roles', 'an object', { 0: 'staff' }],
  ['amr', 'absent', undefined],
  ['amr', 'a text', 'pwd'],
  ['amr', 'with a number', [1]],
  ['auth_time', 'absent', undefined],
  ['jti', 'absent', undefined],
  ['jti', 'empty', ''],
  ['jti', 'a number', 1],
  ['client_id', 'absent', undefined],
  ['client_id', 'an array', ['gatehouse']],
  ['sid', 'absent', undefined],
  ['sid', 'empty', ''],
  ['sid', 'a number', 1],
  ['ver', 'absent', undefined],
  ['ver', 'a text', '1'],
  ['ver', 'negative', -1],
  ['ver', 'a fraction', 1.5],
  ['ver', 'beyond safe integers', 2 ** 53],
  ['sub', 'with a space', 'u 1'],
  ['sub', 'beyond ASCII', 'usr_é'],
]

describe("the gateway's own claims", () => {
  it('become an identity', () => {
    expect(readOwn()).toEqual({
      issuer: 'https://gate.test',
      subject: 'usr_1',
      issuerSubject: 'usr_1',
      session: 'ses_1',
      scopes: ['orders:read', 'orders:write'],
      roles: ['staff'],
      claims: ownPayload(NOW),
      authTime: NOW - 60,
      expiresAt: NOW + 900,
      version: 1_700_000_000_000,
    })
  })

  it('are all in the identity, custom ones included, and frozen', () => {
    const { claims } = readOwn({ tenant: 'acme' })
    expect(claims['tenant']).toBe('acme')
    expect(Object.isFrozen(claims)).toBe(true)
  })

  it.each([
    ['no scope', { scope: '' }],
    ['no role', { roles: [] }],
    ['the version 0', { ver: 0 }],
    ['audiences', { aud: ['https://other.test', 'https://gate.test'] }],
    ['nbf', { nbf: NOW }],
    ['a subject of 255 characters', { sub: 'u'.repeat(255) }],
    ['nbf within the skew', { nbf: NOW + 5 }],
    ['iat within the skew', { iat: NOW + 5 }],
    ['exp within the skew', { exp: NOW - 4 }],
  ])('may have %s', (_, changes) => {
    expect(readOwn(changes).subject).not.toBe('')
  })

  it('reads no scope as an empty list', () => {
    expect(readOwn({ scope: '' }).scopes).toEqual([])
  })

  it.each([...BAD_FOR_ALL, ...BAD_FOR_OWN])('are refused with %s %s', async (name, _, value) => {
    expect(await refusalOf(() => readOwn({ [name]: value }))).toBe(`invalid_token claim:${name}`)
  })

  it.each([
    ['at the end of the skew', NOW - 5],
    ['long expired', 1],
  ])('are refused %s', async (_, exp) => {
    expect(await refusalOf(() => readOwn({ exp }))).toBe('invalid_token claim:expired')
  })

  it.each([null, 'jwt', 'gatehouse+jwt', 'logout+jwt', 'text/at+jwt'])('are refused under typ %s', async (typ) => {
    expect(await refusalOf(() => readOwn({}, typ))).toBe('invalid_token claim:typ')
  })
})

describe("another issuer's claims", () => {
  it('become an identity without session and version', () => {
    expect(
      readOther({ realm_access: { roles: ['editor'] }, auth_time: NOW - 9, sid: 'ses_1', ver: 9e9 }),
    ).toMatchObject({
      issuer: 'https://idp.test/',
      subject: 'auth0|42',
      session: null,
      scopes: ['openid', 'orders:read'],
      roles: ['editor'],
      authTime: NOW - 9,
      expiresAt: NOW + 3600,
      version: null,
    })
  })

  it('have a subject with the prefix of their issuer, in the claims too', () => {
    expect(readOther({ sub: '42' }, { subjectPrefix: 'idp:' })).toMatchObject({
      subject: 'idp:42',
      issuerSubject: '42',
      claims: { sub: 'idp:42' },
    })
  })

  it.each([
    ['usr_0000000000000000000001', null],
    ['USR_1', null],
    ['cli_1', ''],
    ['Key_1', null],
    ['r_1', 'us'],
    ['x'.repeat(252), 'idp:'],
  ])(
    'are refused with a subject that looks like one of the gateway or is too long: %s after %s',
    async (sub, prefix) => {
      expect(await refusalOf(() => readOther({ sub }, { subjectPrefix: prefix }))).toBe('invalid_token claim:sub')
    },
  )

  it.each(BAD_FOR_ALL)('are refused with %s %s', async (name, _, value) => {
    expect(await refusalOf(() => readOther({ [name]: value }))).toBe(`invalid_token claim:${name}`)
  })

  it('know no sign-in time where none is given', () => {
    expect(readOther().authTime).toBeNull()
  })

  it.each<[string, Members, Partial<Issuer>, readonly string[], readonly string[]]>([
    ['scopes as a text', { scope: ' a  b ' }, {}, ['a', 'b'], []],
    ['scopes as an array', { scope: ['a', 'b'] }, {}, ['a', 'b'], []],
    ['scopes in scp', { scp: ['a'], scope: 'x' }, { scopeClaim: 'scp' }, ['a'], []],
    ['no scopes', { scope: undefined }, {}, [], []],
    ['roles as a text', { scope: '', realm_access: { roles: 'a b' } }, {}, [], ['a', 'b']],
    ['roles with spaces in an array', { scope: '', r: ['Domain Users'] }, { rolesClaim: 'r' }, [], ['Domain Users']],
    [
      'roles of a claim whose name is a URL',
      { scope: '', 'https://example.com/roles': ['a'] },
      { rolesClaim: 'https://example.com/roles' },
      [],
      ['a'],
    ],
    ['no roles', { scope: '' }, {}, [], []],
    ['roles where none are looked for', { scope: '', roles: ['admin'] }, { rolesClaim: null }, [], []],
    ['a path that leads nowhere', { scope: '', realm_access: 'x' }, {}, [], []],
  ])('read %s', (_, changes, issuer, scopes, roles) => {
    expect(readOther(changes, issuer)).toMatchObject({ scopes, roles })
  })

  it.each([
    ['a number', 1],
    ['null', null],
    ['an object', { admin: true }],
    ['an array with null', [null]],
    ['an array with an array', [['admin']]],
    ['an array with a number', ['a', 7]],
    ['half a surrogate pair', ['\uD800']],
  ])('are refused with roles that are %s', async (_, roles) => {
    expect(await refusalOf(() => readOther({ realm_access: { roles } }))).toBe('invalid_token claim:roles')
  })

  it.each([
    ['Unicode', 'Zoë Ångström 😀'],
    ['spaces', 'Domain User'],
    ['255 characters', 'é'.repeat(255)],
  ])('may name a subject with %s', (_, sub) => {
    expect(readOther({ sub }).subject).toBe(sub)
  })

  it.each([
    ['at+jwt', ['at+jwt'], 'passed'],
    ['jwt', ['at+jwt'], 'invalid_token claim:typ'],
    [null, ['at+jwt', 'jwt'], 'invalid_token claim:typ'],
    [null, ['jwt', ''], 'passed'],
    ['jwt', [''], 'invalid_token claim:typ'],
  ])('of typ %s, where %j are accepted: %s', async (typ, types, outcome) => {
    expect(await refusalOf(() => readOther({}, { types }, typ))).toBe(outcome)
  })

  it.each<[Issuer['audienceClaim'], Members, string]>([
    ['client_id', { client_id: 'https://gate.test', aud: 'https://other.test' }, 'passed'],
    ['azp', { azp: 'https://gate.test', aud: undefined }, 'passed'],
    ['azp', { aud: 'https://gate.test' }, 'invalid_token claim:aud'],
    ['aud', { azp: 'https://gate.test', aud: undefined }, 'invalid_token claim:aud'],
  ])('by audience claim %s in %j: %s', async (audienceClaim, changes, outcome) => {
    expect(await refusalOf(() => readOther(changes, { audienceClaim }))).toBe(outcome)
  })

  it('are refused where the issuer is configured for no audience', async () => {
    expect(await refusalOf(() => readOther({}, { audience: [] }))).toBe('invalid_token claim:aud')
  })

  it.each([
    [86_400, 'passed'],
    [86_401, 'invalid_token claim:lifetime'],
  ])('with a life of %i s: %s', async (life, outcome) => {
    expect(await refusalOf(() => readOther({ exp: NOW + life }))).toBe(outcome)
  })

  it.each([
    [NOW + 1, 'passed'],
    [NOW, 'invalid_token claim:accept_until'],
    [NOW - 1, 'invalid_token claim:accept_until'],
  ])('accepted until %i: %s', async (acceptUntil, outcome) => {
    expect(await refusalOf(() => readOther({}, { acceptUntil }))).toBe(outcome)
  })
})

describe('the claims of a client that acts for itself', () => {
  const CLIENT = 'cli_0000000000000000000001'
  const alone = { sub: CLIENT, client_id: CLIENT, sid: undefined, auth_time: undefined, amr: undefined }

  it('are an identity without a session and a sign-in', () => {
    expect(readOwn(alone)).toMatchObject({ subject: CLIENT, session: null, authTime: null, version: 1_700_000_000_000 })
  })

  it.each([
    ['whose subject is another client', { client_id: 'cli_0000000000000000000002' }, 'client_id'],
    ['whose client is the public one', { client_id: 'gatehouse' }, 'client_id'],
    ['with a session', { sid: 'ses_1' }, 'sid'],
    ['with a sign-in', { auth_time: NOW }, 'auth_time'],
    ['with methods of a sign-in', { amr: [] }, 'amr'],
    ['without a version', { ver: undefined }, 'ver'],
    ['of a user', { sub: 'usr_1' }, 'amr'],
    ['of a user who is called like his client', { sub: 'acme', client_id: 'acme', amr: [] }, 'sid'],
  ])('%s are refused', async (_, changes, claim) => {
    expect(await refusalOf(() => readOwn({ ...alone, ...changes }))).toBe(`invalid_token claim:${claim}`)
  })
})
