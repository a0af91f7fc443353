// Hashes of bcrypt, which come with imported users and leave when each first signs in. Loaded when one is met.

import { compare } from 'bcryptjs'

/**
 * Whether a password is the one of a bcrypt hash. Like every bcrypt it looks at the first 72 bytes alone.
 * Does NOT look at the hash's form or cost; passwords.ts does.
 */
export function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  return compare(password, hash)
}
