// Passwords as they are stored: scrypt at OWASP's strength inside what Workers allow, in a string that describes itself.

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
 * not answer sooner.
 * `outdated`: right, but hashed with another cost than today's, so hash it anew.
 * @throws Error when the stored hash is malformed or asks for more than Workers allow.
 */
export async function verifyPassword(password: string, hash: string | null): Promise<Verdict> {
  const stored = hash === null ? DUMMY : parseHash(hash)
  const key = await derive(password, stored.salt, stored.key.length, stored.cost)
  const isRight = equalInConstantTime(encode(key), encode(stored.key))
  if (!isRight && workOf(stored.cost) < workOf(COST)) await derive(password, DUMMY.salt, KEY_BYTES, COST)
  return isRight && hash !== null ? { outcome: 'right', outdated: isOutdated(stored) } : { outcome: 'wrong' }
}

const PHC =
  /^\$scrypt\$ln=(?<ln>[1-9]\d?),r=(?<r>[1-9]\d{0,3}),p=(?<p>[1-9]\d{0,3})\$(?<salt>[A-Za-z0-9+/]{11,86})\$(?<key>[A-Za-z0-9+/]{22,86})$/

function parseHash(hash: string): Stored {
  const { ln, r, p, salt, key } = PHC.exec(hash)?.groups ?? {}
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) }
  const stored = { cost, salt: decode(salt), key: decode(key) }
  if (stored.salt === null || stored.key === null) throw new Error('a stored password hash is malformed')
  if (!isAffordable(cost)) throw new Error('a stored password hash asks for more than Workers allow')
  return { cost, salt: stored.salt, key: stored.key }
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
