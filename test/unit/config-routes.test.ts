// The order of routes: in the sorted list the first that fits is the winner.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Route } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { foldSegment } from '../../src/config/pattern.ts'
import { compareRoutes } from '../../src/config/specificity.ts'
import { configEnv, type Env } from '../support/config-env.ts'

function routes(tables: readonly Env[]): readonly Route[] {
  const upstream = 'https://origin.example.com'
  const result = parseConfig(configEnv({ ROUTES: tables.map((table) => ({ upstream, ...table })) }))
  if (result.outcome === 'refused') throw new Error(result.problems.join('\n'))
  return result.config.routes
}

const sortedPaths = (paths: readonly string[]) =>
  routes(paths.map((path) => ({ path }))).map((route) => route.path.source)

describe('routes', () => {
  it('come literal before parameter before end before wildcard, segment by segment', () => {
    const sorted = ['/a/b', '/a/:x/c', '/a/:x', '/a/:x/*', '/a', '/a/*', '/:y/b', '/:y', '/', '/*']
    expect(sortedPaths(sorted.toReversed())).toEqual(sorted)
  })

  it('come literal host before host with parameters before no host', () => {
    const hosts = ['api.example.com', 'www.example.com', 'api.:zone.com', ':tenant.example.com', undefined]
    const tables = hosts.map((host) => ({ path: '/*', host }))
    const narrow = { path: '/a/b/c' }
    const sorted = routes([narrow, ...tables.toReversed()]).map((route) => [route.host?.source, route.path.source])
    expect(sorted).toEqual([
      ['api.example.com', '/*'],
      ['www.example.com', '/*'],
      ['api.:zone.com', '/*'],
      [':tenant.example.com', '/*'],
      [undefined, '/a/b/c'],
      [undefined, '/*'],
    ])
  })

  it('of one shape stand side by side, in the order they were written', () => {
    const tables = [
      { path: '/a/:x', methods: ['POST'] },
      { path: '/b', methods: ['GET'] },
      { path: '/a/:y', methods: ['GET'] },
    ]
    expect(routes(tables).map((route) => route.key)).toEqual(['ROUTES[0]', 'ROUTES[2]', 'ROUTES[1]'])
  })

  it('with a trailing slash or without are one shape', () => {
    const [left, right] = [routes([{ path: '/A/b/' }])[0], routes([{ path: '/a/%62' }])[0]]
    expect(left !== undefined && right !== undefined && compareRoutes(left, right)).toBe(0)
  })

  const segment = fc.constantFrom('a', 'b', ':x', ':y')
  const pattern = fc.tuple(fc.uniqueArray(segment, { maxLength: 3 }), fc.boolean())
  const parsed = pattern.map(
    ([parts, wildcard]) => routes([{ path: `/${[...parts, ...(wildcard ? ['*'] : [])].join('/')}` }])[0],
  )

  it('are in a total order', () => {
    fc.assert(
      fc.property(parsed, parsed, parsed, (a, b, c) => {
        if (a === undefined || b === undefined || c === undefined) return false
        const turned = Math.sign(compareRoutes(a, b)) === -Math.sign(compareRoutes(b, a))
        const chained = !(compareRoutes(a, b) <= 0 && compareRoutes(b, c) <= 0) || compareRoutes(a, c) <= 0
        return turned && chained
      }),
      { numRuns: 300 },
    )
  })
})

describe('a folded segment', () => {
  it.each([
    ['Orders', 'orders'],
    ['%4Frders', 'orders'],
    ['%C3%84', 'ä'],
    ['v1:batch', 'v1:batch'],
  ])('of %s is %s', (text, folded) => {
    expect(foldSegment(text)).toBe(folded)
  })
})
