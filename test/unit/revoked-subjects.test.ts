// What an isolate remembers of an issuer's revocations: never less than it needs to judge, never more than it may hold.
import { describe, expect, it } from 'vitest'

import type { Revocations } from '../../src/issuers/revoked.ts'
import { createRevokedSubjects } from '../../src/issuers/revoked.ts'

const ISSUER = 'https://idp.example.com/'

function said(version: number, subjects: Readonly<Record<string, number>>, since = 0): Revocations {
  return { version, readAt: version, askedAt: version, since, subjects: new Map(Object.entries(subjects)) }
}

describe('revoked subjects', () => {
  it('are none of version 0, with nothing missing, before anything was said', () => {
    const { version, since, subjects } = createRevokedSubjects().find(ISSUER)
    expect([version, since, subjects.size]).toEqual([0, 0, 0])
  })

  it('are of their issuer only', () => {
    const revoked = createRevokedSubjects()
    revoked.learn(ISSUER, said(1, { ada: 10 }))
    expect(revoked.find('https://other.example.com/').subjects.size).toBe(0)
  })

  it('are added to, and nothing that comes late takes anything back', () => {
    const revoked = createRevokedSubjects()
    revoked.learn(ISSUER, said(2, { ada: 20, bob: 15 }, 12))
    revoked.learn(ISSUER, said(1, { ada: 10, cyd: 9 }, 5))
    const { subjects, ...rest } = revoked.find(ISSUER)
    expect(Object.fromEntries(subjects)).toEqual({ ada: 20, bob: 15, cyd: 9 })
    expect(rest).toEqual({ version: 2, readAt: 2, askedAt: 2, since: 12 })
  })

  it('are the latest where they are too many, and begin after the last that is left out', () => {
    const revoked = createRevokedSubjects(2)
    revoked.learn(ISSUER, said(1, { ada: 10, bob: 20 }))
    expect(revoked.find(ISSUER).since).toBe(0)
    revoked.learn(ISSUER, said(2, { cyd: 30, dan: 5 }))
    const { subjects, since } = revoked.find(ISSUER)
    expect(Object.fromEntries(subjects)).toEqual({ bob: 20, cyd: 30 })
    expect(since).toBe(11)
  })
})
