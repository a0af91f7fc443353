import { afterEach, expect, it, vi } from 'vitest'

import { startCron } from '../../bin/start/cron.ts'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('asks for the cron every minute, and goes on where the gateway does not answer', async () => {
  vi.useFakeTimers()
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url)
    throw new TypeError('fetch failed')
  })
  startCron('http://localhost:8787')
  await vi.advanceTimersByTimeAsync(59_000)
  expect(asked).toEqual([])
  await vi.advanceTimersByTimeAsync(61_000)
  expect(asked).toEqual(Array.from({ length: 2 }, () => 'http://localhost:8787/cdn-cgi/handler/scheduled'))
})
