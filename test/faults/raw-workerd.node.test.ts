import { describe, expect, it } from 'vitest'

import { generateSigningKey } from '../../src/tokens/keys.ts'
import { ISSUER } from '../support/gateway.ts'
import { headerLines } from '../support/hostile/framing.ts'
import { crossings, generatedPaths, rawBytes, spellings } from '../support/hostile/paths.ts'
import { startRecorders } from '../support/hostile/recorder.ts'
import type { Credential, Hostile } from '../support/hostile/request.ts'
import { NOBODY } from '../support/hostile/request.ts'
import { issuersOf, ROUTE_NAMES, routesTo } from '../support/hostile/routes.ts'
import { startWalk } from '../support/hostile/walk.ts'
import { startRawWorkerd } from '../support/hostile/workerd.ts'

const SEED = 20_260_802

const recorders = await startRecorders(ROUTE_NAMES)
const workerd = await startRawWorkerd({
  ISSUER,
  ...issuersOf(ISSUER),
  ROUTES: routesTo(recorders.origins),
  SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
  SESSION_KEYS: Buffer.alloc(32, 7).toString('base64url'),
})
const walk = startWalk({ ...workerd, recorders, jwks: { keys: [] } })

/** There is no D1 here to sign in with, so nobody has a credential: what arrives, arrives where nobody is asked. */
const SOMEBODY: Credential = { ...NOBODY, name: 'somebody' }
const EVERYBODY = { user: SOMEBODY, admin: SOMEBODY, guest: SOMEBODY, browser: SOMEBODY }

async function survive(all: readonly Hostile[]): Promise<void> {
  const problems = await walk.send(all)

  expect(problems, `of ${all.length} requests`).toEqual([])
}

describe('in workerd alone, without a proxy that repairs', () => {
  it('a path with two readings is refused', () => survive(crossings(EVERYBODY)))

  it('another spelling of a path arrives in its canonical form, byte for byte, or is refused', async () => {
    const all = spellings(EVERYBODY).filter(({ credential, may }) => credential === NOBODY && !may.includes('own 200'))

    await survive(all)

    expect(all.length).toBeGreaterThanOrEqual(60)
    expect(walk.outcomes.get('passed')).toBeGreaterThanOrEqual(25)
  })

  it('any byte arrives in its canonical form, or is refused', () => survive(rawBytes()))
  it('so does a path put together by chance', () => survive(generatedPaths(EVERYBODY, SEED, 300)))

  it('lines that are no header lines are refused', () =>
    survive(headerLines(EVERYBODY).filter(({ target }) => target === '/public/x')))
})
