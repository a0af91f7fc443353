import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

import { createMarkers } from '../../src/sessions/markers.ts'

const clock = { now: 1000 }

function isolate() {
  return createMarkers({ kv: env.MARKERS, kvTtl: 30, isolateTtl: 5, now: () => clock.now })
}

describe('what an isolate knows of a marker', () => {
  it('is fresh for isolate_ttl, and known for longer', () => {
    const markers = isolate()
    markers.learn('usr_1', 7)
    expect(markers.fresh('usr_1')).toBe(7)
    clock.now += 5
    expect([markers.fresh('usr_1'), markers.known('usr_1'), markers.known('usr_2')]).toEqual([null, 7, null])
  })

  it('is never lowered, by another location’s older copy or by D1 gone back in time', async () => {
    const markers = isolate()
    markers.learn('usr_1', 100)
    await env.MARKERS.put('marker:usr_1', '50')
    expect(await markers.read('usr_1')).toBe(100)
    markers.learn('usr_1', 60)
    expect([markers.fresh('usr_1'), markers.known('usr_1')]).toEqual([100, 100])
  })

  it('is what it puts, at once', async () => {
    const markers = isolate()
    await markers.put('usr_1', 200)
    expect(markers.fresh('usr_1')).toBe(200)
    expect(await env.MARKERS.get('marker:usr_1')).toBe('200')
  })

  it('is nothing where there is no marker, and is asked for again', async () => {
    const markers = isolate()
    expect(await markers.read('usr_nobody')).toBeNull()
    expect(markers.fresh('usr_nobody')).toBeNull()
  })

  it.each(['', ' 1', '1 ', '01', '-1', '1.5', '1e3', '0x10', 'null', '99999999999999999'])(
    'is not learnt from %j',
    async (value) => {
      await env.MARKERS.put('marker:usr_bad', value)
      await expect(isolate().read('usr_bad')).rejects.toThrow(TypeError)
    },
  )
})
