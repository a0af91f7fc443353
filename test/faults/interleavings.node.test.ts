// Every order in which things may happen to sessions: the real modules over a D1 and a KV that lag, fail and forget.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { asyncDefaultReportMessage, asyncProperty, check as checkProperty } from 'fast-check'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'

import { randomText } from '../../src/crypto.ts'
import { loadRuntime } from '../../src/runtime.ts'
import type { Runtime } from '../../src/runtime.ts'
import { generateSigningKey } from '../../src/tokens/keys.ts'
import type * as Mint from '../../src/tokens/mint.ts'
import {
  beginRepair,
  compareConfirmed,
  compareDatabase,
  compareMarkers,
  compareProofs,
  compareUndisturbed,
  tickInPeace,
  tryEveryToken,
} from '../support/aftermath.ts'
import { prepareBeginning } from '../support/beginnings.ts'
import { configEnv } from '../support/config-env.ts'
import { createFakeD1 } from '../support/fake-d1.ts'
import { plan } from '../support/plans.ts'
import type { Plan } from '../support/plans.ts'
import type { Schedule } from '../support/schedule.ts'
import { check, createWorld } from '../support/scheduled-world.ts'
import type { World } from '../support/scheduled-world.ts'
import { begin } from '../support/steps.ts'

vi.mock('../../src/tokens/mint.ts', async (original) => {
  const { mintPlainly } = await import('../support/plain.ts')
  return { ...(await original<typeof Mint>()), mintAccessToken: mintPlainly }
})
vi.mock('../../src/tokens/verify.ts', async () => ({
  verifyToken: (await import('../support/plain.ts')).verifyPlainly,
}))
vi.mock('../../src/accounts/hashing.ts', async () => ({
  createHashing: (await import('../support/plain.ts')).createPlainHashing,
}))
vi.mock('../../src/accounts/attempts.ts', async () => {
  const { takeTicketPlainly, takeTicketOfUserPlainly } = await import('../support/plain.ts')
  return { takeTicket: takeTicketPlainly, takeTicketOfUser: takeTicketOfUserPlainly, forgetAttempts: () => [] }
})
vi.mock('../../src/auth/body.ts', async () => ({ readBody: (await import('../support/plain.ts')).readPlainBody }))
vi.mock('../../src/auth/answer.ts', async () => ({ answerJson: (await import('../support/plain.ts')).answerPlainly }))
vi.mock('../../src/sessions/lifecycle.ts', async (original) => {
  const { watchLifecycle } = await import('../support/watched.ts')
  return watchLifecycle(await original())
})
vi.mock('../../src/sessions/rotation.ts', async (original) => {
  const { watchRotation } = await import('../support/watched.ts')
  return watchRotation(await original())
})
vi.mock('../../src/auth/control-batch.ts', async (original) => {
  const { watchControl } = await import('../support/watched.ts')
  return watchControl(await original())
})

const SCHEDULES = Number(process.env['SCHEDULES'] ?? 20_000)
/** The same schedules on every machine; another SEED plays others. */
const SEED = Number(process.env['SEED'] ?? 1_241_665_317)
/** Not to be shrunk where it only matters that one is found. */
const SHRINKS = process.env['SHRINK'] !== 'no'

const d1 = createFakeD1(readFileSync(join(import.meta.dirname, '..', '..', 'schema.sql'), 'utf8'))
const base = await load()
const stage = { d1, base, beginning: prepareBeginning(base) }
const running: { schedule: Schedule | null } = { schedule: null }

async function load(): Promise<Runtime> {
  const loaded = await loadRuntime({
    ...configEnv({
      TOKENS: { access_ttl: '3m' },
      SESSIONS: { idle_timeout: '10m', absolute_timeout: '30m', rotate_after: '1m', max_per_user: 2 },
      PASSWORDS: { sign_in: true },
    }),
    SIGN_IN_LIMIT: { limit: async () => ({ success: true }) },
    SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
    SESSION_KEYS: randomText(32),
  })
  if (loaded.outcome !== 'ready') throw new Error(loaded.problems.join(', '))
  return loaded.runtime
}

const { stackTraceLimit } = Error
beforeAll(() => {
  // Stacks of errors that are expected take longer than all the rest.
  Error.stackTraceLimit = 0
  vi.stubGlobal('setTimeout', (run: () => void, ms: number) => running.schedule?.setTimer(run, ms))
  vi.stubGlobal('clearTimeout', (entry: ReturnType<Schedule['setTimer']>) => running.schedule?.clearTimer(entry))
})
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit
  vi.unstubAllGlobals()
})

async function play({ steps, isHasty, ...circumstances }: Plan): Promise<void> {
  const world = createWorld(stage, circumstances)
  const { schedule } = world
  running.schedule = schedule
  const begun = steps.map((next) => ({ label: JSON.stringify(next), builder: () => begin(world, next) }))
  const last = { label: 'nothing fails any more', builder: async () => beginRepair(world) }
  circumstances.scheduler.scheduleSequence(isHasty ? [...begun, last] : begun)
  await schedule.drain(() => check(world))
  if (!isHasty) {
    compareUndisturbed(world)
    beginRepair(world)
    await schedule.drain(() => check(world))
  }
  await conclude(world)
}

async function conclude(world: World): Promise<void> {
  await tickInPeace(world)
  compareDatabase(world)
  compareProofs(world)
  compareMarkers(world)
  compareConfirmed(world)
  await tryEveryToken(world)
  check(world)
}

it(`keeps every promise in ${SCHEDULES} schedules`, { timeout: 3_600_000 }, async () => {
  const began = performance.now()
  const result = await checkProperty(asyncProperty(plan, play), {
    numRuns: SCHEDULES,
    endOnFailure: !SHRINKS,
    seed: SEED,
  })
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`interleavings: ${result.numRuns} schedules in ${seconds} s, seed ${result.seed}`)
  if (result.failed) throw new Error(`${describe(result.errorInstance)}\n${await asyncDefaultReportMessage(result)}`)
  expect(result.numRuns).toBe(SCHEDULES)
})

/** The promise that was broken. */
function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
