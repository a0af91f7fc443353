import { describe, expect, it } from 'vitest'

import { enforcePolicy } from '../../src/gateway/policy.ts'
import { refusalOf } from '../support/forge.ts'
import { identityOf } from '../support/identity.ts'

const nothing = { scopes: [], roles: [], claims: [], maxAuthAge: null }
const context = { params: {}, now: 1000 }

async function verdict(
  policy: Partial<Parameters<typeof enforcePolicy>[0]>,
  claims: Record<string, unknown>,
  params = {},
) {
  return refusalOf(async () => enforcePolicy({ ...nothing, ...policy }, identityOf({ claims }), { ...context, params }))
}

describe('a claim rule', () => {
  it.each([
    ['the same text', 'acme', { tenant: 'acme' }, 'passed'],
    ['the same number', 7, { tenant: 7 }, 'passed'],
    ['the same truth', true, { tenant: true }, 'passed'],
    ['a number for a text', '7', { tenant: 7 }, 'refused'],
    ['a text for a truth', true, { tenant: 'true' }, 'refused'],
    ['a list that holds it', 'acme', { tenant: ['acme'] }, 'refused'],
    ['another case', 'acme', { tenant: 'ACME' }, 'refused'],
    ['null', 'acme', { tenant: null }, 'refused'],
    ['nothing', 'acme', {}, 'refused'],
    ['what every object inherits', 'acme', Object.create({ tenant: 'acme' }), 'refused'],
  ])('of a value meets %s', async (_, value, claims, expected) => {
    const outcome = await verdict({ claims: [{ claim: 'tenant', value }] }, claims)
    expect(outcome.startsWith('claim_mismatch') ? 'refused' : outcome).toBe(expected)
  })

  it('of a parameter that is not bound is met by nothing, not even by a claim that is not there', async () => {
    const claims = [{ claim: 'tenant', param: 'tenant' }]
    expect(await verdict({ claims }, {})).toMatch(/^claim_mismatch/)
    expect(await verdict({ claims }, { tenant: 'acme' })).toMatch(/^claim_mismatch/)
    expect(await verdict({ claims }, { tenant: 'acme' }, { tenant: 'acme' })).toBe('passed')
  })

  it('reaches into a claim by a path, and prefers a claim of that very name', async () => {
    const rule = { claims: [{ claim: 'realm.tenant', value: 'acme' }] }
    expect(await verdict(rule, { realm: { tenant: 'acme' } })).toBe('passed')
    expect(await verdict(rule, { realm: { tenant: 'acme' }, 'realm.tenant': 'other' })).toMatch(/^claim_mismatch/)
  })
})

describe('max_auth_age', () => {
  it.each([
    [400, 'passed'],
    [399, 'insufficient_user_authentication'],
    [null, 'insufficient_user_authentication'],
  ])('600 at 1000, signed in at %j: %s', async (authTime, expected) => {
    const identity = identityOf({ authTime })
    const outcome = await refusalOf(async () => enforcePolicy({ ...nothing, maxAuthAge: 600 }, identity, context))
    expect(outcome.trim().replace(/ undefined$/, '')).toBe(expected)
  })
})
