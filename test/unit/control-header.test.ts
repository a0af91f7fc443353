// The table of what an upstream may say of sessions, and of everything that opens nothing.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseControlHeader } from '../../src/auth/control-header.ts'
import type { Space } from '../../src/auth/control-space.ts'
import { EVERYBODY } from '../../src/auth/control-space.ts'
import { randomText } from '../../src/crypto.ts'
import { Denial } from '../../src/denial.ts'

const CONTROL = randomText(32)
const c = `control="${CONTROL}"`
const NOTHING = { roles: null, scopes: null, claims: {} }

function parse(header: string, control = CONTROL, space: Space = EVERYBODY) {
  return parseControlHeader(header, control, space)
}

/** Why it was refused; the members where it was not. */
function refusal(header: string, control = CONTROL): unknown {
  try {
    return parse(header, control)
  } catch (error) {
    return error instanceof Denial && error.code === 'invalid_session_control' ? error.details.reason : error
  }
}

describe('a session control header', () => {
  it.each([
    [`open;sub="42";${c}`, [{ action: 'open', userId: '42', profile: NOTHING }]],
    [`open;${c};sub="42"`, [{ action: 'open', userId: '42', profile: NOTHING }]],
    [`  change;sub="42"; ${c} `, [{ action: 'change', userId: '42', profile: NOTHING }]],
    [`end;${c}`, [{ action: 'end' }]],
    [`end-all;sub="42";${c}`, [{ action: 'end-all', userId: '42' }]],
    [
      `open;sub="a/b@c%:~!";roles="staff admin";scope="orders:read  orders:read orders:write";${c}`,
      [
        {
          action: 'open',
          userId: 'a/b@c%:~!',
          profile: { roles: ['staff', 'admin'], scopes: ['orders:read', 'orders:write'], claims: {} },
        },
      ],
    ],
    [
      `change;sub="42";roles="";scope="";${c}`,
      [{ action: 'change', userId: '42', profile: { roles: [], scopes: [], claims: {} } }],
    ],
    [
      `change;sub="42";tenant="ac\\"me";level=-3;paid;trial=?0;constructor="x";${c}`,
      [
        {
          action: 'change',
          userId: '42',
          profile: {
            ...NOTHING,
            claims: { tenant: 'ac"me', level: -3, paid: true, trial: false, constructor: 'x' },
          },
        },
      ],
    ],
    [
      `end;${c},\tchange;sub="1";${c}, end-all;sub="2";${c} ,open;sub="3";${c}`,
      [
        { action: 'end' },
        { action: 'change', userId: '1', profile: NOTHING },
        { action: 'end-all', userId: '2' },
        { action: 'open', userId: '3', profile: NOTHING },
      ],
    ],
    [`open;sub="${'x'.repeat(255)}";${c}`, [{ action: 'open', userId: 'x'.repeat(255), profile: NOTHING }]],
    [Array.from({ length: 8 }, () => `end;${c}`).join(), Array.from({ length: 8 }, () => ({ action: 'end' }))],
  ])('%s is read', (header, members) => {
    expect(parse(header)).toEqual(members)
  })

  it.each<readonly [string, string, string]>([
    ['without control', 'open;sub="42"', 'control'],
    ['with the control of another request', `open;sub="42";control="${randomText(32)}"`, 'control'],
    ['with an empty control', 'open;sub="42";control=""', 'control'],
    ['with half of the control', `open;sub="42";control="${CONTROL.slice(0, 21)}"`, 'control'],
    ['with a control that is longer', `open;sub="42";control="${CONTROL}A"`, 'control'],
    ['with the control in another case', `open;sub="42";control="${swapCase(CONTROL)}"`, 'control'],
    ['with a control that is a token', `open;sub="42";control=${CONTROL.replace(/^[^A-Za-z]*/, '')}`, 'control'],
    ['whose control is true', 'open;sub="42";control', 'control'],
    ['whose second member has no control', `end;${c}, open;sub="42"`, 'control'],
    ['whose first member was reflected', `open;sub="admin", open;sub="42";${c}`, 'control'],
    ['that is empty', '', 'members'],
    ['with nine members', Array.from({ length: 9 }, () => `end;${c}`).join(), 'members'],
    ['that opens twice', `open;sub="42";${c}, open;sub="42";${c}`, 'open'],
    ['with a parameter twice', `open;sub="1";sub="42";${c}`, 'twice'],
    ['with control twice', `open;sub="1";control="x";${c}`, 'twice'],
    ['with a claim twice', `change;sub="1";a=1;a=1;${c}`, 'twice'],
    ['with an unknown member', `close;${c}`, 'unknown member'],
    ['with a member in another case', `Open;sub="42";${c}`, 'unknown member'],
    ['with a member that is a string', `"open";sub="42";${c}`, 'unknown member'],
    ['with a member that is a number', `1;${c}`, 'unknown member'],
    ['with a member that is a byte sequence', `:b3Blbg==:;sub="42";${c}`, 'unknown member'],
    ['with an inner list', `end;${c}, ()`, 'inner list'],
    ['with a member in an inner list', `(open;sub="42";${c})`, 'inner list'],
    ['that is a dictionary', `open="42";${c}`, 'RFC 9651'],
    ['without a sub', `open;${c}`, 'sub'],
    ['with an empty sub', `open;sub="";${c}`, 'sub'],
    ['with a sub that is true', `open;sub;${c}`, 'sub'],
    ['with a sub that is a number', `open;sub=42;${c}`, 'sub'],
    ['with a sub that is a token', `open;sub=u42;${c}`, 'sub'],
    ['with a space in sub', `open;sub="4 2";${c}`, 'sub'],
    ['with a sub of 256 characters', `open;sub="${'x'.repeat(256)}";${c}`, 'sub'],
    ['with the sub of a client', `open;sub="cli_1";${c}`, 'sub'],
    ['with the sub of an API key', `change;sub="key_1";${c}`, 'sub'],
    ['with a sub beyond ASCII', `open;sub="4ü";${c}`, 'RFC 9651'],
    ['with a sub as display string', `open;sub=%"42";${c}`, 'sub'],
    ['with a control character in sub', `open;sub="4\u{1}";${c}`, 'RFC 9651'],
    ['that changes nobody', `change;roles="admin";${c}`, 'sub'],
    ['that ends everything of nobody', `end-all;${c}`, 'sub'],
    ['that ends a session of somebody named', `end;sub="42";${c}`, 'unknown parameter'],
    ['that ends all with a claim', `end-all;sub="42";roles="staff";${c}`, 'unknown parameter'],
    ['with roles that are a token', `open;sub="42";roles=staff;${c}`, 'roles or scope'],
    ['with roles that are true', `open;sub="42";roles;${c}`, 'roles or scope'],
    ['with a scope that is a number', `open;sub="42";scope=1;${c}`, 'roles or scope'],
    ['with a role that has a comma', `open;sub="42";roles="a,b";${c}`, 'a role'],
    ['with a scope that has a quote', `open;sub="42";scope="a\\"";${c}`, 'a scope'],
    ['with a scope of the gateway', `open;sub="42";scope="orders:read gatehouse:admin";${c}`, 'of the gateway'],
    ['with a changed scope of the gateway', `change;sub="42";scope="Gatehouse:admin";${c}`, 'of the gateway'],
    ['with a claim that is a decimal', `open;sub="42";level=1.5;${c}`, 'a claim'],
    ['with a claim that is a token', `open;sub="42";level=high;${c}`, 'a claim'],
    ['with a claim that is a date', `open;sub="42";${c};since=@1659578233`, 'a claim'],
    ['with a claim that is a byte sequence', `open;sub="42";key=:aGk=:;${c}`, 'a claim'],
    ['with a claim that is a display string', `open;sub="42";name=%"f%c3%bc";${c}`, 'a claim'],
    ...['iss', 'aud', 'exp', 'sid', 'ver', 'client_id', 'auth_time', 'amr', 'act', 'cnf'].map(
      (name): [string, string, string] => [
        `with the reserved claim ${name}`,
        `open;sub="42";${name}="x";${c}`,
        'reserved',
      ],
    ),
    ['with more than 1.5 KB', `open;sub="42";note="${'x'.repeat(1500)}";${c}`, '1.5 KB'],
    ['with a parameter in upper case', `open;Sub="42";${c}`, 'RFC 9651'],
    ['that ends in a comma', `end;${c},`, 'RFC 9651'],
    ['with a string that is not closed', `open;sub="42;${c.slice(0, -1)}`, 'RFC 9651'],
    ['with a string cut in two lines', `open;sub="4, 2";${c}`, 'sub'],
    ['with words after a member', `end;${c} now`, 'RFC 9651'],
    ['with a comment', `end;${c} # end`, 'RFC 9651'],
    ['with a semicolon for a comma', `end;${c}; open;sub="42";control="x"`, 'twice'],
  ])('%s is refused whole', (_, header, reason) => {
    expect(refusal(header)).toContain(reason)
  })

  it('quotes nothing that the upstream said', () => {
    expect(refusal('open;sub="the-name"')).not.toContain('the-name')
    expect(refusal(`open;sub="the name";${c}`)).not.toContain('the name')
  })

  it('opens nothing, whatever it is, unless it has echoed this very control', () => {
    const part = fc.constantFrom('open', 'end', ';', ',', '=', '"', 'sub="42"', 'control=', '"42"', ' ', '(', ')', '\\')
    const soup = fc.array(fc.oneof(part, fc.string(), fc.string({ unit: 'binary' }))).map((parts) => parts.join(''))
    fc.assert(
      fc.property(soup, (header) => {
        expect(refusal(header)).toBeTypeOf('string')
      }),
      { numRuns: 2000 },
    )
  })

  it('is all there or refused, wherever it was cut or changed', () => {
    const good = `change;sub="41";roles="a b";level=1;${c}, open;sub="42";scope="x";${c}`
    const meant = parse(good)
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.constantFrom('', '"', ';', ',', '(', '\\', '\u{0}', 'ü'), (at, put) => {
        const broken = good.slice(0, at) + put + good.slice(at + 1)
        const result = refusal(broken)
        if (typeof result === 'string' || broken === good) return
        expect(namesOf(result)).toEqual(namesOf(meant))
        expect(broken.match(new RegExp(c, 'g'))).toHaveLength(2)
      }),
      { numRuns: 2000 },
    )
  })

  it('of any good user and claims is read as it was written', () => {
    const text = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) })
    const sub = text.filter((value) => /^[!-~]{1,255}$/.test(value))
    const claim = fc.oneof(text, fc.boolean(), fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }))
    fc.assert(
      fc.property(sub, fc.dictionary(fc.stringMatching(/^x-[a-z0-9_.*-]{0,9}$/), claim), (userId, claims) => {
        const parameters = Object.entries({ sub: userId, ...claims, control: CONTROL })
        const header = `open${parameters.map(([name, value]) => `;${name}=${written(value)}`).join('')}`
        expect(parse(header)).toEqual([{ action: 'open', userId, profile: { ...NOTHING, claims: { ...claims } } }])
      }),
    )
  })
})

function swapCase(text: string): string {
  return text.replace(/[A-Za-z]/g, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  )
}

function namesOf(members: unknown): readonly unknown[] {
  return Array.isArray(members) ? members.map(({ action }: { action: unknown }) => action) : []
}

function written(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? '?1' : '?0'
  return typeof value === 'number' ? String(value) : `"${value.replace(/["\\]/g, '\\$&')}"`
}
