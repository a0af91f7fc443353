import { describe, expect, it } from 'vitest'

import { createWorld, ISSUER } from '../support/world.ts'

/** A body that counts how often it is read. */
function watchedBody(): { readonly body: ReadableStream; readonly read: () => number } {
  const state = { pulls: 0 }
  const body = new ReadableStream(
    {
      pull: (controller) => {
        state.pulls += 1
        controller.enqueue(new TextEncoder().encode('{"email":"ada@example.com"}'))
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  return { body, read: () => state.pulls }
}

const bindings = { SIGN_IN_LIMIT: { limit: async () => ({ success: false }) } }
const vars = { PASSWORDS: { sign_in: true, sign_up: true } }

describe('a client that is over its limit', () => {
  it.each(['/auth/sign-in', '/auth/sign-up', '/auth/password', '/auth/reset'])(
    'is refused before its body is read: %s',
    async (path) => {
      for (const extra of [{}, { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }]) {
        const world = await createWorld({ bindings, vars })
        const { body, read } = watchedBody()
        const headers = { 'Content-Type': 'application/json', Origin: ISSUER, ...extra }
        const response = await world.send(path, { method: 'POST', body, headers })
        expect([response.status, read()]).toEqual([429, 0])
        expect(world.count().roundTrips).toBe(0)
      }
    },
  )
})

describe('headers beyond all bounds', () => {
  it.each([
    ['an ambiguous path', '/a%2Fb'],
    ['a path of the gateway', '/auth/sign-in'],
    ['a route', '/orders'],
  ])('are refused before anything is parsed: %s', async (_, path) => {
    const world = await createWorld()
    const response = await world.send(path, {
      headers: { Cookie: ';'.repeat(40_000), Accept: 'text/html,'.repeat(9000) },
    })
    expect(response.status).toBe(431)
    expect(await response.json()).toMatchObject({ code: 'headers_too_large' })
  })
})
