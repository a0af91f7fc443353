import { afterAll, describe, expect, it } from 'vitest'

import { bodies, generatedBodies } from '../support/hostile/bodies.ts'
import { cookieHeaders, crossSite } from '../support/hostile/cookies.ts'
import { headerLines, hosts, lengths, requestLines, sizes } from '../support/hostile/framing.ts'
import { forgedHeaders, generatedHeaders, misleadingHeaders, preflights } from '../support/hostile/headers.ts'
import { crossings, generatedPaths, rawBytes, spellings } from '../support/hostile/paths.ts'
import type { Hostile } from '../support/hostile/request.ts'
import { ROUTE_NAMES } from '../support/hostile/routes.ts'
import { brokenTokens, mutatedTokens, tokenPlaces } from '../support/hostile/tokens.ts'
import { startWalk } from '../support/hostile/walk.ts'
import { startWorld } from '../support/hostile/world.ts'

/** Of everything that is made by chance; another one is tried by naming it. */
const SEED = Number(process.env['HOSTILE_SEED'] ?? 20_260_801)

const { site, gateway, people } = await startWorld()
const walk = startWalk(site)

/** Sends each and fails with what is wrong, request by request. */
async function survive(all: readonly Hostile[]): Promise<void> {
  const problems = await walk.send(all)

  expect(problems, `of ${all.length} requests, made with HOSTILE_SEED=${SEED}`).toEqual([])
}

describe('no request crosses from one route to another', () => {
  it('by a path that two servers read in two ways', () => survive(crossings(people)))
  it('by another spelling of a path', () => survive(spellings(people)))
  it('by any byte in its path or query', () => survive(rawBytes()))
  it('by a path put together by chance', () => survive(generatedPaths(people, SEED, 900)))
  it('by its request line', () => survive(requestLines(people)))
  it('by its host', () => survive(hosts(people)))
  it('by what it says of itself in headers', () => survive(misleadingHeaders()))
})

describe('no upstream is told what the gateway has not said', () => {
  it('by a header in its name, however it is spelt', () => survive(forgedHeaders(people)))
  it('by a bundle of forged headers', () => survive(generatedHeaders(people, SEED, 400)))
  it('by a preflight that brings a credential', () => survive(preflights(people)))
  it('by lines that are no header lines', () => survive(headerLines(people)))
  it('by a request inside a request', () => survive(lengths(people)))
  it('by headers beyond all bounds', () => survive(sizes(people)))
})

describe('nobody is let in', () => {
  it('with a token that is broken, borrowed or made up', async () => survive(await brokenTokens(gateway, people)))
  it('with a good token after one character has changed', () => survive(mutatedTokens(people, SEED, 250)))
  it('with a good token in the wrong place, or twice', () => survive(tokenPlaces(people)))
  it('with cookies that are forged, doubled or hidden', () => survive(cookieHeaders(people)))
  it('by a browser that another site has sent', () => survive(crossSite(people)))
})

describe("the gateway's own URLs", () => {
  it('take no body but a flat object of texts', () => survive(bodies()))
  it('take no body put together by chance', () => survive(generatedBodies(SEED, 200)))
})

describe('after all that', () => {
  it('everybody is served as before', async () => {
    const { user, admin, guest, browser } = people
    const visits = [
      { target: '/orders/1', by: user },
      { target: '/admin/x', by: admin },
      { target: '/legacy/x', by: guest },
      { target: '/cookie/x', by: browser },
    ]

    const answers = await Promise.all(
      visits.map(({ target, by }) =>
        gateway.raw(`GET ${target} HTTP/1.1\r\nHost: gateway.test\r\n${by.lines.join('\r\n')}\r\n\r\n`),
      ),
    )

    expect(answers.map((answer) => answer.slice(0, 12))).toEqual(visits.map(() => 'HTTP/1.1 200'))
  })

  it('every upstream has been reached, by what was allowed to', () => {
    expect([...walk.reached.keys()].toSorted()).toEqual(ROUTE_NAMES.toSorted())
  })

  it('at least 2,000 requests have been sent, none was left without an answer, and none was answered by our 500', () => {
    const outcomes = [...walk.outcomes.keys()]

    expect([...walk.outcomes.values()].reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(2000)
    expect(outcomes).not.toContain('hung')
    expect(outcomes.filter((outcome) => /^(?:own )?5/.test(outcome))).toEqual(['502 upstream_unreachable'])
  })
})

afterAll(() => {
  const counts = [...walk.outcomes].toSorted(([, one], [, other]) => other - one)
  console.log(counts.map(([outcome, each]) => `${String(each).padStart(5)} ${outcome}`).join('\n'))
})
