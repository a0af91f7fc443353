// Every order in which subjects of another issuer may be revoked and asked about: the real modules over a D1 and a KV that lag, fail and forget.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Scheduler } from 'fast-check'
import {
  array,
  asyncDefaultReportMessage,
  asyncProperty,
  check as checkProperty,
  constant,
  constantFrom,
  nat,
  oneof,
  record,
  scheduler,
} from 'fast-check'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'

import { revokeSubject } from '../../src/auth/revoke-subject.ts'
import { randomText } from '../../src/crypto.ts'
import { createDatabase } from '../../src/database.ts'
import { Denial } from '../../src/denial.ts'
import { judgeStanding } from '../../src/gateway/revocation.ts'
import { republishIssuers } from '../../src/issuers/lifecycle.ts'
import { createRevokedSubjects } from '../../src/issuers/revoked.ts'
import { issuerMarkerId } from '../../src/issuers/store.ts'
import type { Runtime } from '../../src/runtime.ts'
import { loadRuntime } from '../../src/runtime.ts'
import { createMarkers, markerKey } from '../../src/sessions/markers.ts'
import type { Identity } from '../../src/tokens/identity.ts'
import { generateSigningKey } from '../../src/tokens/keys.ts'
import { configEnv, issuer } from '../support/config-env.ts'
import { createFakeD1 } from '../support/fake-d1.ts'
import { createFakeKv, KV_LAG_MS } from '../support/fake-kv.ts'
import { identityOf } from '../support/identity.ts'
import { createRequest } from '../support/plain.ts'
import type { PlannedFault, Schedule } from '../support/schedule.ts'
import { createSchedule, FAULTS, LAG_MS } from '../support/schedule.ts'

const SCHEDULES = Number(process.env['SCHEDULES'] ?? 3000)
/** The same schedules on every machine; another SEED plays others. */
const SEED = Number(process.env['SEED'] ?? 1_241_665_317)
const START = 1_800_000_000

const SUBJECTS = ['ada', 'bob', 'cyd'] as const
const RULE = { revocation: 'marker', onOutage: 'deny' } as const
/** So few that an isolate has to forget. */
const MAX_SUBJECTS = 1

const subject = constantFrom(...SUBJECTS)
const at = nat(1)
const anyStep = oneof(
  { weight: 4, arbitrary: record({ do: constant('revoke' as const), subject, at }) },
  { weight: 8, arbitrary: record({ do: constant('use' as const), subject, at, age: constantFrom(0, 50, 4000) }) },
  {
    weight: 5,
    arbitrary: record({ do: constant('pass' as const), ms: constantFrom(1000, 6000, 16_000, 31_000, 61_000) }),
  },
  { weight: 2, arbitrary: record({ do: constant('cron' as const) }) },
)
const plan = record({
  scheduler: scheduler(),
  steps: array(anyStep, { minLength: 2, maxLength: 14, size: 'max' }),
  faults: array(record({ skip: nat(12), fault: constantFrom(...FAULTS) }), { maxLength: 3 }),
})

interface Plan {
  readonly scheduler: Scheduler
  readonly steps: readonly Step[]
  readonly faults: readonly PlannedFault[]
}
type Step =
  | { readonly do: 'revoke'; readonly subject: string; readonly at: number }
  | { readonly do: 'use'; readonly subject: string; readonly at: number; readonly age: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'cron' }

const d1 = createFakeD1(readFileSync(join(import.meta.dirname, '..', '..', 'schema.sql'), 'utf8'))
const base = await load()
const running: { schedule: Schedule | null } = { schedule: null }

async function load(): Promise<Runtime> {
  const loaded = await loadRuntime({
    ...configEnv({
      ISSUERS: [issuer],
      ROUTES: [{ path: '/*', upstream: 'https://a.example', issuers: [issuer.issuer] }],
    }),
    SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
    SESSION_KEYS: randomText(32),
  })
  if (loaded.outcome !== 'ready') throw new Error(loaded.problems.join(', '))
  return loaded.runtime
}

const { stackTraceLimit } = Error
beforeAll(() => {
  Error.stackTraceLimit = 0
  vi.stubGlobal('setTimeout', (run: () => void, ms: number) => running.schedule?.setTimer(run, ms))
  vi.stubGlobal('clearTimeout', (entry: ReturnType<Schedule['setTimer']>) => running.schedule?.clearTimer(entry))
})
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit
  vi.unstubAllGlobals()
})

/** A revocation that was answered. */
interface Told {
  readonly subject: string
  readonly revokedAt: number
  readonly toldAtMs: number
}

const { isolateTtl, kvTtl } = base.config.revocation
/** Milliseconds after which a revocation is felt where nothing fails: a call and its answer come late, and KV lags. */
const BOUND_MS = (isolateTtl + kvTtl) * 1000 + KV_LAG_MS + 2 * LAG_MS

type World = ReturnType<typeof createWorld>

function createWorld(order: Scheduler, faults: readonly PlannedFault[]) {
  const schedule = createSchedule(order, faults, START * 1000)
  running.schedule = schedule
  d1.begin(schedule)
  for (const table of ['revoked_subjects', 'revoked_issuers']) d1.query(`DELETE FROM ${table}`)
  const kv = createFakeKv(schedule, { limitsWrites: false, mishaps: ['none'] })
  const createIsolate = (): Runtime => ({
    ...base,
    markers: createMarkers({ kv: kv.createLocation(), kvTtl, isolateTtl, now: schedule.now }),
    revoked: createRevokedSubjects(MAX_SUBJECTS),
    db: createDatabase(d1.binding),
    now: schedule.now,
    log: () => undefined,
  })
  const told: Told[] = []
  const violations: string[] = []
  const isolates = [createIsolate(), createIsolate(), createIsolate()] as const
  return { schedule, kv, createIsolate, isolates, told, violations }
}

/** As D1 has it now, whoever has been told. */
function revokedAt(of: string): number {
  const [row] = d1.query('SELECT revoked_at FROM revoked_subjects WHERE subject = ?1', of)
  return Number(row?.['revoked_at'] ?? -Infinity)
}

async function judge(runtime: Runtime, identity: Identity): Promise<'passed' | 'refused' | 'cannot tell'> {
  const request = createRequest(new Headers(), {})
  const head = { request, head: request, requestId: '', clientAddress: null }
  const exchange = { ...head, runtime, note: null, waitUntil: () => undefined }
  try {
    return (await judgeStanding(exchange, identity, RULE)).outcome === 'ended' ? 'refused' : 'passed'
  } catch (error) {
    if (error instanceof Denial && error.code === 'unavailable') return 'cannot tell'
    throw error
  }
}

async function use({ schedule, told, violations }: World, runtime: Runtime, of: string, issuedAt: number) {
  const begunAt = schedule.nowMs()
  const verdict = await judge(runtime, identityFor(of, issuedAt))
  const isFelt = told.some(
    (each) => each.subject === of && issuedAt <= each.revokedAt && each.toldAtMs + BOUND_MS < begunAt,
  )
  if (verdict === 'refused' && issuedAt > revokedAt(of)) violations.push(`${of} was refused and not revoked`)
  if (verdict === 'passed' && isFelt && !schedule.isDisturbed()) violations.push(`${of} passed after the bound`)
}

async function revoke({ schedule, told }: World, runtime: Runtime, of: string): Promise<void> {
  const effectiveBy = await revokeSubject(runtime, { issuer: issuer.issuer, subject: of }, [])
  if (effectiveBy === null) throw new Error('no such issuer')
  told.push({ subject: of, revokedAt: revokedAt(of), toldAtMs: schedule.nowMs() })
}

/** What is begun goes on beside what comes next; a revocation whose outcome is unknown promises nothing. */
async function begin(world: World, step: Step): Promise<void> {
  const [one, other, cron] = world.isolates
  if (step.do === 'pass') return world.schedule.pass(step.ms)
  if (step.do === 'cron') return beginBeside(republishIssuers(cron))
  const runtime = step.at === 0 ? one : other
  if (step.do === 'revoke') return beginBeside(revoke(world, runtime, step.subject))
  const used = use(world, runtime, step.subject, world.schedule.now() - step.age)
  used.catch((error: unknown) => world.violations.push(`a request ended by ${String(error)}`))
}

/** Where D1 fails, the call fails. */
function beginBeside(work: Promise<unknown>): void {
  work.catch(() => undefined)
}

async function play({ scheduler: order, steps, faults }: Plan): Promise<void> {
  const world = createWorld(order, faults)
  const { schedule, isolates, violations } = world
  order.scheduleSequence(steps.map((step) => ({ label: JSON.stringify(step), builder: () => begin(world, step) })))
  await schedule.drain(() => expect(violations).toEqual([]))
  schedule.calm()
  await schedule.pass(61_000)
  await schedule.drain(() => undefined)
  await schedule.instantly(() => republishIssuers(isolates[2]))
  await schedule.pass(BOUND_MS)
  await schedule.instantly(() => conclude(world))
  expect(violations).toEqual([])
}

/** Nothing fails any more: KV has what D1 has, and everybody is worth what D1 says, in every isolate. */
async function conclude({ kv, isolates, createIsolate, violations }: World): Promise<void> {
  const rows = d1.query('SELECT CAST(revocations AS TEXT) AS marker FROM revoked_issuers')
  const marker = kv.read(markerKey(issuerMarkerId(issuer.issuer)))
  if (marker !== (rows[0]?.['marker'] ?? null)) violations.push(`the marker is ${marker}`)
  for (const runtime of [...isolates, createIsolate()]) {
    for (const of of SUBJECTS) {
      const last = revokedAt(of)
      for (const issuedAt of [START - 5000, last, last + 1].filter(Number.isFinite)) {
        const verdict = await judge(runtime, identityFor(of, issuedAt))
        const due = issuedAt <= last ? 'refused' : 'passed'
        if (verdict !== due) violations.push(`${of} ${verdict}, and is to be ${due}`)
      }
    }
  }
}

function identityFor(of: string, issuedAt: number): Identity {
  return identityOf({ issuer: issuer.issuer, subject: of, session: null, version: null, claims: { iat: issuedAt } })
}

it(`keeps every promise in ${SCHEDULES} schedules`, { timeout: 600_000 }, async () => {
  const result = await checkProperty(asyncProperty(plan, play), { numRuns: SCHEDULES, seed: SEED })
  if (result.failed) throw new Error(await asyncDefaultReportMessage(result))
  expect(result.numRuns).toBe(SCHEDULES)
})
