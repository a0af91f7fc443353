// RFC 3986, Uniform Resource Identifier: what the gateway takes as the same path, and what it leaves alone.
import { describe, expect, it } from 'vitest'

import { canonicalTarget } from '../../src/gateway/path.ts'

const UNRESERVED = Array.from('ABCXYZabcxyz0189-._~')
const SUB_DELIMS_AND_MORE = Array.from("!$&'()*+,=:@")
const NO_PCHAR = Array.from(' "<>[]^`{|}')

describe('RFC 3986', () => {
  it.each(UNRESERVED)('§2.3 and §6.2.2.2: an encoded %s is decoded', (character) => {
    expect(pathOf(`/x${encoded(character)}`)).toBe(`/x${character}`)
  })

  it.each(SUB_DELIMS_AND_MORE)('§2.2: %s and its encoded form are not the same path', (character) => {
    expect(pathOf(`/x${character}`)).toBe(`/x${character}`)
    expect(pathOf(`/x${encoded(character)}`)).toBe(`/x${encoded(character)}`)
  })

  it.each(NO_PCHAR)('§3.3: %j is no pchar and is encoded', (character) => {
    expect(pathOf(`/x${character}`)).toBe(`/x${encoded(character)}`)
  })

  it('§6.2.2.1: the hex digits of an encoding are upper-case', () => {
    expect(pathOf('/%c3%a9%3a')).toBe('/%C3%A9%3A')
  })

  it('§6.2.2.1: the host is lower-case, and the path keeps its case', () => {
    expect(canonicalTarget('http://GW.Example/Path')).toMatchObject({ host: 'gw.example', path: '/Path' })
  })

  it('§6.2.2.3: dot segments are not removed but refused, because removing them changes what was asked for', () => {
    expect(() => pathOf('/a/b/c/./../../g')).toThrow('ambiguous_path')
  })

  it('§3.2.1: userinfo is refused', () => {
    expect(() => canonicalTarget('http://user@gw.example/')).toThrow('ambiguous_path')
  })

  it('§3.2.3: the port plays no part', () => {
    expect(canonicalTarget('http://gw.example:8787/').host).toBe('gw.example')
  })

  it('§3.4: the query begins at the first question mark and is left alone', () => {
    expect(canonicalTarget('http://gw.example/a?b=%7e/?/..')).toMatchObject({ path: '/a', query: '?b=%7e/?/..' })
  })
})

function pathOf(path: string): string {
  return canonicalTarget(`http://gw.example${path}`).path
}

function encoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`
}
