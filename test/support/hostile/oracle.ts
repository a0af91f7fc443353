// What may have reached an upstream, judged by what was sent and not by what the gateway made of it.

import type { JWTPayload, JWTVerifyGetKey } from 'jose'
import { jwtVerify } from 'jose'

import { canonicalForm, readingsOf } from './readings.ts'
import type { Arrival } from './recorder.ts'
import type { Credential, Hostile, Who } from './request.ts'
import { OPEN, routeOf, segmentsOf } from './routes.ts'

/** What all arrivals are judged with. */
export interface Bench {
  readonly issuer: string
  readonly origins: Readonly<Record<string, string>>
  readonly keys: JWTVerifyGetKey
  /** What assertions said, so that each is verified once. */
  readonly assertions: Map<string, JWTPayload>
}

/** What is wrong with a request that has reached an upstream. */
export async function problemsOfArrival(arrival: Arrival, sent: Hostile, bench: Bench): Promise<readonly string[]> {
  const who = isPreflight(sent) ? null : identityAt(arrival, sent.credential, bench.issuer)
  return [
    ...targetProblems(arrival, sent),
    ...crossings(arrival, sent),
    ...(who === 'nobody may' ? [`nobody with that credential may reach ${arrival.route}`] : []),
    ...headerProblems(arrival, sent, bench),
    ...(await identityProblems(arrival, who === 'nobody may' ? null : who, bench)),
    ...leaks(arrival, sent, who !== null),
  ].map((problem) => `${arrival.route} got ${arrival.target.slice(0, 80)}: ${problem}`)
}

/** Byte for byte what was judged: the canonical form, the method, the body. */
function targetProblems({ target, method, body }: Arrival, sent: Hostile): readonly string[] {
  return [
    target === canonicalForm(sent.target) ? '' : `not ${canonicalForm(sent.target).slice(0, 80)}`,
    method === sent.method ? '' : `by ${method}`,
    sent.body === null || body() === sent.body ? '' : 'another body',
  ].filter((problem) => problem !== '')
}

/** Whatever a server may read in that path belongs to the route whose upstream it is, and to the tenant who asks. */
function crossings(arrival: Arrival, sent: Hostile): readonly string[] {
  const host = judgedHost(arrival)
  const readings = [...readingsOf(arrival.target.split('?')[0] ?? '')]
  const elsewhere = readings.filter((reading) => routeOf(reading, host) !== arrival.route)
  const foreign = readings.filter((reading) => segmentsOf(reading)[1] !== sent.credential.who?.tenant)
  return [
    ...elsewhere.map((reading) => `may be read as ${reading}, of ${routeOf(reading, host)}`),
    ...(arrival.route === 'tenant' && !isPreflight(sent) ? foreign : []).map((reading) => `another tenant: ${reading}`),
    ...(namedHosts(sent).includes(host) ? [] : [`judged as for ${host}`]),
  ]
}

function judgedHost({ headers }: Arrival): string {
  return foldHost(headers.find(([name]) => name === 'X-Forwarded-Host')?.[1] ?? '')
}

/** RFC 9112 §3.2.2: an absolute target names a host as well. */
function namedHosts({ host, target }: Hostile): readonly string[] {
  const [, authority] = /^[a-z]+:\/\/([^/]*)/i.exec(target) ?? []
  return [host, authority ?? host].map(foldHost)
}

function foldHost(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}

/** DESIGN §5.2: where the gateway does not answer it, it goes upstream without an identity. */
function isPreflight({ method, text }: Hostile): boolean {
  const head = text('')
  return method === 'OPTIONS' && /\r\norigin:/i.test(head) && /\r\naccess-control-request-method:/i.test(head)
}

const FOR_ADMINS: ReadonlySet<string> = new Set(['admin', 'inner', 'deep', 'inside'])

/** Whom an upstream of that route must be told of. */
function identityAt({ route }: Arrival, { who, lines }: Credential, issuer: string): Who | null | 'nobody may' {
  if (OPEN.has(route)) return null
  if (who === null) return route === 'optional' ? null : 'nobody may'
  if (who.issuer !== issuer) return route === 'legacy' ? who : 'nobody may'
  if (route === 'legacy') return 'nobody may'
  if (route === 'cookie' && !lines.some((line) => /^cookie:/i.test(line))) return 'nobody may'
  if (FOR_ADMINS.has(route) && !who.roles.includes('admin')) return 'nobody may'
  return who
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[_.]/g, '-')
}

/** A client's own, that mean nothing to a gateway. */
const HARMLESS =
  /^(?:accept|accept-[a-z]+|user-agent|content-type|origin|sec-[a-z-]+|range|if-[a-z-]+|cookie|authorization|access-control-request-[a-z]+|x-ok[0-9]*)$/
const IDENTITY = /^(?:gatehouse-.*|x-user-id)$/

/** Each name is the gateway's, with its value, once, or a harmless one; nothing that was forged is anywhere. */
function headerProblems({ headers, route }: Arrival, sent: Hostile, { origins }: Bench): readonly string[] {
  const own = new Map(
    Object.entries({
      host: exactly(new URL(origins[route] ?? '').host),
      'x-case': /^[0-9]+$/,
      'x-request-id': /^[0-9a-f-]{36}$/,
      'x-forwarded-proto': /^http$/,
      'x-forwarded-host': /^(?:[a-z0-9._-]+|\[[0-9a-f:]+\])(?::[0-9]*)?$/i,
      'x-forwarded-for': exactly(sentAddress(sent) ?? 'no address was sent'),
      'cf-worker': /^gatehouse\.example\.com$/,
      'cache-control': /^no-cache$/,
      pragma: /^no-cache$/,
      'content-length': /^[0-9]+$/,
      'transfer-encoding': /^chunked$/,
    }),
  )
  const names = headers.map(([name]) => fold(name))
  return [
    ...headers.flatMap(([name, value]) =>
      own.get(fold(name))?.test(value) === false ? [`${name}: ${value.slice(0, 80)}`] : [],
    ),
    ...names.filter((name, at) => own.has(name) && names.indexOf(name) !== at).map((name) => `${name} twice`),
    ...names.filter((name) => !own.has(name) && !HARMLESS.test(name) && !IDENTITY.test(name)),
    ...(/forged/i.test(JSON.stringify(headers)) ? ['something forged'] : []),
  ]
}

function exactly(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[^\w]/g, '\\$&')}$`)
}

/** What the platform says of the client, which these tests say themselves. */
function sentAddress({ text }: Hostile): string | undefined {
  return /\r\ncf-connecting-ip: *([^\r]*)/i.exec(text(''))?.[1]
}

/** All of the identity that the credential proves, or nothing. */
async function identityProblems(arrival: Arrival, who: Who | null, bench: Bench): Promise<readonly string[]> {
  const told = arrival.headers.filter(([name]) => IDENTITY.test(fold(name)))
  const plain = told.filter(([name]) => name !== 'Gatehouse-Assertion').map((header) => header.join(': '))
  const assertions = told.filter(([name]) => name === 'Gatehouse-Assertion').map(([, value]) => value)
  const expected = who === null ? [] : headersOf(who, arrival.route)
  if (plain.toSorted().join('\n') !== expected.toSorted().join('\n')) return [`told of ${plain.join(', ') || 'nobody'}`]
  if (assertions.length !== (who === null ? 0 : 1)) return [`${assertions.length} assertions`]
  return who === null ? [] : assertionProblems(assertions.join(), who, arrival.route, bench)
}

function headersOf({ subject, issuer, session, scope, roles }: Who, route: string): readonly string[] {
  return [
    `Gatehouse-Subject: ${encode(subject)}`,
    `Gatehouse-Issuer: ${issuer}`,
    `Gatehouse-Scope: ${scope}`,
    ...(session === null ? [] : [`Gatehouse-Session: ${session}`]),
    ...(roles.length === 0 ? [] : [`Gatehouse-Roles: ${roles.join(',')}`]),
    ...(route === 'orders' ? [`X-User-Id: ${encode(subject)}`] : []),
  ]
}

function encode(subject: string): string {
  return subject.replaceAll('|', '%7C')
}

async function assertionProblems(jwt: string, who: Who, route: string, bench: Bench): Promise<readonly string[]> {
  const { sub, sid, scope, roles, sub_id: subjectId, aud } = await readAssertion(jwt, bench)
  const said = JSON.stringify([sub, sid, scope, roles, subjectId, aud])
  const subject = { format: 'iss_sub', iss: who.issuer, sub: who.subject }
  const audience = `upstream:${bench.origins[route] ?? ''}`
  const roles_ = who.roles.length === 0 ? undefined : who.roles
  const expected = JSON.stringify([who.subject, who.session ?? undefined, who.scope, roles_, subject, audience])
  return said === expected ? [] : [`an assertion of ${said}`]
}

async function readAssertion(jwt: string, { assertions, keys, issuer }: Bench): Promise<JWTPayload> {
  const known = assertions.get(jwt)
  if (known !== undefined) return known
  const { payload } = await jwtVerify(jwt, keys, {
    issuer,
    typ: 'gatehouse+jwt',
    requiredClaims: ['exp', 'iat', 'sub'],
  })
  assertions.set(jwt, payload)
  return payload
}

/** RFC 6265 §4.2.1, whatever the case; before the name is nothing that would make it a longer one. */
export const OUR_COOKIE = /(?:^|[^\w!#$%&'*+.^`|~-])__host-gatehouse_(?:session|access)\s*=/i

/** Our cookies never arrive; a token only where nobody has read it, in the header that it came in. */
function leaks({ headers, route }: Arrival, { credential }: Hostile, isKnown: boolean): readonly string[] {
  const leaked = headers.filter(([name, value]) => {
    const isAuthorization = name.toLowerCase() === 'authorization'
    if (isAuthorization && !isKnown) return !OPEN.has(route) && /^bearer(?:[ \t]|$)/i.test(value)
    return isAuthorization || credential.secrets.some((secret) => value.includes(secret))
  })
  const cookies = headers.filter(([name, value]) => name.toLowerCase() === 'cookie' && OUR_COOKIE.test(value))
  return [...leaked, ...cookies].map(([name]) => `${name} has what is the gateway's alone`)
}
