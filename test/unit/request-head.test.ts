import { describe, expect, it } from 'vitest'

import { Denial } from '../../src/denial.ts'
import { enforceSize } from '../../src/request-head.ts'

function codeOf(url: string, headers: Record<string, string>): string | null {
  try {
    enforceSize({ method: 'GET', url, headers: new Headers(headers) })
    return null
  } catch (error) {
    return error instanceof Denial ? error.code : String(error)
  }
}

const URL = 'https://gateway.test/'

describe('the size of a request’s head', () => {
  it.each([
    { what: 'one value of 32 KiB less its name', headers: { a: 'x'.repeat(32 * 1024 - 1) }, code: null },
    { what: 'one value more', headers: { a: 'x'.repeat(32 * 1024) }, code: 'headers_too_large' },
    { what: 'two values', headers: { a: 'x'.repeat(16 * 1024), b: 'x'.repeat(16 * 1024) }, code: 'headers_too_large' },
    { what: 'a header that would be removed', headers: { cf: 'x'.repeat(33 * 1024) }, code: 'headers_too_large' },
  ])('is bounded: $what', ({ headers, code }) => {
    expect(codeOf(URL, headers)).toBe(code)
  })

  it.each([
    { what: 'a URL of 16 KiB', length: 16 * 1024, code: null },
    { what: 'a longer one', length: 16 * 1024 + 1, code: 'headers_too_large' },
  ])('is bounded: $what', ({ length, code }) => {
    expect(codeOf(URL.padEnd(length, 'x'), {})).toBe(code)
  })
})
