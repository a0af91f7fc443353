// A route's `unauthenticated`: whether pages send people to the sign-in page, and whether that would end.

import type { Admission } from './admission.ts'
import type { Config, Route } from './config.ts'
import type { HostPattern } from './pattern.ts'
import { readChoice, refuse, type Table } from './read.ts'
import { coversHost } from './reserved.ts'

/** True where there is a way to sign in with a page. */
export function canSignIn({ passwords, providers }: Pick<Config, 'passwords' | 'providers'>): boolean {
  return passwords.signIn || providers.length > 0
}

export interface SignInPlace {
  readonly issuerHost: string
  readonly canSignIn: boolean
}

/** Whoever comes back signed in must be let in: a browser that brings no cookie here would go round for ever. */
export function readUnauthenticated(
  table: Table,
  { access, credentials }: Pick<Admission, 'access' | 'credentials'>,
  host: HostPattern | null,
  place: SignInPlace,
): Route['unauthenticated'] {
  const unauthenticated = readChoice(table, 'unauthenticated', ['401', 'sign-in']) ?? '401'
  if (unauthenticated === '401') return unauthenticated
  const say = (problem: string): void => void refuse(table, 'unauthenticated', `must not be "sign-in" ${problem}`)
  if (!place.canSignIn) say('where nobody can sign in: PASSWORDS.sign_in is off, and there are no PROVIDERS')
  if (access === 'public') say('where access is "public": nobody is asked to sign in')
  if (!credentials.has('cookie')) say('unless credentials has "cookie": a browser would be sent back and forth')
  if (!coversHost(host, place.issuerHost)) say("on a host that is not ISSUER's: browsers bring no cookies there")
  return unauthenticated
}
