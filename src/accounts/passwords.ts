// Passwords as they are stored: scrypt at OWASP's strength inside what Workers allow, in a string that describes itself.
// Hashes of other systems, brought by an import, are read as well and never written.

import { randomBytes, scrypt } from 'node:crypto'

import { equalInConstantTime } from '../crypto.ts'

/** N = 2^ln, block size r, parallelism p (RFC 7914 §2). */
interface Cost {
  readonly ln: number
  readonly r: number
  readonly p: number
}

/** OWASP Password Storage: N=2^14, r=8, p=5. Takes 16 MiB. */
export const COST: Cost = { ln: 14, r: 8, p: 5 }

/** What workerd refuses to exceed: N·r·p. */
export const MAX_WORK = 1_048_576

/** Half of an isolate's memory; scrypt takes 128·N·r bytes. */
const MAX_MEMORY_BYTES = 64 * 1024 * 1024

const SALT_BYTES = 16
const KEY_BYTES = 32

/** Has the cost of every new hash, and belongs to nobody. */
const DUMMY: Stored = { cost: COST, salt: Buffer.alloc(SALT_BYTES), key: Buffer.alloc(KEY_BYTES) }

interface Stored {
  readonly cost: Cost
  readonly salt: Buffer
  readonly key: Buffer
}

export type Verdict = { readonly outcome: 'right'; readonly outdated: boolean } | { readonly outcome: 'wrong' }

/** The PHC string `$scrypt$ln=14,r=8,p=5$<salt>$<key>` of a password, with a salt of its own. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const key = await derive(password, salt, KEY_BYTES, COST)
  return `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${encode(salt)}$${encode(key)}`
}

/**
 * Whether a password, exactly as it was received, is the one that was hashed (ASVS 6.2.8: no trim, no case, no normalisation).
 * A `null` hash (no such user, or one without a password) costs the same work and is wrong; a hash of a cheaper cost does
 * not answer sooner. One of bcrypt costs its own work on top, for as long as its user has not signed in. The work does not
 * depend on the outcome: a user who is disabled or lacks a scope is refused whatever it is.
 * `outdated`: right, but hashed with another cost than today's, so hash it anew.
 * @throws Error when the stored hash is malformed or asks for more than Workers allow.
 */
export async function verifyPassword(password: string, hash: string | null): Promise<Verdict> {
  const bcrypt = hash === null ? null : BCRYPT.exec(hash)
  if (bcrypt !== null) return verifyForeign(password, bcrypt)
  const stored = hash === null ? DUMMY : parseHash(hash)
  const key = await derive(password, stored.salt, stored.key.length, stored.cost)
  const isRight = equalInConstantTime(encode(key), encode(stored.key))
  if (workOf(stored.cost) < workOf(COST)) await derive(password, DUMMY.salt, KEY_BYTES, COST)
  return isRight && hash !== null ? { outcome: 'right', outdated: isOutdated(stored) } : { outcome: 'wrong' }
}

/** Costs what any other password costs as well, right or wrong. */
async function verifyForeign(password: string, { 0: hash, groups }: RegExpExecArray): Promise<Verdict> {
  if (Number(groups?.['cost']) > MAX_BCRYPT_COST) throw new Error(DEAR)
  const { verifyBcrypt } = await import('./bcrypt.ts')
  const isRight = await verifyBcrypt(password, hash)
  await derive(password, DUMMY.salt, KEY_BYTES, COST)
  return isRight ? { outcome: 'right', outdated: true } : { outcome: 'wrong' }
}

/**
 * What is wrong with a hash that an import brings, in words that follow "The password hash"; `null` if nothing is.
 * bcrypt in modular form and scrypt as PHC string pass, up to the cost that a sign-in can bear.
 */
export function passwordHashProblem(hash: string): string | null {
  const bcrypt = BCRYPT.exec(hash)?.groups
  const stored = readHash(hash)
  if (bcrypt === undefined && stored === null) return 'must be a bcrypt or scrypt hash'
  const isDear = stored === null ? Number(bcrypt?.['cost']) > MAX_BCRYPT_COST : !isAffordable(stored.cost)
  return isDear ? 'asks for more work than a sign-in may take' : null
}

/** The last of a salt's characters and of a digest's has unused bits, which are zero. */
const BCRYPT = /^\$2[aby]\$(?<cost>0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]$/

/** 2^12 rounds take 0.3 s of CPU in JavaScript, which is what a sign-in is allowed here; each step more doubles it. */
const MAX_BCRYPT_COST = 12

const DEAR = 'a stored password hash asks for more than Workers allow'

const PHC =
  /^\$scrypt\$ln=(?<ln>[1-9]\d?),r=(?<r>[1-9]\d{0,3}),p=(?<p>[1-9]\d{0,3})\$(?<salt>[A-Za-z0-9+/]{11,86})\$(?<key>[A-Za-z0-9+/]{22,86})$/

function parseHash(hash: string): Stored {
  const stored = readHash(hash)
  if (stored === null) throw new Error('a stored password hash is malformed')
  if (!isAffordable(stored.cost)) throw new Error(DEAR)
  return stored
}

function readHash(hash: string): Stored | null {
  const { ln, r, p, salt, key } = PHC.exec(hash)?.groups ?? {}
  const bytes = { salt: decode(salt), key: decode(key) }
  if (bytes.salt === null || bytes.key === null) return null
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) }
  return isOfScrypt(cost) ? { cost, salt: bytes.salt, key: bytes.key } : null
}

/** RFC 7914 §2: N is less than 2^(128·r/8). What is not, nobody can have hashed with, nor can anybody verify. */
function isOfScrypt({ ln, r }: Cost): boolean {
  return ln < 16 * r
}

function isAffordable({ ln, r, p }: Cost): boolean {
  return workOf({ ln, r, p }) <= MAX_WORK && 128 * 2 ** ln * r <= MAX_MEMORY_BYTES
}

function workOf({ ln, r, p }: Cost): number {
  return 2 ** ln * r * p
}

function isOutdated({ cost, salt, key }: Stored): boolean {
  if (salt.length !== SALT_BYTES || key.length !== KEY_BYTES) return true
  return cost.ln !== COST.ln || cost.r !== COST.r || cost.p !== COST.p
}

function derive(password: string, salt: Buffer, keyBytes: number, { ln, r, p }: Cost): Promise<Buffer> {
  const maxmem = 2 * 128 * r * (2 ** ln + p)
  return new Promise((resolve, reject) => {
    scrypt(password, salt, keyBytes, { N: 2 ** ln, r, p, maxmem }, (error, key) => {
      if (error) reject(error)
      else resolve(key)
    })
  })
}

/** Base64 without padding, as PHC strings have it. */
function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}

function decode(text: string | undefined): Buffer | null {
  if (text === undefined) return null
  const bytes = Buffer.from(text, 'base64')
  return encode(bytes) === text ? bytes : null
}
