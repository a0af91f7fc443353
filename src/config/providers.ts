// PROVIDERS: OpenID providers that people sign in with.

import type { Provider } from './config.ts'
import { readSafeUrl } from './origin.ts'
import { readMember, readTables, readText, readTexts, refuse, requireMember, type Table } from './read.ts'

/** Every entry that can be used; whatever else is wrong with it is reported. */
export function readProviders(root: Table, own: string): readonly Provider[] {
  const tables = readTables(root, 'PROVIDERS', ['id', 'issuer', 'client_id', 'scopes'])
  const providers = tables.flatMap((table) => readProvider(table, own) ?? [])
  for (const [index, { key, id, issuer, clientId }] of providers.entries()) {
    const earlier = providers.slice(0, index)
    const namesake = earlier.find((other) => other.id === id)
    const twin = earlier.find((other) => other.issuer === issuer && other.clientId === clientId)
    if (namesake !== undefined) root.report(`${key}.id`, `is the same as ${namesake.key}.id`)
    if (twin !== undefined) root.report(`${key}.client_id`, `is the same as ${twin.key}.client_id, at the same issuer`)
  }
  return providers
}

/** The secret of a provider's client: `PROVIDER_MY_IDP_SECRET` of `my-idp`. No two ids have one name. */
export function providerSecretName({ id }: Pick<Provider, 'id'>): string {
  return `PROVIDER_${id.toUpperCase().replaceAll('-', '_')}_SECRET`
}

function readProvider(table: Table, own: string): Provider | null {
  for (const name of ['id', 'issuer', 'client_id']) requireMember(table, name)
  const id = readId(table)
  const issuer = readIssuer(table, own)
  const clientId = readClientId(table)
  const scopes = readScopes(table) ?? ['openid']
  if (id === null || issuer === null || clientId === null) return null
  return { key: table.key, id, issuer, clientId, scopes }
}

/** A part of URLs, of a secret's name and of rows. */
function readId(table: Table): string | null {
  const id = readText(table, 'id')
  if (id === null || /^[a-z0-9-]{1,32}$/.test(id)) return id
  return refuse(table, 'id', 'must be 1 to 32 of the characters a-z, 0-9 and -')
}

/** Kept exactly as written, a trailing slash included: it is compared byte for byte (OpenID Connect Core §3.1.3.7). */
function readIssuer(table: Table, own: string): string | null {
  const issuer = readSafeUrl(table, 'issuer')
  if (issuer?.includes('?') === true) return refuse(table, 'issuer', 'must not have a query')
  return issuer === own ? refuse(table, 'issuer', 'must not be ISSUER') : issuer
}

/** RFC 6749 §A.1. */
function readClientId(table: Table): string | null {
  const clientId = readText(table, 'client_id')
  if (clientId === null || /^[ -~]+$/.test(clientId)) return clientId
  return refuse(table, 'client_id', 'must be printable ASCII')
}

/** RFC 6749 §3.3; without `openid` there is no ID token. */
function readScopes(table: Table): readonly string[] | null {
  if (readMember(table, 'scopes') === undefined) return null
  const scopes = readTexts(table, 'scopes')
  if (scopes === null) return null
  if (!scopes.every((scope) => /^[!#-[\]-~]+$/.test(scope)))
    return refuse(table, 'scopes', 'must be scopes of RFC 6749')
  return scopes.includes('openid') ? scopes : refuse(table, 'scopes', 'must have "openid" among them')
}
