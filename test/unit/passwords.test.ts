// Passwords: how they are hashed, verified, and which may be chosen.
import { scryptSync } from 'node:crypto'

import { describe, expect, it, vi } from 'vitest'

import { COMMON_PASSWORDS } from '../../src/accounts/common-passwords.ts'
import { passwordProblem } from '../../src/accounts/password-policy.ts'
import { COST, hashPassword, MAX_WORK, passwordHashProblem, verifyPassword } from '../../src/accounts/passwords.ts'

// Hashing is meant to be slow, and slower still on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const PASSWORD = 'correct horse battery'
const STORED = hashOf(PASSWORD, 14, 8, 5)

describe('a stored password', () => {
  it('costs what OWASP asks for and no more than Workers allow', () => {
    const { ln, r, p } = COST
    const owasp = [
      { ln: 17, p: 1 },
      { ln: 16, p: 2 },
      { ln: 15, p: 3 },
      { ln: 14, p: 5 },
    ]

    expect(MAX_WORK).toBe(1_048_576)
    expect(2 ** ln * r * p).toBeLessThanOrEqual(MAX_WORK)
    expect(r).toBe(8)
    expect(owasp.some((least) => ln >= least.ln && p >= least.p)).toBe(true)
  })

  it('is a PHC string that scrypt of any other library can check', async () => {
    const hash = await hashPassword(PASSWORD)

    expect(hash).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    const [, , , salt = '', key] = hash.split('$')
    expect(phcKey(PASSWORD, Buffer.from(salt, 'base64'), 14, 8, 5)).toBe(key)
  })

  it('has a salt of its own', async () => {
    expect(await hashPassword(PASSWORD)).not.toBe(await hashPassword(PASSWORD))
  })
})

describe('verifying a password', () => {
  it.each([
    ['the very password', PASSWORD, 'right'],
    ['another one', 'correct horse batterz', 'wrong'],
    ['white space at the end', `${PASSWORD} `, 'wrong'],
    ['another case', 'Correct horse battery', 'wrong'],
    ['the beginning only', 'correct horse', 'wrong'],
    ['nothing', '', 'wrong'],
  ])('takes it exactly as received: %s', async (_, password, outcome) => {
    expect((await verifyPassword(password, STORED)).outcome).toBe(outcome)
  })

  it('tells two normal forms of one text apart', async () => {
    const composed = 'caf\u00E9 au lait'

    expect((await verifyPassword(composed.normalize('NFD'), hashOf(composed, 14, 8, 5))).outcome).toBe('wrong')
  })

  it.each([
    ["today's cost", STORED, false],
    ['a smaller N', hashOf(PASSWORD, 13, 8, 5), true],
    ['a larger N', hashOf(PASSWORD, 15, 8, 3), true],
    ['another r', hashOf(PASSWORD, 14, 4, 5), true],
    ['another p', hashOf(PASSWORD, 14, 8, 1), true],
    ['the most memory that is allowed', hashOf(PASSWORD, 16, 8, 2), true],
    ['a shorter salt', hashOf(PASSWORD, 14, 8, 5, { saltBytes: 8 }), true],
    ['a longer key', hashOf(PASSWORD, 14, 8, 5, { keyBytes: 64 }), true],
  ])('says whether to hash anew: hashed with %s', async (_, hash, outdated) => {
    expect(await verifyPassword(PASSWORD, hash)).toEqual({ outcome: 'right', outdated })
  })

  it('is wrong where there is no hash, even for the password of the dummy', async () => {
    expect(await verifyPassword('', null)).toEqual({ outcome: 'wrong' })
    expect(await verifyPassword(PASSWORD, null)).toEqual({ outcome: 'wrong' })
  })

  const salt = 'A'.repeat(22)
  const key = 'A'.repeat(43)
  it.each([
    ['empty', ''],
    ['a plain password', PASSWORD],
    ['another algorithm', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA'],
    ['bcrypt of more work than allowed', '$2b$13$CCCCCCCCCCCCCCCCCCCCC..o66Ba.o65rt06KXeSpKWfObOB7QJIe'],
    ['more work than allowed', `$scrypt$ln=15,r=8,p=5$${salt}$${key}`],
    ['more memory than allowed', `$scrypt$ln=17,r=8,p=1$${salt}$${key}`],
    ['ln=99', `$scrypt$ln=99,r=1,p=1$${salt}$${key}`],
    ['ln=0', `$scrypt$ln=0,r=8,p=1$${salt}$${key}`],
    ['p=0', `$scrypt$ln=14,r=8,p=0$${salt}$${key}`],
    ['a parameter missing', `$scrypt$ln=14,r=8$${salt}$${key}`],
    ['no key', `$scrypt$ln=14,r=8,p=5$${salt}$`],
    ['a key of 8 bytes', `$scrypt$ln=14,r=8,p=5$${salt}$AAAAAAAAAAA`],
    ['padding', `$scrypt$ln=14,r=8,p=5$${salt}==$${key}=`],
    ['bits that are not zero behind the end', `$scrypt$ln=14,r=8,p=5$${salt}$${'A'.repeat(42)}B`],
    ['something behind it', `$scrypt$ln=14,r=8,p=5$${salt}$${key}\n`],
  ])('is a fault where the stored hash is not one: %s', async (_, hash) => {
    const error = await verifyPassword(PASSWORD, hash).catch((thrown: unknown) => thrown)

    expect(error).toBeInstanceOf(Error)
    expect(String(error)).toMatch(/^Error: a stored password hash [a-z ]*$/i)
  })
})

const BCRYPT = '$2b$04$CCCCCCCCCCCCCCCCCCCCC..o66Ba.o65rt06KXeSpKWfObOB7QJIe'
/** Of 72 times `p`. */
const BCRYPT_LONG = '$2b$04$CCCCCCCCCCCCCCCCCCCCC.9IMwEEB6ngnCQ877bhhi.EzQPLJPeC6'

describe('a hash of bcrypt', () => {
  it.each(['$2a', '$2b', '$2y'])('proves its password in the form %s, and asks to be made anew', async (form) => {
    const hash = BCRYPT.replace('$2b', form)
    expect(await verifyPassword('correct horse', hash)).toEqual({ outcome: 'right', outdated: true })
    expect(await verifyPassword('correct horsf', hash)).toEqual({ outcome: 'wrong' })
  })

  it('is of the first 72 bytes, like every bcrypt', async () => {
    expect(await verifyPassword('p'.repeat(80), BCRYPT_LONG)).toEqual({ outcome: 'right', outdated: true })
    expect(await verifyPassword('p'.repeat(71), BCRYPT_LONG)).toEqual({ outcome: 'wrong' })
  })
})

describe('a hash that is imported', () => {
  it.each([
    ['bcrypt', BCRYPT],
    ['bcrypt at the limit', BCRYPT.replace('$04$', '$12$')],
    ['scrypt of the gateway’s own cost', STORED],
    ['scrypt of a single block', hashOf(PASSWORD, 12, 1, 1)],
  ])('may be %s', (_, hash) => {
    expect(passwordHashProblem(hash)).toBeNull()
  })

  it.each([
    ['bcrypt that costs too much', BCRYPT.replace('$04$', '$13$')],
    ['bcrypt that costs most', BCRYPT.replace('$04$', '$31$')],
    ['scrypt that takes too much memory', STORED.replace('ln=14', 'ln=17')],
    ['scrypt that takes too much work', STORED.replace('p=5', 'p=99')],
    ['scrypt of a cost that overflows', STORED.replace('ln=14', 'ln=99').replace('r=8', 'r=9999')],
  ])('may not be %s', (_, hash) => {
    expect(passwordHashProblem(hash)).toBe('asks for more work than a sign-in may take')
  })

  it.each([
    ['nothing', ''],
    ['a password', PASSWORD],
    ['bcrypt of cost 3', BCRYPT.replace('$04$', '$03$')],
    ['bcrypt of cost 32', BCRYPT.replace('$04$', '$32$')],
    ['the broken $2x$', BCRYPT.replace('$2b', '$2x')],
    ['bcrypt cut short', BCRYPT.slice(0, -1)],
    ['bcrypt with more behind', `${BCRYPT}.`],
    ['bcrypt with a line feed behind', `${BCRYPT}\n`],
    ['bcrypt whose last character has bits of nothing', BCRYPT.replace(/.$/, 'f')],
    ['argon2', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA'],
    ['scrypt without a key', '$scrypt$ln=14,r=8,p=5$AAAAAAAAAAAAAAAAAAAAAA$'],
    ['scrypt of no cost', STORED.replace('ln=14', 'ln=0')],
  ])('may not be %s', (_, hash) => {
    expect(passwordHashProblem(hash)).toBe('must be a bcrypt or scrypt hash')
  })
})

describe('a new password', () => {
  it.each([
    ['7 characters', 'tGz!4xq', 'must have at least 8 characters'],
    ['7 characters of two UTF-16 units each', '🐴🐮🐷🐭🐹🐰🦊', 'must have at least 8 characters'],
    ['8 characters', 'tGz!4xqe', null],
    ['lower-case letters only', 'velvetxquarry', null],
    ['8 characters beyond ASCII', '🐴🐮🐷🐭🐹🐰🦊🐻', null],
    ['spaces around it', ' tGz 4x ', null],
    ['64 characters', 'tGz!4xqe'.repeat(7) + 'velvetxq', null],
    ['256 characters', `${'x'.repeat(255)}y`, null],
    ['256 characters of two UTF-16 units each', `${'🐴'.repeat(255)}🐮`, null],
    ['257 characters', `${'x'.repeat(256)}y`, 'must have at most 256 characters'],
    ['half a surrogate pair', 'tGz!4xqe\uD800', 'must be valid Unicode'],
    ['a common one', 'trustno1', 'is one of the most common passwords'],
    ['a common one in another case', 'TrustNo1', 'is one of the most common passwords'],
    ['a common one with something more', 'trustno1-but', null],
    ['a day', '29021987', 'is one of the most common passwords'],
    ['a day, the year first', '19870229', 'is one of the most common passwords'],
    ['eight digits that are no day', '29131987', null],
    ['a repetition', '00000000', 'is one of the most common passwords'],
    ['a repeated unit', 'xyzaxyza', 'is one of the most common passwords'],
    ['a run backwards', '87654321', 'is one of the most common passwords'],
    ['a run of the alphabet', 'ijklmnopq', 'is one of the most common passwords'],
    ['a row of the keyboard', 'POIUYTREW', 'is one of the most common passwords'],
  ])('%s', async (_, password, problem) => {
    expect(await passwordProblem(password)).toBe(problem)
  })

  it('is held against the 3,000 commonest but 1,007 days, every one refused', async () => {
    const list = COMMON_PASSWORDS.split(' ')

    expect(new Set(list).size).toBe(3000 - 1007)
    expect(list.filter((word) => word.length < 8 || word !== word.toLowerCase())).toEqual([])
    const problems = await Promise.all(list.map((word) => passwordProblem(word)))
    expect(problems.filter((problem) => problem === null)).toEqual([])
  })

  it('costs the bundle less than 9 KiB', async () => {
    const zipped = new Blob([COMMON_PASSWORDS]).stream().pipeThrough(new CompressionStream('gzip'))

    expect((await new Response(zipped).arrayBuffer()).byteLength).toBeLessThan(9 * 1024)
  })
})

function hashOf(
  password: string,
  ln: number,
  r: number,
  p: number,
  { saltBytes = 16, keyBytes = 32 }: { readonly saltBytes?: number; readonly keyBytes?: number } = {},
): string {
  const salt = Buffer.alloc(saltBytes, 7)
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${phcKey(password, salt, ln, r, p, keyBytes)}`
}

function phcKey(password: string, salt: Buffer, ln: number, r: number, p: number, keyBytes = 32): string {
  return unpadded(scryptSync(password, salt, keyBytes, { N: 2 ** ln, r, p, maxmem: 256 * 1024 * 1024 }))
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}
