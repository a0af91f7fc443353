// Which route wins, what its names are bound to, and where the request goes.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { PathOddity, Route } from '../../src/config/config.ts'
import { Denial } from '../../src/denial.ts'
import { canonicalTarget } from '../../src/gateway/path.ts'
import { compileRoutes, matchRoute, methodsOf, type RouteMatch, upstreamUrl } from '../../src/gateway/route.ts'
import { routeOf } from '../support/route.ts'

const ROUTES = [
  routeOf('/admin/*', { host: 'api.example.com' }),
  routeOf('/orders/*', { host: ':tenant.example.com' }),
  routeOf('/admin'),
  routeOf('/admin/users/*'),
  routeOf('/files/:Name'),
  routeOf('/orders/new', { methods: ['GET', 'HEAD'] }),
  routeOf('/orders/new', { methods: ['POST'], key: 'POST /orders/new' }),
  routeOf('/orders/:id', { methods: ['GET', 'HEAD'] }),
  routeOf('/orders/:order', { methods: ['PUT', 'DELETE'], key: 'PUT /orders/:order' }),
  routeOf('/orders/*'),
  routeOf('/t/:tenant/:Item/*'),
  routeOf('/~a:b!/x'),
]

describe('the winning route', () => {
  const table = compileRoutes(ROUTES)

  it.each([
    ['/orders/*', 'GET', 'http://gw.example/orders'],
    ['/orders/*', 'GET', 'http://gw.example/orders/'],
    ['/orders/*', 'GET', 'http://gw.example/ORDERS'],
    ['/orders/*', 'GET', 'http://gw.example/orders/7/lines'],
    ['/orders/new', 'GET', 'http://gw.example/orders/new'],
    ['/orders/new', 'HEAD', 'http://gw.example/orders/new'],
    ['POST /orders/new', 'POST', 'http://gw.example/orders/new/'],
    ['/orders/new', 'GET', 'http://gw.example/Orders/%4eew'],
    ['/orders/:id', 'GET', 'http://gw.example/orders/newer'],
    ['PUT /orders/:order', 'PUT', 'http://gw.example/orders/7'],
    ['/admin', 'GET', 'http://gw.example/ADMIN/'],
    ['/admin/users/*', 'GET', 'http://gw.example/admin/users'],
    ['api.example.com/admin/*', 'GET', 'http://api.example.com/admin'],
    ['api.example.com/admin/*', 'GET', 'http://API.Example.com.:8080/admin/users/1'],
    ['/files/:Name', 'GET', 'http://api.example.com/files/a'],
    [':tenant.example.com/orders/*', 'GET', 'http://acme.example.com/orders/new'],
    ['/orders/new', 'GET', 'http://a.b.example.com/orders/new'],
    ['/orders/new', 'GET', 'http://example.com/orders/new'],
    ['/orders/new', 'GET', 'http://acme.example.com.evil.example/orders/new'],
    ['/~a:b!/x', 'GET', 'http://gw.example/%7EA%3aB%21/X'],
    ['/~a:b!/x', 'GET', 'http://gw.example/~a:b!/x?y=/orders'],
  ])('%s has %s %s', (key, method, url) => {
    expect(matchRoute(table, canonicalTarget(url), method).route.key).toBe(key)
  })

  it.each([
    'http://gw.example/',
    'http://gw.example/order',
    'http://gw.example/orders7',
    'http://gw.example/admin/user',
    'http://gw.example/files',
    'http://gw.example/files/',
    'http://gw.example/files/a/b',
    'http://gw.example/t/acme',
    'http://gw.example/%2A',
  ])('is none for %s', (url) => {
    expect(refusal(() => matchRoute(table, canonicalTarget(url), 'GET')).code).toBe('no_route')
  })

  it('of `/*` is there for `/` and for everything', () => {
    const everything = compileRoutes([routeOf('/*')])

    expect(find(everything, '/')).toBe('/*')
    expect(find(everything, '/a/b')).toBe('/*')
  })

  it('of `/` is there for `/` alone', () => {
    const root = compileRoutes([routeOf('/')])

    expect(find(root, '/')).toBe('/')
    expect(refusal(() => find(root, '/a')).code).toBe('no_route')
  })
})

describe('a method', () => {
  const table = compileRoutes(ROUTES)

  it.each([
    ['/orders/new', 'PUT', 'GET, HEAD, POST'],
    ['/orders/7', 'POST', 'GET, HEAD, PUT, DELETE'],
    ['/orders/7', 'get', 'GET, HEAD, PUT, DELETE'],
    ['/orders/7', '', 'GET, HEAD, PUT, DELETE'],
  ])('that %s does not know is refused, never passed to a wider route: %s', (path, method, allow) => {
    const denial = refusal(() => find(table, path, method))

    expect(denial.code).toBe('method_not_allowed')
    expect(denial.details.headers).toEqual({ Allow: allow })
  })

  it.each(['TRACE', 'CONNECT'])('%s is refused on every path', (method) => {
    expect(refusal(() => find(table, '/orders', method)).code).toBe('method_not_allowed')
    expect(refusal(() => find(table, '/nowhere', method)).details.headers).toEqual({ Allow: '' })
  })

  it('is any where the route names none', () => {
    expect(find(table, '/orders', 'PROPFIND')).toBe('/orders/*')
    expect(methodsOf(routeOf('/'))).toContain('PATCH')
    expect(methodsOf(routeOf('/', { methods: ['GET'] }))).toEqual(['GET'])
  })
})

describe('a name', () => {
  const table = compileRoutes(ROUTES)

  it.each([
    ['http://gw.example/files/Report%20A%2epdf', { Name: 'Report A.pdf' }],
    ['http://gw.example/files/caf%c3%a9', { Name: 'café' }],
    ['http://gw.example/t/ACME/Seven/x/y', { tenant: 'ACME', Item: 'Seven' }],
    ['http://ACME.example.com/orders/1', { tenant: 'acme' }],
    ['http://gw.example/orders', {}],
  ])('in %s is bound to %j', (url, params) => {
    expect({ ...matchRoute(table, canonicalTarget(url), 'GET').params }).toEqual(params)
  })

  it('is its own route’s where two routes share a shape', () => {
    expect({ ...matchRoute(table, canonicalTarget('http://gw.example/orders/7'), 'PUT').params }).toEqual({
      order: '7',
    })
  })

  it('is never bound to nothing', () => {
    const merging = compileRoutes([routeOf('/t/:tenant/*', { allowInPath: new Set(['//']) })])

    expect(refusal(() => find(merging, '/t//x/y')).code).toBe('ambiguous_path')
    expect(find(merging, '/t/x//y')).toBe('/t/:tenant/*')
  })

  it('reaches no prototype', () => {
    const hostile = compileRoutes([routeOf('/:__proto__/:constructor')])
    const { params } = matchRoute(hostile, canonicalTarget('http://gw.example/a/b'), 'GET')

    expect(params['__proto__']).toBe('a')
    expect(params['constructor']).toBe('b')
    expect(params['toString']).toBeUndefined()
    expect(Object.hasOwn(Object.prototype, 'a')).toBe(false)
  })
})

describe('a path with an oddity', () => {
  it.each([
    ['/files/a%2Fb', ['%2F']],
    ['/files/a%5cb', ['%5C']],
    ['/files/a;v=1/b', [';']],
    ['/files//a', ['//']],
    ['/files/a;v%2Fb//c', [';', '%2F', '//']],
  ] as const)('%s passes where the route opens %j, and nowhere else', (path, oddities) => {
    const others = (['%2F', '%5C', ';', '//'] as const).filter((one) => one !== oddities[0])

    expect(find(compileRoutes([routeOf('/files/*', open(...oddities))]), path)).toBe('/files/*')
    expect(refusal(() => find(compileRoutes([routeOf('/files/*', open(...others))]), path)).code).toBe('ambiguous_path')
    expect(refusal(() => find(compileRoutes([routeOf('/files/*')]), path)).code).toBe('ambiguous_path')
  })

  it('is ambiguous, not unknown, without a route or a method', () => {
    const table = compileRoutes([routeOf('/files/*', { ...open(';'), methods: ['GET'] })])

    expect(refusal(() => find(table, '/other/a;b')).code).toBe('ambiguous_path')
    expect(refusal(() => find(table, '/files/a;b', 'POST')).code).toBe('ambiguous_path')
  })

  it.each([
    ['/files/admin%2Fkeys', '%2F'],
    ['/files%2Fadmin/keys', '%2F'],
    ['/files/ADMIN%2fKEYS', '%2F'],
    ['/files%5Cadmin%5Ckeys', '%5C'],
    ['/files/admin;x/keys', ';'],
    ['/files;x/admin/keys', ';'],
    ['/files//admin/keys', '//'],
    ['//files/admin/keys', '//'],
    ['/files/;x%2F%2Fadmin/keys', '%2F'],
  ] as const)('%s does not smuggle past a stricter route', (path, oddity) => {
    const all = open('%2F', '%5C', ';', '//')
    const table = compileRoutes([routeOf('/files/admin/*'), routeOf('/files/*', all), routeOf('/*', all)])

    expect(path.toUpperCase()).toContain(oddity)
    expect(refusal(() => find(table, path)).code).toBe('ambiguous_path')
  })

  it.each(['/a;b%2Fc', '/a;b%2Fadmin', '/a%2F;x%2Fadmin', '/a%2F%2Fadmin', '/a%5C%2F;x/admin'])(
    '%s is judged in every order of decoding, stripping and merging',
    (path) => {
      const all = open('%2F', '%5C', ';', '//')
      const table = compileRoutes([routeOf('/a/admin'), routeOf('/a/c'), routeOf('/*', all)])

      expect(refusal(() => find(table, path)).code).toBe('ambiguous_path')
    },
  )

  it('binds what the client sent, decoded', () => {
    const table = compileRoutes([routeOf('/projects/:id/*', open('%2F'))])

    expect({ ...match(table, '/projects/Group%2FName/issues').params }).toEqual({ id: 'Group/Name' })
  })

  it('is refused where a claim is compared with a value that another reading binds differently', () => {
    const claims = [{ claim: 'tenant', param: 'tenant' }]
    const table = compileRoutes([routeOf('/t/:tenant/*', { ...open('%2F', ';'), claims })])

    expect(refusal(() => find(table, '/t/acme;x/a')).code).toBe('ambiguous_path')
    expect(refusal(() => find(table, '/t/acme%2Fother/a')).code).toBe('ambiguous_path')
    expect(find(table, '/t/acme/a%2Fb;c')).toBe('/t/:tenant/*')
  })
})

describe('the upstream URL', { timeout: 30_000 }, () => {
  it.each([
    ['/v2', 0, '/orders/7', 'https://origin.example.com/v2/orders/7'],
    ['/v2', 0, '/', 'https://origin.example.com/v2/'],
    ['/v2/', 0, '/orders', 'https://origin.example.com/v2/orders'],
    ['/', 0, '/orders/7/', 'https://origin.example.com/orders/7/'],
    ['/', 0, '/', 'https://origin.example.com/'],
    ['/v2', 1, '/orders', 'https://origin.example.com/v2'],
    ['/v2/', 1, '/orders', 'https://origin.example.com/v2/'],
    ['/v2', 1, '/orders/', 'https://origin.example.com/v2/'],
    ['/v2', 1, '/ORDERS/7', 'https://origin.example.com/v2/7'],
    ['/v2', 2, '/api/orders/7', 'https://origin.example.com/v2/7'],
    ['/', 1, '/orders', 'https://origin.example.com/'],
    ['/', 1, '/orders/', 'https://origin.example.com/'],
    ['/', 1, '/orders//evil.example', 'https://origin.example.com//evil.example'],
    ['/v2', 0, '/a?b=/../c?d', 'https://origin.example.com/v2/a?b=/../c?d'],
    ['/v2', 1, '/orders?q', 'https://origin.example.com/v2?q'],
    ['/v2', 0, '/%61%3a', 'https://origin.example.com/v2/a%3A'],
  ])('behind %s, %i segments stripped, of %s is %s', (path, stripSegments, sent, url) => {
    const route = routeOf('/*', {
      upstream: { origin: 'https://origin.example.com', path, binding: null },
      stripSegments,
    })

    expect(upstreamUrl(route, canonicalTarget(`http://gw.example${sent}`))).toBe(url)
  })

  it('has the configured origin and the path that was judged, whatever is sent', () => {
    fc.assert(
      fc.property(anyUpstream(), anySuffix(), (route, suffix) => {
        const target = accepted(suffix)
        fc.pre(target !== null)
        const url = upstreamUrl(route, target)
        const { origin, pathname, search } = new URL(url)
        expect(origin).toBe(route.upstream.origin)
        expect(url.startsWith(`${route.upstream.origin}/`)).toBe(true)
        expect(`${origin}${pathname}`).toBe(url.slice(0, url.length - target.query.length))
        expect(target.query === '?' ? '?' : search).toBe(target.query)
      }),
      { numRuns: 500 },
    )
  })
})

describe('matching', { timeout: 30_000 }, () => {
  it('finds one route for every spelling of a path', () => {
    const table = compileRoutes(ROUTES)
    const paths = ['/orders/new', '/admin/users/x', '/files/a', '/~a:b!/x', '/t/a/b', '/admin']
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.array(fc.nat(3), { minLength: 20, maxLength: 20 }), (path, choices) => {
        const respelt = Array.from(path, (character, index) => spell(character, choices[index] ?? 0)).join('')
        expect(find(table, respelt)).toBe(find(table, path))
        expect(find(table, `${respelt}/`)).toBe(find(table, path))
      }),
      { numRuns: 500 },
    )
  })
})

function open(...oddities: readonly PathOddity[]) {
  return { allowInPath: new Set(oddities) }
}

function match(table: ReturnType<typeof compileRoutes>, path: string, method = 'GET'): RouteMatch {
  return matchRoute(table, canonicalTarget(`http://gw.example${path}`), method)
}

function find(table: ReturnType<typeof compileRoutes>, path: string, method?: string): string {
  return match(table, path, method).route.key
}

function refusal(run: () => unknown): Denial {
  try {
    run()
  } catch (error) {
    if (error instanceof Denial) return error
    throw error
  }
  throw new Error('nothing was refused')
}

function anyUpstream(): fc.Arbitrary<Route> {
  const origin = fc.constantFrom('https://origin.example.com', 'http://localhost:3000', 'https://[::1]:8443')
  const path = fc.constantFrom('/', '/v2', '/v2/', '/a/b%20c')
  return fc
    .tuple(origin, path, fc.nat(4))
    .map(([one, base, stripSegments]) =>
      routeOf('/*', { upstream: { origin: one, path: base, binding: null }, stripSegments }),
    )
}

/** What would make another origin of the URL if it were ever joined without the slash. */
function anySuffix(): fc.Arbitrary<string> {
  const pieces = [
    '/',
    '//',
    '@evil.example',
    '.evil.example',
    ':80',
    '@',
    'a',
    '%2F',
    '%5C',
    ';',
    '?',
    '?x=',
    '%40',
    '.',
  ]
  return fc
    .array(fc.constantFrom(...pieces, 'evil.example', '%20', '[', '-'), { maxLength: 7 })
    .map((parts) => `/${parts.join('')}`)
}

function accepted(path: string) {
  try {
    return canonicalTarget(`http://gw.example${path}`)
  } catch {
    return null
  }
}

function spell(character: string, choice: number): string {
  if (character === '/') return character
  const hex = character.charCodeAt(0).toString(16)
  return [character, character.toUpperCase(), `%${hex}`, `%${hex.toUpperCase()}`][choice] ?? character
}
