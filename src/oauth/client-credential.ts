// What a client authenticates by: one method, or none, never a choice between two (RFC 6749 §2.3).

import type { Body } from '../auth/body.ts'
import { decodeUtf8 } from '../json.ts'
import type { RequestHead } from '../request-head.ts'
import { parseToken } from '../tokens/grammar.ts'
import { OAuthError } from './errors.ts'
import { invalidRequest, requireParameter } from './parameters.ts'

export type ClientCredential =
  | { readonly method: 'none'; readonly clientId: string | null }
  | { readonly method: 'secret'; readonly clientId: string; readonly secret: string }
  | { readonly method: 'assertion'; readonly clientId: string; readonly assertion: string }

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * The credential of a request. A client that names itself twice names itself alike.
 * Does NOT verify anything.
 * @throws OAuthError `invalid_request` for more than one method, `invalid_client` for one that cannot be read
 */
export function readClientCredential({ headers }: RequestHead, form: Body): ClientCredential {
  const authorization = headers.get('Authorization')
  const methods = [
    authorization === null ? null : () => readBasic(authorization),
    form['client_secret'] === undefined ? null : () => readPost(form),
    (form['client_assertion'] ?? form['client_assertion_type']) === undefined ? null : () => readAssertion(form),
  ].filter((method) => method !== null)
  if (methods.length > 1) throw invalidRequest('a client authenticates by one method')
  const [read] = methods
  const named = form['client_id'] ?? null
  if (read === undefined) return { method: 'none', clientId: named }
  const credential = read()
  if (named !== null && named !== credential.clientId) throw invalidRequest('client_id is of another client')
  return credential
}

/** RFC 7617 §2, and each half form-encoded (RFC 6749 §2.3.1). Two headers arrive joined by a comma, which base64 has not. */
function readBasic(authorization: string): ClientCredential {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization) ?? []
  const bytes = Buffer.from(encoded ?? '', 'base64')
  const text = decodeUtf8(bytes)
  if (encoded === undefined || text === null || withoutPadding(bytes.toString('base64')) !== withoutPadding(encoded))
    throw unreadable('Authorization is not Basic')
  const colon = text.indexOf(':')
  if (colon < 0) throw unreadable('Basic without a colon')
  return { method: 'secret', clientId: decodeForm(text.slice(0, colon)), secret: decodeForm(text.slice(colon + 1)) }
}

function withoutPadding(base64: string): string {
  return base64.replace(/=+$/, '')
}

function decodeForm(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (cause) {
    throw unreadable('Basic is not form-encoded', cause)
  }
}

function readPost(form: Body): ClientCredential {
  return {
    method: 'secret',
    clientId: requireParameter(form, 'client_id'),
    secret: requireParameter(form, 'client_secret'),
  }
}

/** RFC 7523 §2.2. Whom the assertion says that it is of picks whose keys are tried, and nothing else. */
function readAssertion(form: Body): ClientCredential {
  if (requireParameter(form, 'client_assertion_type') !== ASSERTION_TYPE) throw unreadable('client_assertion_type')
  const assertion = requireParameter(form, 'client_assertion')
  return { method: 'assertion', clientId: issuerOf(assertion), assertion }
}

function issuerOf(assertion: string): string {
  try {
    return parseToken(assertion).issuer
  } catch (cause) {
    throw unreadable('client_assertion', cause)
  }
}

function unreadable(reason: string, cause?: unknown): OAuthError {
  return new OAuthError('invalid_client', { reason, cause })
}
