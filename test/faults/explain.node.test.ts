// `npm run explain` beside the gateway: of every hostile request that reaches the Worker it tells what the Worker does.

import { describe, expect, it } from 'vitest'

import type { Asked, Explained } from '../../bin/explain/ask.ts'
import { explain } from '../../bin/explain/ask.ts'
import { describeExplained } from '../../bin/explain/report.ts'
import { ISSUER } from '../support/gateway.ts'
import { cookieHeaders, crossSite } from '../support/hostile/cookies.ts'
import { forgedHeaders, misleadingHeaders, preflights } from '../support/hostile/headers.ts'
import { crossings, spellings } from '../support/hostile/paths.ts'
import { canonicalForm } from '../support/hostile/readings.ts'
import { outcomeOf } from '../support/hostile/replies.ts'
import type { Hostile } from '../support/hostile/request.ts'
import { issuersOf, routeOf, routesTo } from '../support/hostile/routes.ts'
import { exchange } from '../support/hostile/socket.ts'
import { brokenTokens, tokenPlaces } from '../support/hostile/tokens.ts'
import { startWorld } from '../support/hostile/world.ts'

const { site, gateway, people } = await startWorld()

const given = {
  toml: {
    d1_databases: [{ binding: 'DB' }],
    kv_namespaces: [{ binding: 'MARKERS' }],
    ratelimits: [{ name: 'SIGN_IN_LIMIT' }],
    vars: {
      ISSUER,
      PASSWORDS: { sign_in: true, sign_up: true },
      ROUTES: routesTo(site.recorders.origins),
      ...issuersOf(ISSUER),
    },
  },
  secrets: { ...gateway.secrets },
  mayFetch: false,
}

/** `null` for bytes that are no request with one head, of which workerd makes what it likes. */
function askedOf(hostile: Hostile): Asked | null {
  const [start = '', ...lines] = hostile.text('0').split('\r\n\r\n')[0]?.split('\r\n') ?? []
  const [, method = '', target = ''] = /^([A-Z]+) (\/[\x21-\x7E]*) HTTP\/1\.1$/.exec(start) ?? []
  const headers = lines.map((line) => /^([A-Za-z0-9_.-]+): ?([\x20-\x7E]*)$/.exec(line))
  const pairs = headers.flatMap((parts) => (parts === null ? [] : [[parts[1] ?? '', parts[2] ?? ''] as const]))
  if (target === '' || target.includes('#') || pairs.length < lines.length) return null
  const hosts = pairs.filter(([name]) => name.toLowerCase() === 'host').map(([, value]) => value)
  return hosts.length === 1 ? { method, target, host: hosts[0] ?? null, headers: pairs } : null
}

/** In the words of the walk: `passed`, or the status and the code. */
function outcomeOfExplained({ steps, status, code }: Explained): string {
  const last = steps.at(-1)?.verdict
  if (last === 'unknown') return 'unknown'
  if (last === 'own') return 'own'
  return code === null ? 'passed' : `${status} ${code}`
}

interface Compared {
  readonly problem: string | null
  readonly outcome: string
}

async function compare(hostile: Hostile): Promise<Compared | null> {
  const asked = askedOf(hostile)
  const result = await exchange(site.port, hostile.text('0'), hostile.isCutOff)
  const [reply] = result.outcome === 'answered' ? result.replies : []
  if (asked === null || reply === undefined) return null
  const real = outcomeOf(reply).replace(/^own .*/, 'own')
  if (/^workerd|^closed/.test(real) || asked.method === 'HEAD') return null
  const explained = await explain(given, asked)
  const told = outcomeOfExplained(explained)
  const refused = explained.steps.find(({ verdict }) => verdict === 'refused')
  const isOneMind = refused === undefined || explained.code === null || refused.says.includes(explained.code)
  const report = describeExplained(explained, asked.method, []).text
  const shown = hostile.credential.secrets.filter((secret) => report.includes(secret))
  const problems = [
    ...(isAgreed(told, real, hostile) ? [] : [`is ${real}, told as ${told}`]),
    ...(isOneMind ? [] : [`steps say ${refused?.says}, the verdict ${explained.code}`]),
    ...(shown.length > 0 ? ['the report shows a secret'] : []),
  ]
  return { outcome: told, problem: problems.length === 0 ? null : `${hostile.name}: ${problems.join('; ')}` }
}

/** What a session cookie alone is worth is D1's to say, and what the gateway's own URLs answer is not asked. */
function isAgreed(told: string, real: string, { credential, target, host }: Hostile): boolean {
  if (told === 'own') return real !== 'passed' && routeOf(canonicalForm(target).split('?')[0] ?? '', host) === 'own'
  return told === real || (told === 'unknown' && credential.name === 'a browser' && real === 'passed')
}

async function agree(all: readonly Hostile[], atLeast: number): Promise<void> {
  const compared: Compared[] = []
  for (const hostile of all) {
    const one = await compare(hostile)
    if (one !== null) compared.push(one)
  }
  expect(compared.flatMap(({ problem }) => problem ?? [])).toEqual([])
  expect(compared.length).toBeGreaterThanOrEqual(atLeast)
}

describe('explain tells what the gateway does', () => {
  it('of a path that two servers read in two ways', () => agree(crossings(people), 40))
  it('of another spelling of a path', () => agree(spellings(people), 10))
  it('of what a request says of itself', () => agree(misleadingHeaders(), 5))
  it('of a header in the name of the gateway', () => agree(forgedHeaders(people), 20))
  it('of a preflight that brings a credential', () => agree(preflights(people), 5))
  it('of a token that is broken, borrowed or made up', async () => agree(await brokenTokens(gateway, people), 40))
  it('of a token in the wrong place, or twice', () => agree(tokenPlaces(people), 10))
  it('of cookies that are forged, doubled or hidden', () => agree(cookieHeaders(people), 20))
  it('of a browser that another site has sent', () => agree(crossSite(people), 5))
})
