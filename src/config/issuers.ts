// ISSUERS: who else mints tokens that routes may accept.

import { resemblesReservedId } from '../reserved-ids.ts'
import type { Algorithm, Issuer } from './config.ts'
import { parseInstant } from './instant.ts'
import { readSafeUrl } from './origin.ts'
import {
  isWritten,
  readChoice,
  readChoices,
  readDuration,
  readMember,
  readSomeTexts,
  readTables,
  readText,
  refuse,
  requireMember,
  type Table,
} from './read.ts'
import { VARIABLES } from './variables.ts'

/** Every entry whose `issuer` can be used; whatever else is wrong with it is reported. */
export function readIssuers(root: Table, own: string): readonly Issuer[] {
  const tables = readTables(root, 'ISSUERS', MEMBERS)
  const issuers = tables.flatMap((table) => readIssuer(table, own) ?? [])
  for (const [index, { key, issuer }] of issuers.entries()) {
    const earlier = issuers.slice(0, index).find((other) => other.issuer === issuer)
    if (earlier !== undefined) root.report(`${key}.issuer`, `is the same as ${earlier.key}.issuer`)
  }
  refuseSharedPrefixes(root, issuers)
  return issuers
}

/** Of two prefixes, one that begins with the other would let two subjects become one. An empty one is the operator's word. */
function refuseSharedPrefixes(root: Table, issuers: readonly Issuer[]): void {
  const prefixed = issuers.filter(({ subjectPrefix }) => (subjectPrefix ?? '') !== '')
  for (const { key, subjectPrefix: prefix } of prefixed) {
    const other = prefixed.find((each) => each.key !== key && prefix?.startsWith(each.subjectPrefix ?? '') === true)
    if (other !== undefined) root.report(`${key}.subject_prefix`, `must not begin with ${other.key}.subject_prefix`)
  }
}

/** Algorithms with a public key; what an issuer's JWKS may be used with. */
export const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const

const MEMBERS = [
  'issuer',
  'audience',
  'audience_claim',
  'jwks_uri',
  'algorithms',
  'secret',
  'accept_until',
  'types',
  'scope_claim',
  'roles_claim',
  'subject_prefix',
  'max_lifetime',
]
const DAY = 86_400
/** Of an issuer's name: the name of its marker holds it, and KV takes 512 bytes. */
const MAX_BYTES = 400

function readIssuer(table: Table, own: string): Issuer | null {
  const issuer = readIssuerName(table, own)
  requireMember(table, 'audience')
  const rest = {
    audience: readSomeTexts(table, 'audience') ?? [],
    audienceClaim: readChoice(table, 'audience_claim', ['aud', 'client_id', 'azp']) ?? 'aud',
    ...readKeys(table),
    acceptUntil: readInstant(table, 'accept_until'),
    types: readTypes(table) ?? ['at+jwt', 'jwt'],
    scopeClaim: readText(table, 'scope_claim') ?? 'scope',
    rolesClaim: readText(table, 'roles_claim'),
    subjectPrefix: readSubjectPrefix(table),
    maxLifetime: readDuration(table, 'max_lifetime', '1s', '3650d') ?? DAY,
  }
  return issuer === null ? null : { key: table.key, issuer, ...rest }
}

/**
 * Kept exactly as written, a trailing slash included: `iss` is compared byte for byte (RFC 8414 §3.3). Where keys come
 * from it, it is a URL; tokens of a shared secret may name any issuer.
 */
function readIssuerName(table: Table, own: string): string | null {
  requireMember(table, 'issuer')
  const issuer = isWritten(table, 'secret') ? readText(table, 'issuer') : readSafeUrl(table, 'issuer')
  if (issuer?.includes('?') === true) return refuse(table, 'issuer', 'must not have a query')
  if (Buffer.byteLength(issuer ?? '') > MAX_BYTES)
    return refuse(table, 'issuer', `must not be longer than ${MAX_BYTES} bytes`)
  return issuer === own || issuer === 'self'
    ? refuse(table, 'issuer', 'must not be ISSUER, which routes call "self"')
    : issuer
}

/** Characters of a user's id, and never the beginning of an id that the gateway gives itself. */
function readSubjectPrefix(table: Table): string | null {
  const prefix = readMember(table, 'subject_prefix')
  if (prefix === undefined) return null
  if (typeof prefix !== 'string' || !/^[!-~]{0,64}$/.test(prefix))
    return refuse(table, 'subject_prefix', 'must be at most 64 ASCII characters without spaces')
  return resemblesReservedId(prefix)
    ? refuse(table, 'subject_prefix', 'must not begin like an id of the gateway: usr_, cli_ or key_')
    : prefix
}

function readKeys(table: Table): Pick<Issuer, 'jwksUri' | 'algorithms' | 'secret'> {
  if (!isWritten(table, 'secret')) {
    return { secret: null, jwksUri: readSafeUrl(table, 'jwks_uri'), algorithms: readAlgorithms(table) }
  }
  if (isWritten(table, 'jwks_uri')) refuse(table, 'jwks_uri', 'must be left out where secret is written')
  if (!isWritten(table, 'accept_until')) refuse(table, 'accept_until', 'is required where secret is written')
  readChoices(table, 'algorithms', ['HS256'])
  return { secret: readSecretName(table), jwksUri: null, algorithms: ['HS256'] }
}

function readSecretName(table: Table): string | null {
  const name = readText(table, 'secret')
  if (name === null) return null
  const good = /^[A-Za-z][A-Za-z0-9_]*$/.test(name) && !TAKEN.has(name) && !/^PROVIDER_.+_SECRET$/.test(name)
  return good ? name : refuse(table, 'secret', 'must be the name of a Worker secret of its own')
}

const TAKEN = new Set([...VARIABLES, 'SIGNING_KEYS', 'SESSION_KEYS'])

/** `Ed25519` is RFC 9864's name for what RFC 8037 calls `EdDSA`. */
function readAlgorithms(table: Table): readonly Algorithm[] {
  const chosen = readChoices(table, 'algorithms', [...ASYMMETRIC, 'Ed25519'])
  if (chosen === null) return ['RS256', 'ES256', 'EdDSA']
  if (chosen.length === 0) refuse(table, 'algorithms', 'must not be an empty list')
  return [...new Set(chosen.map((algorithm) => (algorithm === 'Ed25519' ? 'EdDSA' : algorithm)))]
}

function readInstant(table: Table, name: string): number | null {
  const value = readMember(table, name)
  if (value === undefined) return null
  const instant = typeof value === 'string' ? parseInstant(value) : null
  return instant ?? refuse(table, name, 'must be a date such as "2027-03-01" or a time such as "2027-03-01T12:00:00Z"')
}

/** `typ` is a media type that may leave `application/` out, and has no case (RFC 7515 §4.1.9). */
function readTypes(table: Table): readonly string[] | null {
  const value = readMember(table, 'types')
  if (value === undefined) return null
  const types = Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
  if (!Array.isArray(value) || types.length !== value.length || types.length === 0) {
    return refuse(table, 'types', 'must be a list of strings that is not empty')
  }
  return types.map((type) => type.toLowerCase().replace(/^application\//, ''))
}
