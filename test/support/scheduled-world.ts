// The world of one schedule: people and thieves, two isolates and the cron's, a D1, a KV, and the reference.

import type { Scheduler } from 'fast-check'

import type { Runtime } from '../../src/runtime.ts'
import type { SessionState } from '../../src/sessions/store.ts'
import type { Beginning } from './beginnings.ts'
import { START, USERS } from './beginnings.ts'
import { createClient, rob } from './clients.ts'
import type { FakeD1 } from './fake-d1.ts'
import { createFakeKv } from './fake-kv.ts'
import type { KvOptions } from './fake-kv.ts'
import { minted } from './plain.ts'
import { createReference } from './reference.ts'
import { createScene } from './scene.ts'
import type { PlannedFault } from './schedule.ts'
import { createSchedule } from './schedule.ts'
import { watchWith } from './watched.ts'

export interface Circumstances {
  readonly scheduler: Scheduler
  readonly faults: readonly PlannedFault[]
  /** KV refuses to write a key more than once a second. */
  readonly limitsWrites: boolean
  readonly mishaps: KvOptions['mishaps']
  /** Users that a digest may list. */
  readonly digestCap: number
  /** What KV does when it is down at last. */
  readonly outage: 'failing' | 'empty'
}

/** What lasts from schedule to schedule. */
export interface Stage {
  readonly d1: FakeD1
  readonly base: Runtime
  readonly beginning: Beginning
}

export type World = ReturnType<typeof createWorld>

export function createWorld({ d1, base, beginning }: Stage, circumstances: Circumstances) {
  const { scheduler, faults, limitsWrites, mishaps, digestCap, outage } = circumstances
  const schedule = createSchedule(scheduler, faults, START * 1000)
  d1.begin(schedule)
  minted.clear()
  const kv = createFakeKv(schedule, { limitsWrites, mishaps })
  const reference = createReference(base.config, schedule.nowMs)
  const violations: string[] = []
  const violate = (promise: string, detail: unknown) => void violations.push(`${promise} ${JSON.stringify(detail)}`)
  const scene = createScene({ schedule, d1, kv, reference, base, violate })
  const { isThief, raised } = scene
  watchWith({ d1, reference, violate, handedOut: createSuccession(violate), isThief, raised })
  const clients = beginning(d1, reference)
  return {
    schedule,
    d1,
    kv,
    reference,
    scene,
    outage,
    digestCap,
    violations,
    violate,
    users: USERS,
    clients,
    /** One of each client. */
    thieves: clients.map(rob),
    /** Who has no credential: an operator, an upstream. */
    nobody: createClient('operator', '', false),
    isolates: [scene.createIsolate(), scene.createIsolate()],
    cronIsolate: scene.createIsolate(),
    passwords: { count: 0 },
    /** The highest version that each isolate has known of each user. */
    known: [0, 1, 2].map(() => new Map<string, number>()),
    /** When the digest that each isolate goes by was made. */
    digestsOf: [0, 0, 0],
  }
}

/** One line of tokens a session: a generation is made once, and after it none that is older is given out. */
function createSuccession(violate: (promise: string, detail: unknown) => void): (session: SessionState) => void {
  const given: SessionState[] = []
  return (session) => {
    for (const other of given) {
      if (other.sessionId !== session.sessionId) continue
      const isMadeTwice = other.generation === session.generation && other.rotatedAt !== session.rotatedAt
      const [earlier, later] = other.readAt < session.readAt ? [other, session] : [session, other]
      const isOvertaken = earlier.readAt < later.readAt && earlier.generation > later.generation
      if (isMadeTwice || isOvertaken) violate('a session has one live successor', { earlier, later })
    }
    given.push(session)
  }
}

/** What must hold after every step. @throws Error with the promise that was broken */
export function check({ violations, violate, isolates, cronIsolate, users, known, digestsOf }: World): void {
  for (const [index, { markers, recent }] of [...isolates, cronIsolate].entries()) {
    const last = digestsOf[index] ?? 0
    const asOf = recent.covering(Number.POSITIVE_INFINITY)?.asOf ?? last
    if (asOf < last) violate('an isolate never goes back to an older digest', { last, asOf })
    digestsOf[index] = asOf
    for (const userId of users) {
      const version = markers.known(userId) ?? 0
      const before = known[index]?.get(userId) ?? 0
      if (version < before) violate('an isolate never lowers a marker', { userId, before, version })
      if (version > before) known[index]?.set(userId, version)
    }
  }
  if (violations.length > 0) throw new Error(violations.join('\n'))
}
