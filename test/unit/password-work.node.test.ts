// How much work a sign-in does, counted: in Node, because a built-in module cannot be replaced inside workerd.
import { scrypt, scryptSync } from 'node:crypto'

import { beforeEach, describe, expect, it, vi } from 'vitest'

import { hashPassword, verifyPassword } from '../../src/accounts/passwords.ts'

vi.mock('node:crypto', { spy: true })

const encode = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')

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

  it('does today’s work too where the stored hash is a cheaper one, for a right password and a wrong one', async () => {
    const salt = Buffer.alloc(16)
    const key = scryptSync('correct horse battery', salt, 32, { N: 4096, r: 8, p: 1 })
    const cheap = `$scrypt$ln=12,r=8,p=1$${encode(salt)}$${encode(key)}`

    for (const [password, outcome] of [
      ['correct horse battery', 'right'],
      ['wrong horse battery', 'wrong'],
    ] as const) {
      vi.mocked(scrypt).mockClear()

      expect(await verifyPassword(password, cheap)).toMatchObject({ outcome })

      expect(vi.mocked(scrypt).mock.calls.map(([, , , cost]) => [cost.N, cost.p])).toEqual([
        [4096, 1],
        [16_384, 5],
      ])
    }
  })

  it('does today’s work on top of bcrypt’s, for a right password and a wrong one', async () => {
    const hash = '$2b$04$CCCCCCCCCCCCCCCCCCCCC..o66Ba.o65rt06KXeSpKWfObOB7QJIe'

    for (const [password, outcome] of [
      ['correct horse', 'right'],
      ['wrong horse', 'wrong'],
    ] as const) {
      vi.mocked(scrypt).mockClear()

      expect(await verifyPassword(password, hash)).toMatchObject({ outcome })

      expect(vi.mocked(scrypt).mock.calls.map(([, , , cost]) => [cost.N, cost.p])).toEqual([[16_384, 5]])
    }
  })

  it('does none where the stored hash asks for more than Workers allow', async () => {
    const hash = `$scrypt$ln=17,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

    await expect(verifyPassword('correct horse battery', hash)).rejects.toThrow('more than Workers allow')
    expect(vi.mocked(scrypt).mock.calls).toEqual([])
  })
})
