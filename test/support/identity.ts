// An identity as the verifier would give it, for tests of one step.

import type { Identity } from '../../src/tokens/identity.ts'

/** A user of the gateway at `https://gateway.test`, but for what is named. */
export function identityOf(identity: Partial<Identity> = {}): Identity {
  return {
    issuer: 'https://gateway.test',
    subject: 'usr_1',
    issuerSubject: identity.subject ?? 'usr_1',
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
