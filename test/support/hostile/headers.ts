// Header names that would speak for the gateway, in every spelling that some server folds into one.

import * as fc from 'fast-check'

import { pick } from './paths.ts'
import type { Credential, Everybody, Hostile, Outcome } from './request.ts'
import { hostile, NOBODY } from './request.ts'

/** Of the gateway, of its identity, of proxies, of the platform, of one hop only. */
const NAMES = `
  Gatehouse-Subject Gatehouse-Issuer Gatehouse-Session Gatehouse-Scope Gatehouse-Roles Gatehouse-Assertion
  Gatehouse-Control Gatehouse-Transport Gatehouse-Session-Id Gatehouse-New Gatehouse-Access-Token X-User-Id
  X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Uri
  X-Forwarded-User X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Access-Token X-Forwarded-Server X-Forwarded
  Forwarded X-Real-IP True-Client-IP X-Client-IP X-Cluster-Client-IP X-Request-Id X-Original-URL X-Original-URI
  X-Original-Host X-Rewrite-URL X-HTTP-Method X-HTTP-Method-Override X-Method-Override CF-IPCountry CF-Ray
  CF-Access-Jwt-Assertion CF-Visitor CF-EW-Via Proxy Proxy-Authorization Proxy-Connection Keep-Alive TE Trailer
`
  .trim()
  .split(/\s+/)

const SPELLINGS: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toLowerCase(),
  (name) => name.toUpperCase(),
  (name) => name.replaceAll('-', '_'),
  (name) => name.replaceAll('-', '.').toLowerCase(),
  (name) => name.replace('-', '_').toUpperCase(),
  (name) => name.replace(/-([^-]*)$/, '_$1'),
  (name) => Array.from(name, (letter, at) => (at % 2 === 0 ? letter.toLowerCase() : letter.toUpperCase())).join(''),
]

const VALUES = [
  'forged',
  '',
  'forged, forged',
  'forged; forged="forged"',
  '\tforged',
  '\xe9\xfeforged',
  '127.0.0.1, forged',
]

/** Where a header is smuggled: in, beside an identity, past nobody, and into a refusal. */
interface Place {
  readonly target: string
  readonly credential: Credential
  readonly may: readonly Outcome[]
}

function placesOf({ user, admin, guest, browser }: Everybody): readonly Place[] {
  const may = ['passed']
  return [
    { target: '/public/x', credential: NOBODY, may },
    { target: '/orders/1', credential: user, may },
    { target: '/optional/x', credential: NOBODY, may },
    { target: '/optional/x', credential: user, may },
    { target: '/admin/x', credential: admin, may },
    { target: '/t/acme/x', credential: browser, may },
    { target: '/legacy/x', credential: guest, may },
    { target: '/orders/1', credential: NOBODY, may: ['401 credential_required'] },
    { target: '/admin/x', credential: user, may: ['403 insufficient_role'] },
    { target: '/public/x', credential: user, may },
  ]
}

/** CVE-2025-64484, CVE-2026-39998, Kong 3.14, CVE-2024-45410: each name in each spelling, at places in turn. */
export function forgedHeaders(everybody: Everybody): readonly Hostile[] {
  const places = placesOf(everybody)
  return NAMES.flatMap((name, row) =>
    SPELLINGS.map((spell, column) => {
      const value = pick(VALUES, row + column)
      const lines = linesOf(spell(name), value, (row + column) % 4)
      return hostile({ name: `${spell(name)} forged (CVE-2025-64484)`, lines, ...pick(places, row * 3 + column) })
    }),
  )
}

/** Once, twice, beside its plain spelling, or named in `Connection` (CVE-2024-45410, CVE-2025-48865). */
function linesOf(name: string, value: string, way: number): readonly string[] {
  const line = `${name}: ${value}`
  if (way === 1) return [line, `${name}: forged too`]
  if (way === 2) return [line, `${name.toLowerCase().replaceAll(/[_.]/g, '-')}: forged too`]
  if (way === 3)
    return [line, `Connection: keep-alive, ${name.toLowerCase()}, Gatehouse-Subject, x-user-id, X-Forwarded-Host`]
  return [line]
}

/** CVE-2026-40575, CVE-2026-33495: what a proxy says of path, host and method has no part in the decision. */
export function misleadingHeaders(): readonly Hostile[] {
  const paths = [
    'X-Forwarded-Uri',
    'X-Original-URL',
    'X-Original-URI',
    'X-Rewrite-URL',
    'X-Forwarded-Prefix',
    'X-Forwarded-Path',
  ]
  const hosts = ['X-Forwarded-Host', 'X-Original-Host', 'X-Host', 'X-Forwarded-Server', 'Forwarded']
  const others = [
    'X-Forwarded-Proto: https',
    'X-Forwarded-Method: GET',
    'X-HTTP-Method-Override: GET',
    'User-Agent: GoogleHC/1.0',
  ]
  const lines = [
    ...paths.flatMap((name) => ['/public/x', '/auth/health', '/'].map((path) => `${name}: ${path}`)),
    ...hosts.flatMap((name) => ['public.test', 'localhost', 'gateway.test'].map((host) => `${name}: ${host}`)),
    ...others,
  ]
  return lines.flatMap((line) => [
    hostile({ name: `${line} (CVE-2026-40575)`, target: '/admin/x', lines: [line], may: ['401 credential_required'] }),
    hostile({
      name: `${line} (GHSA-5hvv-m4w4-gf6v)`,
      target: '/orders/1',
      method: 'DELETE',
      lines: [line],
      may: ['401 credential_required'],
    }),
  ])
}

/** Fetch §4.8: the browser sends no credential with it, so whoever does gains nothing by it. */
export function preflights(everybody: Everybody): readonly Hostile[] {
  const methods = ['GET', 'DELETE', 'get', 'FOO', '*', '', 'GET, POST', 'TRACE', 'CONNECT']
  const never: readonly Outcome[] = ['405 method_not_allowed']
  return methods.flatMap((asked, row) =>
    ['/admin/x', '/orders/1', '/cookie/x', '/t/globex/x', '/legacy/x', '/optional/x'].map((target, column) => {
      const credential = pick([everybody.admin, everybody.browser, everybody.guest, everybody.user], row + column)
      const lines = [
        'Origin: https://evil.test',
        `Access-Control-Request-Method: ${asked}`,
        'Gatehouse-Subject: forged',
      ]
      const may = asked === 'TRACE' || asked === 'CONNECT' ? never : ['passed']
      return hostile({ name: `a preflight for "${asked}"`, method: 'OPTIONS', target, lines, may, credential })
    }),
  )
}

/** Bundles of several forged headers, in any spelling, order and number. */
export function generatedHeaders(everybody: Everybody, seed: number, count: number): readonly Hostile[] {
  const line = fc
    .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...SPELLINGS), fc.constantFrom(...VALUES), fc.boolean())
    .map(([name, spell, value, isNamed]) => (isNamed ? `Connection: ${spell(name)}` : `${spell(name)}: ${value}`))
  const bundle = fc.tuple(fc.array(line, { minLength: 1, maxLength: 12 }), fc.constantFrom(...placesOf(everybody)))
  return fc
    .sample(bundle, { seed, numRuns: count })
    .map(([lines, place]) => hostile({ name: `forged ${lines.join(' | ')}`, lines, ...place }))
}
