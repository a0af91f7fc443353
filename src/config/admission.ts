// Which credentials a route looks at, whose, and how it asks whether they were revoked.

import type { CredentialKind, Issuer, Route } from './config.ts'
import { readChoice, readChoices, readSomeTexts, refuse, suggestion, type Table } from './read.ts'

export type Admission = Pick<Route, 'access' | 'acceptsSelf' | 'issuers' | 'credentials' | 'revocation' | 'onOutage'>

export function readAdmission(table: Table, known: readonly Issuer[]): Admission {
  const names = readIssuerNames(table, known)
  const acceptsSelf = names.includes('self')
  const others = names.some((name) => name !== 'self')
  const issuers = known.filter((issuer) => names.includes(issuer.issuer))
  requireSubjectPrefixes(table, issuers, acceptsSelf)
  return {
    access: readChoice(table, 'access', ['required', 'optional', 'public', 'observe']) ?? 'required',
    acceptsSelf,
    issuers,
    credentials: new Set(readCredentials(table, acceptsSelf)),
    ...readRevocation(table, others),
  }
}

function readIssuerNames(table: Table, known: readonly Issuer[]): readonly string[] {
  const names = readSomeTexts(table, 'issuers') ?? ['self']
  const urls = known.map((issuer) => issuer.issuer)
  for (const name of names.filter((each) => each !== 'self' && !urls.includes(each))) {
    refuse(table, 'issuers', `has ${JSON.stringify(name)}, which is no issuer of ISSUERS${suggestion(name, urls)}`)
  }
  return names
}

/** One subject of two issuers would be one user to an upstream that reads `sub` alone. */
function requireSubjectPrefixes(table: Table, issuers: readonly Issuer[], acceptsSelf: boolean): void {
  if (issuers.length + Number(acceptsSelf) < 2) return
  for (const { key } of issuers.filter(({ subjectPrefix }) => subjectPrefix === null))
    table.report(`${key}.subject_prefix`, `is required, because ${table.key} names more than one issuer`)
}

/** Cookies and API keys are of the gateway itself, so where "self" is not accepted they can never count. */
function readCredentials(table: Table, acceptsSelf: boolean): readonly CredentialKind[] {
  const chosen = readChoices(table, 'credentials', ['bearer', 'cookie', 'api-key'])
  if (chosen === null) return acceptsSelf ? ['bearer', 'cookie'] : ['bearer']
  if (chosen.length === 0) refuse(table, 'credentials', 'must not be an empty list')
  for (const kind of chosen.filter((each) => each !== 'bearer' && !acceptsSelf)) {
    refuse(table, 'credentials', `must not have "${kind}" unless issuers has "self"`)
  }
  return chosen
}

function readRevocation(table: Table, others: boolean): Pick<Route, 'revocation' | 'onOutage'> {
  const revocation = readChoice(table, 'revocation', ['expiry', 'marker', 'session']) ?? 'marker'
  const onOutage = readChoice(table, 'on_outage', ['deny', 'allow']) ?? 'deny'
  if (revocation === 'session' && others) {
    refuse(table, 'revocation', 'must not be "session" unless issuers is ["self"]: other issuers have no session here')
  }
  if (revocation === 'session' && onOutage === 'allow') {
    refuse(table, 'on_outage', 'must not be "allow" where revocation is "session"')
  }
  return { revocation, onOutage }
}
