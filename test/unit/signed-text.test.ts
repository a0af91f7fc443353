// Text that is kept where others may write: what verifies, and what never does.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { LogEvent } from '../../src/log.ts'
import type { Place } from '../../src/signed-text.ts'
import { createSignedText } from '../../src/signed-text.ts'

const [FIRST, SECOND] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
const PLACE: Place = { purpose: 'digest', name: '1790000000' }
const TEXT = '{"since":1,"as_of":2,"versions":{}}'

function create(keys: readonly Uint8Array[] = [FIRST]) {
  const clock = { now: 1_790_000_000 }
  const logged: LogEvent[] = []
  return { clock, logged, ...createSignedText({ keys, now: () => clock.now, log: (event) => void logged.push(event) }) }
}

describe('signed text', () => {
  it('verifies at its place, whatever it holds', () => {
    const { sign, verify, logged } = create()
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => verify(PLACE, sign(PLACE, text)) === text))
    expect(logged).toEqual([])
  })

  it.each<[string, Place]>([
    ['another purpose', { ...PLACE, purpose: 'metadata' }],
    ['another name', { ...PLACE, name: '1790000005' }],
    ['a name that ends in the text', { ...PLACE, name: `${PLACE.name}"\n${TEXT}` }],
  ])('does not verify at %s', (_, place) => {
    const { sign, verify } = create()
    expect(verify(place, sign(PLACE, TEXT))).toBeNull()
  })

  it('does not verify where any one character of it differs', () => {
    const { sign, verify } = create()
    const good = sign(PLACE, TEXT)
    for (let at = 0; at < good.length; at += 1) {
      const other = good.charAt(at) === 'x' ? 'y' : 'x'
      expect(verify(PLACE, good.slice(0, at) + other + good.slice(at + 1))).toBeNull()
      expect(verify(PLACE, good.slice(0, at) + good.slice(at + 1))).toBeNull()
    }
  })

  it.each(['', '\n', TEXT, `\n${TEXT}`, `${'A'.repeat(43)}\n${TEXT}`, `${'é'.repeat(43)}\n${TEXT}`])(
    'without a good MAC is refused: %j',
    (signed) => {
      expect(create().verify(PLACE, signed)).toBeNull()
    },
  )

  it('is signed by the first key, and verified by each that is listed', () => {
    const [before, standby, swapped, after] = [
      create(),
      create([FIRST, SECOND]),
      create([SECOND, FIRST]),
      create([SECOND]),
    ]
    for (const [signer, reader] of [
      [before, standby],
      [standby, before],
      [standby, swapped],
      [swapped, standby],
      [swapped, after],
    ] as const) {
      expect(reader.verify(PLACE, signer.sign(PLACE, TEXT))).toBe(TEXT)
    }
    expect(after.verify(PLACE, before.sign(PLACE, TEXT))).toBeNull()
  })

  it('is logged once an hour for each purpose where it is refused', () => {
    const { verify, clock, logged } = create()
    for (let time = 0; time < 5; time += 1) verify(PLACE, TEXT)
    verify({ purpose: 'key set', name: 'x' }, TEXT)
    clock.now += 3600
    verify(PLACE, TEXT)
    expect(logged.map(({ reason }) => reason)).toEqual(['mac of a digest', 'mac of a key set', 'mac of a digest'])
  })

  it('cannot be signed without a key', () => {
    expect(() => create([]).sign(PLACE, TEXT)).toThrow('no session key')
  })
})
