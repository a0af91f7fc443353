// What is one path, what is two, and that the one is forwarded as it was judged.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Denial } from '../../src/denial.ts'
import { canonicalTarget, otherReadings, pathSegments } from '../../src/gateway/path.ts'

/** By the reason that refuses them, so that no rule may hide behind another. */
const HOSTILE: Readonly<Record<string, readonly string[]>> = {
  'dot segment': [
    '/.',
    '/..',
    '/./',
    '/../',
    '/a/.',
    '/a/..',
    '/./admin',
    '/../admin',
    '/public/../admin',
    '/public/./admin',
    '/public/../../etc/passwd',
    '/public/%2e%2e/admin',
    '/public/%2E%2E/admin',
    '/public/%2e./admin',
    '/public/.%2e/admin',
    '/public/.%2E/admin',
    '/public/%2e/admin',
    '/%2e%2e',
    '/%2e',
    '/a/%2e%2e/%2e%2e/b',
    '/a/..;/admin',
    '/a/..;x/admin',
    '/a/..;x=y;z/admin',
    '/a/%2e%2e;/admin',
    '/a/%2e.;jsessionid=1/admin',
    '/a/.;/admin',
    '/a/.;x/admin',
    '/a/..;',
    '/a/..%2Fadmin',
    '/a/..%2fadmin',
    '/a/%2e%2e%2fadmin',
    '/a/.%2Fadmin',
    '/a%2F..%2Fadmin',
    '/a%2F../admin',
    '/a%2F..',
    '/a%2f%2e%2e',
    '/%2F../a',
    '/a/..%5Cadmin',
    '/a/..%5cadmin',
    '/a%5C..%5Cadmin',
    '/a%5c..',
    '/a%5C%2e%2e/admin',
    '/a/;x%2F../admin',
    '/a;x%2F..',
    '/a;x/../admin',
    '/a/..;x%2Fb',
    '/a//../admin',
    '//..',
    '/..//',
    '/a/..%20/admin',
    '/a/..%20%20',
    '/a/.. /admin',
    '/a/.%20;x/admin',
  ],
  backslash: [
    '/\\',
    '/\\evil.example',
    '/a\\b',
    '/public\\..\\admin',
    '/public/..\\admin',
    '/..\\..\\',
    '/a/%2e%2e\\admin',
    '/a\\',
  ],
  'encoded delimiter': [
    '/public/secret%23/endpoint',
    '/a%23',
    '/%23',
    '/a%3Fb',
    '/a%3fb',
    '/private%3F/public',
    '/a%3Bb',
    '/a%3bx=1',
    '/a/..%3B/admin',
    '/a/..%3b/admin',
    '/%3f',
    '/a%2F%3F',
  ],
  'double percent-encoding': [
    '/%252e%252e/admin',
    '/a/%252e%252e/admin',
    '/a/%252E',
    '/a%252Fb',
    '/a%252fb',
    '/a%255Cb',
    '/a%255cb',
    '/a%2523',
    '/public/secret%2523/endpoint',
    '/a%253F',
    '/a%253B',
    '/a%2500',
    '/a%2541',
    '/a%25%32%46b',
    '/a%25%32Fb',
    '/a%252%46b',
    '/a%25252Fb',
    '/a%2525252e',
    '/%25%32%65%25%32%65/admin',
    '/a%25%35%43b',
    '/a%25c0%25af',
    '/a%25u002e',
    '/a%25u2216b',
  ],
  'malformed percent-encoding': [
    '/%',
    '/a%',
    '/a%2',
    '/%zz',
    '/a%g0',
    '/a%0g',
    '/a% 20',
    '/a%-1',
    '/a%u002e',
    '/%u002e%u002e/admin',
    '/a%u2215b',
    '/a%%32%66b',
    '/a%%2e',
    '/a%2%66b',
    '/%2 e',
    '/a%x41',
    '/a%+1',
  ],
  'control character': [
    '/a%00',
    '/%00',
    '/a%00.json',
    '/admin%00/x',
    '/a%01',
    '/a%08b',
    '/a%09b',
    '/%09/evil.example',
    '/a%0Ab',
    '/a%0ab',
    '/a%0D%0AX-Injected:1',
    '/a%0d',
    '/a%1F',
    '/a%1b[0m',
    '/a%7F',
    '/a%7f',
    '/a%C2%80',
    '/a%C2%85b',
    '/a%c2%9f',
    '/a\tb',
    '/a\nb',
    '/a\rb',
    '/a\0b',
    '/a\x7Fb',
    '/a\x1Fb',
    '/a%2F%00',
  ],
  'byte above 0x7F': ['/é', '/a\u0080', '/\u2215', '/ａdmin', '/\u212Aeys', '/a\uFF0Fb', '/a\u00A0', '/😀'],
  'invalid UTF-8': [
    '/%C0%AF',
    '/%c0%ae%c0%ae/admin',
    '/%C0%80',
    '/%C1%9C',
    '/%E0%80%AF',
    '/%e0%80%ae',
    '/%F0%80%80%AF',
    '/%FE',
    '/%FF',
    '/a%80',
    '/a%BF',
    '/a%C3',
    '/a%C3/%A9',
    '/a%E2%82',
    '/%ED%A0%80',
    '/%ED%BF%BF',
    '/%F4%90%80%80',
    '/%F8%88%80%80%80',
    '/a%C3%28',
    '/a%E2%2F%80',
  ],
  fragment: ['/#', '/a#b', '/public#/../admin', '/a/#x'],
  query: ['/a?b#c', '/a?#', '/a?b\tc', '/a?b\nc', '/a?\0', '/a?é', '/a?b ', '/a?\u2028'],
  'no path': [''],
}

const HOSTILE_AUTHORITIES = [
  'http://user@gw.example/a',
  `http://${'a'.repeat(255)}.example/a`,
  `http://gw.example:${'0'.repeat(300)}/a`,
  'http://gw.example@evil.example/a',
  'http://user:secret@gw.example/a',
  'http://@gw.example/a',
  'http:///a',
  'http://:80/a',
  'http://./a',
  'http://gw.example../a',
  'http://gw..example/a',
  'http://.gw.example/a',
  'http://gw%2eexample/a',
  'http://gw.example%00/a',
  'http://gw.example:8o/a',
  'http://gw.example:80:80/a',
  'http://gw.example,evil.example/a',
  'http://gw.example evil.example/a',
  'http://gw.example\t/a',
  'http://gw.example\\/a',
  'http://gw.example?x/a',
  'http://gw.example#x/a',
  'http://\u212Aeys.example/a',
  'gw.example/a',
  '/a',
  'http:/a',
  '',
]

const SAME = [
  ['/', '/', []],
  ['/a', '/a', ['a']],
  ['/a/', '/a/', ['a']],
  ['/Orders/7', '/Orders/7', ['orders', '7']],
  ['/%61dmin', '/admin', ['admin']],
  ['/%41dmin', '/Admin', ['admin']],
  ['/a%2Db%5f%7E%2ec', '/a-b_~.c', ['a-b_~.c']],
  ['/a%3ab', '/a%3Ab', ['a:b']],
  ['/a:b', '/a:b', ['a:b']],
  ['/a%21', '/a%21', ['a!']],
  ["/!$&'()*+,=:@", "/!$&'()*+,=:@", ["!$&'()*+,=:@"]],
  ['/a b', '/a%20b', ['a b']],
  ['/a%20b', '/a%20b', ['a b']],
  ['/a[0]|^{x}"<>`', '/a%5B0%5D%7C%5E%7Bx%7D%22%3C%3E%60', ['a[0]|^{x}"<>`']],
  ['/caf%c3%a9', '/caf%C3%A9', ['café']],
  ['/%C3%89', '/%C3%89', ['é']],
  ['/100%25', '/100%25', ['100%']],
  ['/100%25/x', '/100%25/x', ['100%', 'x']],
  ['/a%25zz', '/a%25zz', ['a%zz']],
  ['/.well-known/jwks.json', '/.well-known/jwks.json', ['.well-known', 'jwks.json']],
  ['/...', '/...', ['...']],
  ['/..a', '/..a', ['..a']],
  ['/a..', '/a..', ['a..']],
  ['/.a/b.', '/.a/b.', ['.a', 'b.']],
  ['/__proto__', '/__proto__', ['__proto__']],
] as const

const ODD = [
  ['/a%2Fb', ['%2F'], ['a%2fb']],
  ['/A%2fB', ['%2F'], ['a%2fb']],
  ['/a%5cb', ['%5C'], ['a%5cb']],
  ['/a;b=c/d', [';'], ['a;b=c', 'd']],
  ['//a', ['//'], ['', 'a']],
  ['//', ['//'], ['']],
  ['/a//b', ['//'], ['a', '', 'b']],
  ['/a//', ['//'], ['a', '']],
  ['/a;x%2F%5C//', ['%2F', '%5C', ';', '//'], ['a;x%2f%5c', '']],
] as const

describe('a hostile path', () => {
  const rows = Object.entries(HOSTILE).flatMap(([reason, paths]) => paths.map((path) => [path, reason] as const))

  it('comes in more than 120 spellings here', () => {
    expect(new Set(rows.map(([path]) => path)).size).toBeGreaterThan(120)
  })

  it.each(rows)('%j is refused: %s', (path, reason) => {
    expect(refusal(`http://gw.example${path}`)).toEqual({ code: 'ambiguous_path', reason })
  })

  it.each(rows.filter(([, reason]) => reason !== 'query' && reason !== 'no path'))(
    '%j is refused behind an innocent prefix as well: %s',
    (path, reason) => {
      expect(refusal(`https://gw.example/x${path}`)).toEqual({ code: 'ambiguous_path', reason })
    },
  )
})

describe('the authority of a URL', () => {
  it.each(HOSTILE_AUTHORITIES)('is refused in %j', (url) => {
    expect(refusal(url)?.code).toBe('ambiguous_path')
  })

  it.each([
    ['http://GW.example.:99/x', 'gw.example'],
    ['https://gw.example/x', 'gw.example'],
    ['HTTP://gw.example:8787/x', 'gw.example'],
    ['http://gw.example:/x', 'gw.example'],
    ['http://localhost:8787/', 'localhost'],
    ['http://127.0.0.1:1/', '127.0.0.1'],
    ['http://[::1]:8787/', '[::1]'],
    ['http://[::1]/', '[::1]'],
    ['http://xn--bcher-kva.example/', 'xn--bcher-kva.example'],
  ])('of %s names the host %s', (url, host) => {
    expect(canonicalTarget(url).host).toBe(host)
  })
})

describe('an accepted path', () => {
  it.each(SAME)('%s is forwarded as %s and matched as %j', (sent, path, segments) => {
    expect(canonicalTarget(`http://gw.example${sent}`)).toEqual({
      host: 'gw.example',
      authority: 'gw.example',
      path,
      query: '',
      segments,
      oddities: new Set(),
    })
  })

  it.each(['', '?', '?a=b', '?a=%2e%2E/../\\;//"<[]{}|^`', '?a=b?c=d', '?%zz', '?a=/status'])(
    'keeps its query %j byte for byte',
    (query) => {
      expect(canonicalTarget(`http://gw.example/a${query}`)).toMatchObject({ path: '/a', query, segments: ['a'] })
    },
  )

  it('does not depend on what the query says', () => {
    expect(canonicalTarget('http://gw.example/api/private?x=/status').segments).toEqual(['api', 'private'])
  })
})

describe('an oddity', () => {
  it.each(ODD)('in %s is recorded as %j and matched as %j', (path, oddities, segments) => {
    const target = canonicalTarget(`http://gw.example${path}`)

    expect([...target.oddities]).toEqual(oddities)
    expect(target.segments).toEqual(segments)
  })

  it('cannot be written as text that folds to the same', () => {
    expect(refusal('http://gw.example/a%252fb')?.code).toBe('ambiguous_path')
  })
})

describe('the other readings of a path', () => {
  it.each([
    ['/a/b', []],
    ['/a%2Fb', ['/a/b']],
    ['/a%5Cb', ['/a/b']],
    ['/a;x/b', ['/a/b']],
    ['/a//b', ['/a/b']],
    ['/a;/b', ['/a/b']],
    ['//a', ['/a']],
    ['/a%2F%2Fb', ['/a//b', '/a/b']],
    ['/a/%2Fb', ['/a//b', '/a/b']],
    ['/a;x%2Fb', ['/a', '/a/b', '/a;x/b']],
    ['/a%2F;x', ['/a%2F', '/a/', '/a/;x']],
    ['/a%2Fb%5Cc', ['/a%2Fb/c', '/a/b%5Cc', '/a/b/c']],
  ])('of %s are %j', (path, readings) => {
    const found = otherReadings(canonicalTarget(`http://gw.example${path}`))

    expect(found.map((reading) => reading.path).toSorted()).toEqual(readings)
  })

  it('are folded like the path itself', () => {
    const [reading] = otherReadings(canonicalTarget('http://gw.example/A%2FB%3a'))

    expect(reading?.segments).toEqual(['a', 'b:'])
  })
})

describe('the segments of a path', () => {
  it.each([
    ['/', []],
    ['/a', ['a']],
    ['/a/', ['a']],
    ['//', ['']],
    ['/a//', ['a', '']],
    ['/A/%2F', ['A', '%2F']],
  ])('%s are %j', (path, segments) => {
    expect(pathSegments(path)).toEqual(segments)
  })
})

describe('of any path', { timeout: 30_000 }, () => {
  it('the canonical form is its own canonical form', () => {
    fc.assert(
      fc.property(anyPath(), (sent) => {
        const first = accepted(sent)
        fc.pre(first !== null)
        expect(canonicalTarget(`http://gw.example${first.path}${first.query}`)).toEqual(first)
      }),
      { numRuns: 500 },
    )
  })

  it('what is accepted is what `fetch` would send, byte for byte', () => {
    fc.assert(
      fc.property(anyPath(), (sent) => {
        const target = accepted(sent)
        fc.pre(target !== null)
        expect(new URL(`https://origin.example${target.path}`).pathname).toBe(target.path)
        expect(new Request(`https://origin.example${target.path}`).url).toBe(`https://origin.example${target.path}`)
      }),
      { numRuns: 500 },
    )
  })

  it('nothing is thrown but a denial', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect([undefined, 'ambiguous_path']).toContain(refusal(`http://gw.example/${text}`)?.code)
        expect([undefined, 'ambiguous_path']).toContain(refusal(text)?.code)
      }),
      { numRuns: 500 },
    )
  })

  it('no accepted one reads as dots, a control character or another path when it is decoded again', () => {
    fc.assert(
      fc.property(anyPath(), (sent) => {
        const target = accepted(sent)
        fc.pre(target !== null)
        const decoded = decodeURIComponent(target.path)
        expect(decoded).not.toMatch(/\p{Cc}|#|\?/u)
        expect(decoded.split(/[/\\]/)).not.toContain('..')
        expect(decoded.replaceAll(/%[0-9a-f]{2}/gi, '')).toBe(decoded)
      }),
      { numRuns: 500 },
    )
  })

  it('encoding any of its characters, and the case of any, change nothing of what is matched', () => {
    fc.assert(
      fc.property(plainText(), fc.infiniteStream(fc.integer({ min: 0, max: 4 })), (text, choices) => {
        const path = `/p/${text}/q`
        const respelt = Array.from(path, (character) => spell(character, choices.next().value)).join('')
        const [one, other] = [accepted(path), accepted(respelt)]
        expect(one?.segments).toBeDefined()
        expect(other?.segments).toEqual(one?.segments)
      }),
      { numRuns: 500 },
    )
  })

  it('the fast way gives what the slow way gives', () => {
    fc.assert(
      fc.property(plainWords(), (words) => {
        const path = `/${words.join('/')}`
        const slow = accepted(path.replace(/[A-Za-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`))
        expect(accepted(path)).toEqual(slow)
      }),
    )
  })
})

/** Pieces from which both hostile and harmless paths are made. */
function anyPath(): fc.Arbitrary<string> {
  const pieces = ['/', '//', '.', '..', '%2e', '%2F', '%5c', ';', '%3b', '\\', '%', '%25', '2', 'f', 'A', 'b', '~', '!']
  const more = ['%41', '%c3%a9', '%C3', '%00', '%7e', ' ', '"', '[', '|', '^', '`', '{', ':', '@', '%3A', '#', '?', 'é']
  return fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 8 }).map((parts) => `/${parts.join('')}`)
}

function plainText(): fc.Arbitrary<string> {
  const text = fc.string({ unit: 'grapheme-ascii', minLength: 1 }).map((value) => value.replaceAll(/[\\/;?#%]/g, ''))
  return text.filter((value) => value !== '' && !/^\.{1,2} *$/.test(value))
}

function plainWords(): fc.Arbitrary<string[]> {
  return fc.array(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_~.-]{0,5}$/), { minLength: 1 })
}

function spell(character: string, choice: number): string {
  if (character === '/') return character
  const hex = character.charCodeAt(0).toString(16).padStart(2, '0')
  const spellings = [character, character.toUpperCase(), character.toLowerCase(), `%${hex}`, `%${hex.toUpperCase()}`]
  return spellings[choice] ?? character
}

function accepted(path: string) {
  try {
    return canonicalTarget(`http://gw.example${path}`)
  } catch {
    return null
  }
}

function refusal(url: string): { code: string; reason: string | undefined } | null {
  try {
    canonicalTarget(url)
    return null
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return { code: error.code, reason: error.details.reason }
  }
}
