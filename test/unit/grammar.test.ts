import { describe, expect, it } from 'vitest'

import { parseToken } from '../../src/tokens/grammar.ts'
import { base64url, flipUnusedBits, refusalOf, segment, withSegment } from '../support/forge.ts'

const HEADER = { alg: 'ES256', kid: 'k1', typ: 'at+jwt' }
const PAYLOAD = { iss: 'https://gate.test', sub: 'u' }
const SIGNATURE = base64url(new Uint8Array(64))

const token = (header: string = segment(HEADER), payload: string = segment(PAYLOAD), signature = SIGNATURE) =>
  `${header}.${payload}.${signature}`
const withHeader = (members: Record<string, unknown>) => token(segment({ ...HEADER, ...members }))
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.split('')
const bytes = (...values: number[]) => base64url(Uint8Array.from(values))
/** A payload of so many bytes. */
const payloadOf = (size: number) => segment(`{"iss":"${'x'.repeat(size - 10)}"}`)
/** Makes a JSON text of a length that leaves unused bits in its last character. */
const uneven = (text: string) => (text.length % 3 === 0 ? `${text} ` : text)

describe('parseToken', () => {
  it('reads what a token says, and believes nothing', () => {
    expect(parseToken(token())).toEqual({
      header: HEADER,
      payload: PAYLOAD,
      alg: 'ES256',
      kid: 'k1',
      typ: 'at+jwt',
      issuer: 'https://gate.test',
      signingInput: `${segment(HEADER)}.${segment(PAYLOAD)}`,
      signature: Buffer.alloc(64),
    })
  })

  it('knows no kid and no typ where none is given', () => {
    expect(parseToken(token(segment({ alg: 'ES256' })))).toMatchObject({ kid: null, typ: null })
  })

  it.each([
    ['at+jwt', 'at+jwt'],
    ['AT+JWT', 'at+jwt'],
    ['application/at+jwt', 'at+jwt'],
    ['Application/AT+jwt', 'at+jwt'],
    ['JWT', 'jwt'],
    ['text/at+jwt', 'text/at+jwt'],
    ['application/application/at+jwt', 'application/application/at+jwt'],
    ['application/', 'application/'],
  ])('reads typ %s as %s', (typ, read) => {
    expect(parseToken(withHeader({ typ })).typ).toBe(read)
  })

  it('lets header members pass that change nothing', () => {
    expect(parseToken(withHeader({ x5t: 'abc', cty: 'x', nonce: 'n' })).alg).toBe('ES256')
  })

  it.each([
    ['nothing', '', 'segments'],
    ['one segment', segment(HEADER), 'segments'],
    ['two segments', `${segment(HEADER)}.${segment(PAYLOAD)}`, 'segments'],
    ['four segments', `${token()}.${SIGNATURE}`, 'segments'],
    ['five segments, a JWE', `${token()}.${SIGNATURE}.${SIGNATURE}`, 'segments'],
    ['five segments, some empty', `${token()}..`, 'segments'],
    ['thousands of segments', '.'.repeat(8000), 'segments'],
    ['more than 8192 characters', token(undefined, segment({ ...PAYLOAD, pad: 'x'.repeat(8000) })), 'length'],
    ['JSON serialisation', JSON.stringify({ payload: segment(PAYLOAD), signatures: [] }), 'segments'],
    ['a line break at the end', `${token()}\n`, 'signature'],
    ['a space at the end', `${token()} `, 'signature'],
    ['a space in front', ` ${token()}`, 'header'],
    ['a line break inside the signature', token(undefined, undefined, `AA\nAA`), 'signature'],
    ['an empty signature', token(undefined, undefined, ''), 'signature'],
    ['a padded signature', `${token()}==`, 'signature'],
    ['a padded payload', token(undefined, `${segment(uneven(JSON.stringify(PAYLOAD)))}=`), 'payload'],
    ['a signature in plain base64', token(undefined, undefined, 'ab+/'), 'signature'],
    ['unused bits in the signature', withSegment(token(), 2, flipUnusedBits), 'signature'],
    [
      'unused bits in the payload',
      token(undefined, flipUnusedBits(segment(uneven(JSON.stringify(PAYLOAD))))),
      'payload',
    ],
    ['unused bits in the header', token(flipUnusedBits(segment(uneven(JSON.stringify(HEADER))))), 'header'],
    ['a segment of an impossible length', token(undefined, undefined, 'AAAAA'), 'signature'],
    ['a NUL', token(undefined, undefined, 'AA\0A'), 'signature'],
    ['a letter of another alphabet', token(undefined, undefined, 'AAÄA'), 'signature'],
    ['an empty header', token(''), 'header'],
    ['an empty payload', token(undefined, ''), 'payload'],
    ['a header that is no JSON', token(segment('alg')), 'header'],
    ['a header that is an array', token(segment('[{"alg":"ES256"}]')), 'header'],
    ['a payload that is null', token(undefined, segment('null')), 'payload'],
    ['a payload that is no UTF-8', token(undefined, bytes(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), 'payload'],
    ['a payload with a byte order mark', token(undefined, segment('\uFEFF{"iss":"https://gate.test"}')), 'payload'],
    [
      'a payload 33 levels deep',
      token(undefined, segment(`{"iss":"i","a":${'['.repeat(32)}${']'.repeat(32)}}`)),
      'payload',
    ],
    ['alg twice', token(segment('{"alg":"none","alg":"ES256"}')), 'header'],
    ['alg twice, one escaped', token(segment('{"alg":"ES256","\\u0061lg":"none"}')), 'header'],
    ['exp twice', token(undefined, segment('{"iss":"https://gate.test","exp":1,"exp":2}')), 'payload'],
    ['a nested member twice', token(undefined, segment('{"iss":"i","a":{"b":1,"b":2}}')), 'payload'],
    ['no alg', token(segment({ kid: 'k1' })), 'alg'],
    ['alg as an array', withHeader({ alg: ['ES256'] }), 'alg'],
    ['alg null', withHeader({ alg: null }), 'alg'],
    ['kid a number', withHeader({ kid: 1 }), 'kid'],
    ['kid null', withHeader({ kid: null }), 'kid'],
    ['kid empty', withHeader({ kid: '' }), 'kid'],
    ['kid an array', withHeader({ kid: ['k1'] }), 'kid'],
    ['typ an array', withHeader({ typ: ['at+jwt'] }), 'typ'],
    ['typ null', withHeader({ typ: null }), 'typ'],
    ['typ empty', withHeader({ typ: '' }), 'typ'],
    ['typ with a control character', withHeader({ typ: 'at+jwt\n' }), 'typ'],
    ['no iss', token(undefined, segment({ sub: 'u' })), 'iss'],
    ['iss as an array', token(undefined, segment({ iss: ['https://gate.test'] })), 'iss'],
    ['crit b64', withHeader({ crit: ['b64'], b64: true }), 'crit'],
    ['crit empty', withHeader({ crit: [] }), 'crit'],
    ['b64 alone', withHeader({ b64: false }), 'b64'],
    ['jku', withHeader({ jku: 'https://evil.test/jwks.json' }), 'jku'],
    ['jwk', withHeader({ jwk: { kty: 'EC' } }), 'jwk'],
    ['x5u', withHeader({ x5u: 'https://evil.test/x' }), 'x5u'],
    ['x5c', withHeader({ x5c: [] }), 'x5c'],
    ['zip', withHeader({ zip: 'DEF' }), 'zip'],
  ])('refuses %s', async (_, text, part) => {
    expect(await refusalOf(() => parseToken(text))).toBe(`invalid_token malformed:${part}`)
  })

  it('takes one spelling of the same bytes, whichever its last character', async () => {
    const texts = ['', 'A', 'AA', 'AAA'].flatMap((start) => ALPHABET.map((last) => start + last))
    const verdicts = await Promise.all(
      texts.map((text) => refusalOf(() => parseToken(token(undefined, undefined, text)))),
    )
    const taken = texts.filter((_, index) => verdicts[index] === 'passed')
    expect(taken).toEqual(texts.filter((text) => Buffer.from(text, 'base64url').toString('base64url') === text))
  })

  it('takes a token of 8192 characters and none of more', async () => {
    const signature = base64url(new Uint8Array(65))
    const room = 8192 - token(undefined, '', signature).length
    const longest = token(undefined, payloadOf((room / 4) * 3), signature)
    expect(longest.length).toBe(8192)
    expect(await refusalOf(() => parseToken(longest))).toBe('passed')
    expect(await refusalOf(() => parseToken(`${longest}AAAA`))).toBe('invalid_token malformed:length')
  })
})
