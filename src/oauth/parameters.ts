// The parameters of a request to an OAuth endpoint: a form, each of them once.

import type { Body } from '../auth/body.ts'
import { readForm } from '../auth/body.ts'
import type { Exchange } from '../runtime.ts'
import { OAuthError } from './errors.ts'

/**
 * RFC 6749 §3.2: what came without a value is as if absent, what nobody knows is ignored. A query is refused, because it
 * ends in logs (§2.3.1).
 * @throws Denial `invalid_request`, `too_large`; OAuthError `invalid_request`
 */
export async function readParameters({ request }: Pick<Exchange, 'request'>): Promise<Body> {
  if (request.url.includes('?')) throw invalidRequest('parameters belong into the body')
  const form = await readForm(request)
  return Object.fromEntries(Object.entries(form).filter(([, value]) => value !== ''))
}

/** @throws OAuthError `invalid_request` where the parameter is missing */
export function requireParameter(form: Body, name: string): string {
  const value = form[name]
  if (value === undefined) throw invalidRequest(`${name} is missing`)
  return value
}

/** What a client asks for, each once, or `null`. Nobody has a scope that is none by RFC 6749 §3.3, such as an empty one. */
export function readScopes({ scope }: Body): readonly string[] | null {
  return scope === undefined ? null : [...new Set(scope.split(' '))]
}

export function invalidRequest(description: string): OAuthError {
  return new OAuthError('invalid_request', { reason: description, description })
}
