import { describe, expect, it } from 'vitest'

import type { Route } from '../../src/config/config.ts'
import { identityHeaders } from '../../src/gateway/identity-headers.ts'
import type { Identity } from '../../src/tokens/identity.ts'
import { identityOf } from '../support/identity.ts'
import { routeOf } from '../support/route.ts'

function headersOf(
  identity: Partial<Identity>,
  route: Partial<Pick<Route, 'identity' | 'headers'>> = {},
): Readonly<Record<string, string>> {
  return identityHeaders(identityOf(identity), routeOf('/*', route))
}

describe('the Gatehouse headers', () => {
  it('say who, by whom, in which session, with which scopes and roles', () => {
    const headers = headersOf({ session: 'ses_1', scopes: ['orders:read', 'b'], roles: ['staff', 'admin'] })

    expect(headers).toEqual({
      'Gatehouse-Subject': 'usr_1',
      'Gatehouse-Issuer': 'https://gateway.test',
      'Gatehouse-Session': 'ses_1',
      'Gatehouse-Scope': 'orders:read b',
      'Gatehouse-Roles': 'staff,admin',
    })
  })

  it('are left out where there is nothing to say', () => {
    const headers = headersOf({ session: null, scopes: [], roles: [] })

    expect(Object.keys(headers)).toEqual(['Gatehouse-Subject', 'Gatehouse-Issuer'])
  })

  it('are those of this identity on this route, when they are asked for again too', () => {
    const [one, other] = [identityOf(), identityOf({ subject: 'usr_2' })]
    const [told, untold] = [routeOf('/*'), routeOf('/*', { identity: new Set(['assertion']) })]
    const asked = [
      { identity: one, route: told },
      { identity: one, route: untold },
      { identity: other, route: told },
      { identity: one, route: told },
    ]

    const subjects = asked.map(({ identity, route }) => identityHeaders(identity, route)['Gatehouse-Subject'])

    expect(subjects).toEqual(['usr_1', undefined, 'usr_2', 'usr_1'])
  })

  it('are not sent to a route that takes the assertion only', () => {
    const headers = headersOf(
      { claims: { sub: 'usr_1' } },
      { identity: new Set(['assertion']), headers: [{ name: 'X-User', claim: 'sub' }] },
    )

    expect(headers).toEqual({ 'X-User': 'usr_1' })
  })

  it.each([
    { subject: 'a b', header: 'a%20b' },
    { subject: 'a,b', header: 'a%2Cb' },
    { subject: '100%', header: '100%25' },
    { subject: 'auth0|42', header: 'auth0%7C42' },
    { subject: 'Zoë', header: 'Zo%C3%AB' },
    { subject: '😀', header: '%F0%9F%98%80' },
    { subject: 'a\ud800b', header: 'a%EF%BF%BDb' },
    { subject: 'a\r\nX: y', header: 'a%0D%0AX:%20y' },
    { subject: 'az.AZ_09:/@+-', header: 'az.AZ_09:/@+-' },
    { subject: '!~*\'();=&"', header: '%21%7E%2A%27%28%29%3B%3D%26%22' },
    { subject: '\u0000\u007f', header: '%00%7F' },
  ])('hold a subject as $header', ({ subject, header }) => {
    expect(headersOf({ subject })['Gatehouse-Subject']).toBe(header)
  })

  it('encode each value before they are joined', () => {
    const headers = headersOf({ scopes: ['a b', 'c'], roles: ['x,admin', 'y'] })

    expect(headers).toMatchObject({ 'Gatehouse-Scope': 'a%20b c', 'Gatehouse-Roles': 'x%2Cadmin,y' })
  })
})

describe('a header of the route from a claim', () => {
  it.each([
    { what: 'text', claim: 'acme corp', header: 'acme%20corp' },
    { what: 'a number', claim: 42, header: '42' },
    { what: 'a fraction', claim: -1.5, header: '-1.5' },
    { what: 'a boolean', claim: false, header: 'false' },
    { what: 'an array', claim: ['a,b', 1, true], header: 'a%2Cb,1,true' },
    { what: 'text of nothing', claim: '', header: undefined },
    { what: 'an empty array', claim: [], header: undefined },
    { what: 'null', claim: null, header: undefined },
    { what: 'an object', claim: { toString: 'root' }, header: undefined },
    { what: 'an array with an object', claim: ['a', {}], header: undefined },
    { what: 'an array in an array', claim: [['a']], header: undefined },
    { what: 'an array with null', claim: ['a', null], header: undefined },
    { what: 'a number that lost digits', claim: 2 ** 53, header: undefined },
    { what: 'a number beyond numbers', claim: Infinity, header: undefined },
  ])('says $what, or is not there', ({ claim, header }) => {
    const headers = headersOf({ claims: { tenant: claim } }, { headers: [{ name: 'X-Tenant', claim: 'tenant' }] })

    expect(headers['X-Tenant']).toBe(header)
  })

  it('is not there where the claim is not', () => {
    const headers = headersOf({ claims: {} }, { headers: [{ name: 'X-Tenant', claim: 'constructor' }] })

    expect(Object.keys(headers)).not.toContain('X-Tenant')
  })

  it('may name a path', () => {
    const headers = headersOf({ claims: { org: { id: 7 } } }, { headers: [{ name: 'X-Org', claim: 'org.id' }] })

    expect(headers['X-Org']).toBe('7')
  })
})
