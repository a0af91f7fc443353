import { describe, expect, it } from 'vitest'

import { openText, sealText } from '../../src/sealed-text.ts'

const [first, second] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

describe('a sealed text', () => {
  it('opens under any of the keys, for the place that it was sealed for', () => {
    const sealed = sealText([first], 'ses_1', 'a text, ä')
    expect(openText([second, first], 'ses_1', sealed)).toBe('a text, ä')
    expect(sealed).not.toContain('text')
  })

  it('is different each time', () => {
    expect(sealText([first], 'ses_1', 'text')).not.toBe(sealText([first], 'ses_1', 'text'))
  })

  it.each([
    ['another place', (sealed: string) => openText([first], 'ses_2', sealed)],
    ['another key', (sealed: string) => openText([second], 'ses_1', sealed)],
    ['no key', (sealed: string) => openText([], 'ses_1', sealed)],
    ['a changed byte', (sealed: string) => openText([first], 'ses_1', `${sealed.slice(0, -2)}AA`)],
    ['a text cut short', (sealed: string) => openText([first], 'ses_1', sealed.slice(0, 20))],
    ['a text that was never sealed', () => openText([first], 'ses_1', 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln')],
    ['nothing', () => openText([first], 'ses_1', '')],
  ])('does not open with %s', (_, open) => {
    expect(open(sealText([first], 'ses_1', 'text'))).toBeNull()
  })
})
