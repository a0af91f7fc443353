import { describe, expect, it } from 'vitest'

import { hashSecret, isClientSecret, newClientSecret } from '../../src/clients/secrets.ts'

describe('the secret of a client', () => {
  it('is another one each time, of one form', () => {
    const secrets = Array.from({ length: 100 }, newClientSecret)
    expect(new Set(secrets).size).toBe(100)
    expect(secrets.filter((secret) => !/^gth_cs_[A-Za-z0-9_-]{49}$/.test(secret))).toEqual([])
    expect(secrets.every(isClientSecret)).toBe(true)
  })

  it('is told from everything that differs from it in one character', () => {
    const secret = newClientSecret()
    const others = Array.from(secret).map(
      (_, at) => secret.slice(0, at) + (secret[at] === 'x' ? 'y' : 'x') + secret.slice(at + 1),
    )
    expect(others.filter(isClientSecret)).toEqual([])
  })

  it.each(['', 'gth_cs_', ` ${newClientSecret()}`, `${newClientSecret()}\n`, `${newClientSecret()}A`])(
    'is not %j',
    (text) => {
      expect(isClientSecret(text)).toBe(false)
    },
  )

  it('is hashed into 43 characters that do not hold it', () => {
    const secret = newClientSecret()
    expect(hashSecret(secret)).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(hashSecret(secret)).not.toContain(secret.slice(7, 17))
  })
})
