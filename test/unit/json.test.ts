import { describe, expect, it } from 'vitest'

import { decodeUtf8, parseJsonObject } from '../../src/json.ts'

const nested = (levels: number) => '{"a":'.repeat(levels - 1) + '{}' + '}'.repeat(levels - 1)

describe('parseJsonObject', () => {
  it.each([
    ['an empty object', '{}', {}],
    ['white space around', ' {"a" : 1}\n', { a: 1 }],
    ['the same key in two objects', '{"a":{"x":1},"b":{"x":2}}', { a: { x: 1 }, b: { x: 2 } }],
    [
      'the same key in two members of an array',
      '[{"x":1},{"x":1}]'.replace(/^(.*)$/, '{"l":$1}'),
      { l: [{ x: 1 }, { x: 1 }] },
    ],
    ['a value that equals a key', '{"a":"a","b":"a"}', { a: 'a', b: 'a' }],
    ['brackets, colons and quotes inside strings', '{"a":"}]{[\\":","b":"\\\\"}', { a: '}]{[":', b: '\\' }],
    ['a key that looks like JSON', '{"{\\"a\\":1,\\"a\\":2}":1}', { '{"a":1,"a":2}': 1 }],
    ['keys that differ in case', '{"a":1,"A":2}', { a: 1, A: 2 }],
    ['a nested key of the same name as its parent', '{"a":{"a":1}}', { a: { a: 1 } }],
  ])('reads %s', (_, text, value) => {
    expect(parseJsonObject(text)).toEqual(value)
  })

  it.each([
    ['no text', ''],
    ['no JSON', '{a:1}'],
    ['two values', '{}{}'],
    ['an array', '[]'],
    ['null', 'null'],
    ['a string', '"{}"'],
    ['a trailing comma', '{"a":1,}'],
    ['a byte order mark', '\uFEFF{}'],
    ['a raw line break in a string', '{"a":"\n"}'],
    ['the same key twice', '{"a":1,"a":1}'],
    ['the same key twice, white space before the colon', '{"a" :1,"a"\t\r\n :1}'],
    ['the same key twice, one of them escaped', '{"alg":1,"\\u0061lg":2}'],
    ['the same key twice with something between', '{"a":1,"b":{"c":[1,{}]},"a":2}'],
    ['the same key twice, deeper', '{"b":{"a":1,"a":2}}'],
    ['the same key twice in an object in an array', '{"b":[0,{"a":1,"a":2}]}'],
    ['an empty key twice', '{"":1,"":2}'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}'],
    ['the same key twice, a slash escaped', '{"a/b":1,"a\\/b":2}'],
  ])('refuses %s', (_, text) => {
    expect(parseJsonObject(text)).toBeNull()
  })

  it('allows 32 levels and no more', () => {
    expect(parseJsonObject(nested(32))).not.toBeNull()
    expect(parseJsonObject(nested(33))).toBeNull()
    expect(parseJsonObject(`{"a":${'['.repeat(32)}${']'.repeat(32)}}`)).toBeNull()
  })

  it('survives a hostile depth and a hostile length', () => {
    expect(parseJsonObject(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)).toBeNull()
    expect(parseJsonObject(`{"a":${'['.repeat(200_000)}`)).toBeNull()
    expect(parseJsonObject(`{"a":"${'\\"'.repeat(500_000)}"}`)).not.toBeNull()
    expect(parseJsonObject(`{"a":"${'\\'.repeat(500_001)}`)).toBeNull()
  })

  it('gives a key named __proto__ no power', () => {
    const value = parseJsonObject('{"__proto__":{"admin":true}}')
    expect(value?.['admin']).toBeUndefined()
  })
})

describe('decodeUtf8', () => {
  it('reads UTF-8', () => {
    expect(decodeUtf8(new TextEncoder().encode('é€😀'))).toBe('é€😀')
  })

  it('keeps a byte order mark', () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\uFEFFa')
  })

  it.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong form', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a cut-off character', [0xe2, 0x82]],
  ])('refuses %s', (_, bytes) => {
    expect(decodeUtf8(Uint8Array.from(bytes))).toBeNull()
  })
})
