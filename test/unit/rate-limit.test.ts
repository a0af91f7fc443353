import { describe, expect, it } from 'vitest'

import { addressBlock, addressBlocks, enforceAddressRate, networkOf } from '../../src/rate-limit.ts'

/** A binding with one limit for every key, like Cloudflare's. */
function createLimiter(limit: number) {
  const counts = new Map<string, number>()
  return {
    counts,
    limit: async ({ key }: { key: string }) => {
      counts.set(key, (counts.get(key) ?? 0) + 1)
      return { success: (counts.get(key) ?? 0) <= limit }
    },
  }
}

/** How many of these addresses pass. */
async function passed(addresses: readonly string[], limit: number): Promise<number> {
  const limiter = createLimiter(limit)
  let count = 0
  for (const address of addresses) {
    const isAllowed = await enforceAddressRate(limiter, address).then(
      () => true,
      () => false,
    )
    if (isAllowed) count += 1
  }
  return count
}

function many(count: number, make: (n: number) => string): readonly string[] {
  return Array.from({ length: count }, (_, n) => make(n))
}

describe('the blocks of an address', () => {
  it.each([
    ['192.0.2.7', ['192.0.2.7']],
    ['2001:db8:1:2:3:4:5:6', ['2001:db8:1:2::/64', '2001:db8:1:0::/56', '2001:db8:1::/48']],
    ['2001:DB8:1:2ff::6', ['2001:db8:1:2ff::/64', '2001:db8:1:200::/56', '2001:db8:1::/48']],
    ['2001:0db8:0001:02ff:0:0:0:6', ['2001:db8:1:2ff::/64', '2001:db8:1:200::/56', '2001:db8:1::/48']],
    ['::1', ['0:0:0:0::/64', '0:0:0:0::/56', '0:0:0::/48']],
    ['::', ['0:0:0:0::/64', '0:0:0:0::/56', '0:0:0::/48']],
    ['2001:db8:1:2::192.0.2.7', ['2001:db8:1:2::/64', '2001:db8:1:0::/56', '2001:db8:1::/48']],
    ['64:ff9b::192.0.2.7', ['64:ff9b:0:0::/64', '64:ff9b:0:0::/56', '64:ff9b:0::/48']],
    ['::ffff:0:192.0.2.7', ['0:0:0:0::/64', '0:0:0:0::/56', '0:0:0::/48']],
    ['fe80::1%eth0', ['fe80:0:0:0::/64', 'fe80:0:0:0::/56', 'fe80:0:0::/48']],
  ])('%s is in %j', (address, blocks) => {
    expect(addressBlocks(address)).toEqual(blocks)
    expect(addressBlock(address)).toBe(blocks[0])
    expect(networkOf(blocks[0] ?? '')).toBe(blocks[2] ?? null)
  })

  it.each(['::ffff:192.0.2.7', '::FFFF:192.0.2.7', '::ffff:c000:207', '0:0:0:0:0:ffff:c000:0207', '0::ffff:192.0.2.7'])(
    'of %s are those of the IPv4 address',
    (address) => {
      expect(addressBlocks(address)).toEqual(['192.0.2.7'])
    },
  )

  it('of an unknown address is one for all of them', () => {
    expect(addressBlocks(null)).toEqual(['unknown'])
  })
})

describe('a limit of 20', () => {
  it('is 20 for one IPv4 address, and for one /64 whatever its addresses', async () => {
    expect(
      await passed(
        many(100, () => '192.0.2.7'),
        20,
      ),
    ).toBe(20)
    expect(
      await passed(
        many(100, (n) => `2001:db8:1:2::${n.toString(16)}`),
        20,
      ),
    ).toBe(20)
  })

  it('is at most 40 for a /56, wherever in it the requests come from', async () => {
    const count = await passed(
      many(2560, (n) => `2001:db8:1:${(n % 256).toString(16)}::1`),
      20,
    )
    expect(count).toBeGreaterThan(20)
    expect(count).toBeLessThanOrEqual(40)
  })

  it('is at most 80 for a /48, wherever in it the requests come from', async () => {
    const count = await passed(
      many(4000, (n) => `2001:db8:1:${(n * 16).toString(16)}::1`),
      20,
    )
    expect(count).toBeGreaterThan(40)
    expect(count).toBeLessThanOrEqual(80)
  })

  it('counts an IPv4 address once, however it is written', async () => {
    const limiter = createLimiter(20)
    for (const address of ['192.0.2.7', '::ffff:192.0.2.7', '::ffff:c000:207'])
      await enforceAddressRate(limiter, address, 'address ')
    expect([...limiter.counts]).toEqual([['address 192.0.2.7', 3]])
  })

  it('names the address block in the refusal, for the log', async () => {
    const refusing = { limit: async () => ({ success: false }) }
    const refusal = enforceAddressRate(refusing, '2001:db8:1:2::3')
    await expect(refusal).rejects.toMatchObject({
      code: 'rate_limited',
      details: { refused: { address: '2001:db8:1:2::/64' } },
    })
  })
})
