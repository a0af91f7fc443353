// The gateway's cookies: set so that browsers keep them, read so that none is missed, kept from upstreams.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  accessCookie,
  clearingCookies,
  cookieNames,
  listSignInCookies,
  readCookies,
  readSignInCookie,
  sessionCookie,
  signInCookie,
  setsOurCookie,
  withoutOurCookies,
} from '../../src/auth/cookies.ts'
import { Denial } from '../../src/denial.ts'

const NAMES = cookieNames(false)
const { session: S, access: A, reset: R } = NAMES

describe('the names', () => {
  it('have the host prefix', () => {
    expect(NAMES).toEqual({
      session: '__Host-gatehouse_session',
      access: '__Host-gatehouse_access',
      signIn: '__Host-gatehouse_sign_in_',
      reset: '__Host-gatehouse_reset',
    })
  })

  it('lose it on a localhost without TLS', () => {
    expect(cookieNames(true)).toEqual({
      session: 'gatehouse_session',
      access: 'gatehouse_access',
      signIn: 'gatehouse_sign_in_',
      reset: 'gatehouse_reset',
    })
  })
})

describe('a cookie that is set', () => {
  it('has every attribute that its prefix and its secret ask for', () => {
    expect(sessionCookie(NAMES, 'gth_c_ses_1.7.mac-_', 1209600)).toBe(
      '__Host-gatehouse_session=gth_c_ses_1.7.mac-_; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=1209600',
    )
    expect(accessCookie(NAMES, 'a.b.c', 900)).toBe(
      '__Host-gatehouse_access=a.b.c; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=900',
    )
  })

  it('is not Secure where there is no TLS', () => {
    expect(accessCookie(cookieNames(true), 'a.b.c', 900)).toBe(
      'gatehouse_access=a.b.c; HttpOnly; SameSite=Lax; Path=/; Max-Age=900',
    )
  })

  it.each([true, false])('is deleted with the very attributes that it was set with (insecure: %s)', (insecure) => {
    const names = cookieNames(insecure)

    expect(clearingCookies(names)).toEqual([sessionCookie(names, '', 0), accessCookie(names, '', 0)])
    expect(clearingCookies(names).every((line) => line.endsWith('; Path=/; Max-Age=0'))).toBe(true)
  })

  it('is at most what browsers keep', () => {
    const room = 4096 - accessCookie(NAMES, '', 900).length

    expect(accessCookie(NAMES, 'a'.repeat(room), 900)).toHaveLength(4096)
    expect(() => accessCookie(NAMES, 'a'.repeat(room + 1), 900)).toThrow('larger than browsers keep')
  })

  it.each(['a;b', 'a,b', 'a b', 'a\nb', 'a"b', 'a=b', 'é', 'a\\b'])('never holds %j', (value) => {
    expect(() => sessionCookie(NAMES, value, 1)).toThrow(/^a cookie value has characters that need quoting$/)
  })
})

describe('a Cookie header', { timeout: 30_000 }, () => {
  it.each([
    [null, null, null],
    ['', null, null],
    ['a=1; b=2', null, null],
    [`${S}=x`, 'x', null],
    [`${A}=y`, null, 'y'],
    [`${S}=x; ${A}=y`, 'x', 'y'],
    [`${A}=y;${S}=x`, 'x', 'y'],
    [`a=1; ${S}=x; b=2`, 'x', null],
    [`a=1;\t ${S} = x \t; b=2`, 'x', null],
    [`${S}=`, '', null],
    [`${S}=x=y`, 'x=y', null],
    [`${S}="x"`, '"x"', null],
    [`a=1, b=2; ${S}=x`, 'x', null],
    [`x${S}=1; ${S}2=1; ${S}.old=1`, null, null],
    [S, null, null],
    [`a=${S}`, null, null],
    [`${S.toLowerCase()}=x; ${A.toUpperCase()}=y`, null, null],
    ['gatehouse_session=x; gatehouse_access=y', null, null],
  ])('%j holds session %j and access %j', (header, session, access) => {
    expect(readCookies(header, NAMES)).toEqual({ session, access })
  })

  it.each([
    `${S}=x; ${S}=y`,
    `${S}=x; ${S}=x`,
    `${S}=x;${S}=y`,
    `${S}=x, ${S}=y`,
    `${S}=x,${S}=y`,
    `${A}=x; a=1; ${A}=y`,
    `a=1, ${S}=x`,
    `a=1,${S}=x`,
    `a=1; b=2, ${A}=x`,
    `a=1, b=2, ${S}=x; c=3`,
    `a=1 ${S}=x`,
    `a=1\t${S}=x`,
    `a=1, ${S} =x`,
    `=${S}=x`,
    `a=1; =${S}=x`,
    `a="${S}=x"`,
    `a="1, ${S}=x"`,
    `a=${S}=x`,
    `a=1, =${S}=x`,
    `${S}=x; a=1, ${S}=y`,
    `${S}=x; ${S}`.concat('=; a=1'),
    `${S}=x, a=1`,
    `${A}=y; ${S}=x, a=1; b=2`,
    `(${S}=x`,
    `a:${S}=x`,
  ])('%j is refused', (header) => {
    expect(refusal(() => readCookies(header, NAMES))).toBe('ambiguous_credential')
  })

  it('of a localhost without TLS has the plain names, and not the prefixed ones', () => {
    expect(readCookies(`gatehouse_session=x; ${S}=y`, cookieNames(true))).toEqual({ session: 'x', access: null })
  })

  it('is read where our name stands once, and only then', () => {
    const junk = fc.array(fc.constantFrom(S, `${S}=y`, '=', ';', ',', ' ', '; ', ', ', 'a', '"', '\t'), {
      maxLength: 5,
    })
    fc.assert(
      fc.property(junk, junk, (before, after) => {
        const header = `${before.join('')}${S}=x${after.join('')}`
        const places = header.match(/(?<![\w-])__Host-gatehouse_session\s*=/g) ?? []
        const read = attempt(() => readCookies(header, NAMES).session)
        expect(read === null).toBe(places.length === 0)
        expect(read === 'refused' || places.length < 2).toBe(true)
        expect(read ?? '').toMatch(/^[^;,]*$/)
      }),
      { numRuns: 500 },
    )
  })
})

describe('what the upstream gets of a Cookie header', { timeout: 30_000 }, () => {
  it.each([
    ['a=1; b=2', 'a=1; b=2'],
    ['  a=1 ;b="2, 3";; c', '  a=1 ;b="2, 3";; c'],
    [`${S}=x`, null],
    [`${S}=x; ${A}=y`, null],
    [`${S}=x; a=1`, 'a=1'],
    [`a=1; ${S}=x`, 'a=1'],
    [`a=1; ${S}=x; b= 2 ;c="3"`, 'a=1; b= 2 ;c="3"'],
    [`a=1; ${S.toUpperCase()}=x; b=2`, 'a=1; b=2'],
    [`a=1, ${S}=x; b=2`, 'b=2'],
    [`a=1, ${A.toLowerCase()} =x`, null],
    [`=${S}=x; b=2`, 'b=2'],
    [`${S}=x; ${S}=y; b=2`, 'b=2'],
    [`a="${A}=x"; b=2`, 'b=2'],
    [`a=1; ${R}=x; ${R.toUpperCase()} =y; b=2`, 'a=1; b=2'],
    [`x${S}=1; ${S}2=2`, `x${S}=1; ${S}2=2`],
    ['', null],
  ])('of %j is %j', (header, forwarded) => {
    expect(withoutOurCookies(header, NAMES)).toBe(forwarded)
  })

  it('never holds one of ours, however it is hidden', () => {
    const pieces = [S, A, R, S.toUpperCase(), A.toLowerCase(), '=', ';', ',', ' ', '; ', 'a', '"', '\t', 'secret']
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 10 }), (parts) => {
        const forwarded = withoutOurCookies(parts.join(''), NAMES) ?? ''
        expect(forwarded).not.toMatch(/(?:^|[=;,"\s])__Host-gatehouse_(?:session|access|reset)\s*=/i)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a Set-Cookie of the upstream', () => {
  it.each([
    `${S}=x; Path=/`,
    `${A}=x`,
    `${R}=x`,
    `a=1, ${R.toLowerCase()} =x`,
    `${S}=; Max-Age=0`,
    `${S.toLowerCase()}=x`,
    `${A.toUpperCase()}=x; Secure`,
    ` \t${S}=x`,
    `${S} =x`,
    `=${S}=x`,
    ` = ${S}=x`,
    `==${S}=x`,
    `a=1, ${S}=x`,
    `a=1 ${S}=x`,
    `a="${S}=x"`,
  ])('%j is one of ours', (line) => {
    expect(setsOurCookie(line, NAMES)).toBe(true)
  })

  it.each(['a=1', `x${S}=1`, `${S}2=1`, 'gatehouse_session=1', `a=1; Comment=${S}=x`, `a=${S}`, '', ';'])(
    '%j is not',
    (line) => {
      expect(setsOurCookie(line, NAMES)).toBe(false)
    },
  )
})

describe('the cookie of a sign-in under way', () => {
  const ID = 'abcdefghijklmnopqrst_-'
  const T = `${NAMES.signIn}${ID}`

  it('is kept as the others are', () => {
    expect(signInCookie(NAMES, ID, 'a.b', 600)).toBe(`${T}=a.b; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=600`)
  })

  it('is read by its id, once', () => {
    expect(readSignInCookie(`a=1; ${T}=x; ${T.slice(0, -1)}A=y`, NAMES, ID)).toBe('x')
    expect(readSignInCookie(`${S}=x`, NAMES, ID)).toBe(null)
    expect(refusal(() => readSignInCookie(`${T}=x; ${T}=y`, NAMES, ID))).toBe('ambiguous_credential')
    expect(refusal(() => readSignInCookie(`a=1, ${T}=x`, NAMES, ID))).toBe('ambiguous_credential')
  })

  it('is listed where its id can be one, and nothing else is', () => {
    const header = `${S}=x; ${T}=a.b; ${NAMES.signIn}short=c; ${NAMES.signIn}${'ä'.repeat(22)}=d; a=${T}`
    expect(listSignInCookies(header, NAMES)).toEqual([{ id: ID, value: 'a.b' }])
    expect(listSignInCookies(null, NAMES)).toEqual([])
  })

  it.each([
    `${T}=x`,
    `${NAMES.signIn}=x`,
    `${NAMES.signIn}x=x`,
    `${T.toUpperCase()}=x`,
    `a=1, ${T}=x`,
    `=${T}=x`,
    `${T} =x`,
  ])('%j reaches no upstream, and no upstream sets it', (pair) => {
    expect(withoutOurCookies(`a=1; ${pair}; b=2`, NAMES)).toBe('a=1; b=2')
    expect(setsOurCookie(`${pair}; Path=/`, NAMES)).toBe(true)
  })

  it.each([`x${T}=1`, `a=${T}`, 'gatehouse_sign_in_x=1', '__Host-gatehouse_sign_in=1'])(
    '%j is somebody else’s',
    (pair) => {
      expect(withoutOurCookies(pair, NAMES)).toBe(pair)
      expect(setsOurCookie(pair, NAMES)).toBe(false)
    },
  )
})

function refusal(run: () => unknown): string {
  try {
    run()
    return 'passed'
  } catch (error) {
    if (error instanceof Denial) return error.code
    throw error
  }
}

function attempt<T>(run: () => T): T | 'refused' {
  try {
    return run()
  } catch {
    return 'refused'
  }
}
