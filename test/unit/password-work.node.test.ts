// How much work a sign-in does, counted: in Node, because a built-in module cannot be replaced inside workerd.
import { scrypt } from 'node:crypto'

import { beforeEach, describe, expect, it, vi } from 'vitest'

import { hashPassword, verifyPassword } from '../../src/accounts/passwords.ts'

vi.mock('node:crypto', { spy: true })

beforeEach(() => {
  vi.mocked(scrypt).mockClear()
})

describe('verifying a password', () => {
  it('does the same work for an unknown user, a wrong password and a right one', async () => {
    const hash = await hashPassword('correct horse battery')
    const attempts = [
      ['correct horse battery', null],
      ['wrong horse battery', hash],
      ['correct horse battery', hash],
    ] as const

    for (const [password, stored] of attempts) {
      vi.mocked(scrypt).mockClear()
      await verifyPassword(password, stored)

      expect(vi.mocked(scrypt).mock.calls.map(([, , keyBytes, cost]) => [keyBytes, cost])).toEqual([
        [32, { N: 16_384, r: 8, p: 5, maxmem: expect.any(Number) }],
      ])
    }
  })

  it('does today’s work too for a wrong password where the stored hash is a cheaper one', async () => {
    const cheap = `$scrypt$ln=12,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

    await verifyPassword('wrong horse battery', cheap)

    expect(vi.mocked(scrypt).mock.calls.map(([, , , cost]) => [cost.N, cost.p])).toEqual([
      [4096, 1],
      [16_384, 5],
    ])
  })

  it('does none where the stored hash asks for more than Workers allow', async () => {
    const hash = `$scrypt$ln=17,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

    await expect(verifyPassword('correct horse battery', hash)).rejects.toThrow('more than Workers allow')
    expect(vi.mocked(scrypt).mock.calls).toEqual([])
  })
})
