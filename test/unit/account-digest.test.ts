import { expect, it } from 'vitest'

import { digestAccount } from '../../src/audit/account-digest.ts'
import { hmac, sha256 } from '../../src/crypto.ts'

const key = new Uint8Array(32).fill(1)
const other = new Uint8Array(32).fill(2)
const account = sha256('ada@example.com')

it('depends on the account and on the first key alone', () => {
  const digest = digestAccount([key, other], account)
  expect(digest).toMatch(/^[\w-]{22}$/)
  expect(digestAccount([key], account)).toBe(digest)
  expect(digestAccount([other, key], account)).not.toBe(digest)
  expect(digestAccount([key], sha256('bob@example.com'))).not.toBe(digest)
})

it('is no other digest that is made with that key', () => {
  expect(hmac(key, account)).not.toContain(digestAccount([key], account))
  expect(account).not.toContain(digestAccount([key], account))
})
