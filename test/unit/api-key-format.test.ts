// The text of an API key: what scanners find, what a typing error does, and what is never mistaken for one.
import { crc32 } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { sha256, toBase62 } from '../../src/crypto.ts'
import { createKeyId, createKeyText, parseApiKey } from '../../src/keys/format.ts'

/** As docs/api-keys.md gives it to secret scanners. */
const SCANNER = /\bgth_key_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}\b/

describe('an API key', () => {
  it('is what the documented pattern finds in a text, whole', () => {
    const { text } = createKeyText(createKeyId())
    expect(SCANNER.exec(`key = "${text}";`)?.[0]).toBe(text)
  })

  it('names its id and the digest that D1 holds, and nothing of it is its secret', () => {
    const id = createKeyId()
    const { text, digest } = createKeyText(id)
    expect(parseApiKey(text)).toEqual({ id, digest })
    expect(digest).toBe(sha256(text))
  })

  it('ends in the CRC-32 of what stands before it, as any library computes it', () => {
    const { text } = createKeyText(createKeyId())
    expect(text.slice(-6)).toBe(toBase62(crc32(text.slice(0, -6)), 6))
  })

  it('is never made twice', () => {
    const id = createKeyId()
    const texts = Array.from({ length: 100 }, () => createKeyText(id).text)
    expect(new Set(texts).size).toBe(100)
  })

  it('does not survive a typing error in any place', () => {
    const { text } = createKeyText(createKeyId())
    const misspelt = Array.from(
      text,
      (digit, at) => text.slice(0, at) + (digit === 'x' ? 'y' : 'x') + text.slice(at + 1),
    )
    expect(misspelt.map(parseApiKey).filter((key) => key !== null)).toEqual([])
  })

  const { text } = createKeyText(createKeyId())
  it.each([
    ['nothing', ''],
    ['its prefix alone', 'gth_key_'],
    ['one with a blank behind it', `${text} `],
    ['one with a line break behind it', `${text}\n`],
    ['one that is cut off', text.slice(0, -1)],
    ['one in upper case', text.toUpperCase()],
    ['one twice', text + text],
    ['a session token', 'gth_c_ses_AAAAAAAAAAAAAAAAAAAAAA.1.AAAA'],
  ])('is not %s', (_, given) => {
    expect(parseApiKey(given)).toBe(null)
  })
})

describe('toBase62', () => {
  it.each([
    [0, '000000'],
    [61, '00000z'],
    [62, '000010'],
    [0xffffffff, '4gfFC3'],
  ])('%d is %s', (value, digits) => {
    expect(toBase62(value, 6)).toBe(digits)
  })
})
