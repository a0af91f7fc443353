// Requests on their way: from a client through an isolate and back, each answer held against what the reference knows.

import type { Body } from '../../src/auth/body.ts'
import { createDatabase } from '../../src/database.ts'
import { Denial } from '../../src/denial.ts'
import type { LogEvent } from '../../src/log.ts'
import type { Exchange, Runtime } from '../../src/runtime.ts'
import { createEndedSessions } from '../../src/sessions/ended.ts'
import { createMarkers, markerKey } from '../../src/sessions/markers.ts'
import type { Digest, Recent } from '../../src/sessions/recent.ts'
import { createRecent, SLACK } from '../../src/sessions/recent.ts'
import { createRenewals } from '../../src/sessions/renewals.ts'
import type { RaisedVersion } from '../../src/sessions/store.ts'
import type { Ticker } from '../../src/sessions/ticks.ts'
import { createTokenMemory } from '../../src/tokens/memory.ts'
import type { Client } from './clients.ts'
import { headersOf, keepAll, sessionIdOf } from './clients.ts'
import type { FakeD1 } from './fake-d1.ts'
import type { FakeKv } from './fake-kv.ts'
import type { Told } from './plain.ts'
import { createRequest, minted } from './plain.ts'
import type { Reference } from './reference.ts'
import type { Schedule } from './schedule.ts'
import { LAG_MS } from './schedule.ts'

export type Isolate = Pick<Runtime, 'markers' | 'recent' | 'tokens' | 'renewals' | 'ended'>

/** A request that has arrived. */
export interface Flow {
  readonly exchange: Exchange
  readonly logged: readonly LogEvent[]
  readonly raised: readonly RaisedVersion[]
  /** The session of the credential that was sent, and whether it was over before the request arrived. */
  readonly sessionId: string | null
  readonly wasOver: boolean
}

/** What a client asks for. */
export interface Errand {
  readonly what: string
  readonly isolate: Isolate
  readonly body?: Body
  readonly run: (flow: Flow) => Promise<Told>
  /** Looks at an answer that ends or changes something. */
  readonly given?: (told: Told) => void
}

export interface SceneParts {
  readonly schedule: Schedule
  readonly d1: FakeD1
  readonly kv: FakeKv
  readonly reference: Reference
  /** As `loadRuntime` gives it; its bindings are replaced. */
  readonly base: Runtime
  readonly violate: (promise: string, detail: unknown) => void
}

const ADDRESS = '192.0.2.1'
/** For how long a client does nothing that an answer might come to undo. */
const PATIENCE_MS = 40_000

export function createScene({ schedule, d1, kv, reference, base, violate }: SceneParts) {
  const byThief = new WeakSet<object>()
  const raisedBy = new WeakMap<object, RaisedVersion[]>()
  const seen = { failedPublications: 0, raises: 0, ticks: 0 }

  function createIsolate(): Isolate {
    const { kvTtl, isolateTtl } = base.config.revocation
    const markers = createMarkers({ kv: kv.createLocation(), kvTtl, isolateTtl, now: schedule.now })
    return {
      markers,
      recent: watchRecent(createRecent({ markers, signed: base.signed, config: base.config, now: schedule.now })),
      tokens: createTokenMemory(),
      ended: createEndedSessions(schedule.now),
      renewals: createRenewals(base.config.sessions.reuseGrace, schedule.now),
    }
  }

  function createFlow(isolate: Isolate, request: Request, sessionId: string | null, isThief = false): Flow {
    const logged: LogEvent[] = []
    const raised: RaisedVersion[] = []
    function log(event: LogEvent): void {
      logged.push(event)
      if (event.event === 'publication') seen.failedPublications += 1
    }
    const runtime = { ...base, ...isolate, db: createDatabase(d1.binding), now: schedule.now, log }
    for (const through of [runtime, runtime.db]) {
      if (isThief) byThief.add(through)
      raisedBy.set(through, raised)
    }
    const exchange = {
      request,
      head: request,
      requestId: 'scheduled',
      clientAddress: ADDRESS,
      runtime,
      note: null,
      waitUntil,
    }
    return { exchange, logged, raised, sessionId, wasOver: sessionId !== null && !reference.isAlive(sessionId) }
  }

  /** Whatever came after a token was minted is listed, but for what is younger than a marker may be. */
  function watchRecent({ refresh, covering }: Recent): Recent {
    const { kvTtl, isolateTtl } = base.config.revocation
    function coveringAll(issuedAt: unknown): Digest | null {
      const digest = covering(issuedAt)
      const missed = (digest === null ? [] : reference.raises).filter(
        ({ userId, version, at }) =>
          at >= Number(issuedAt) - SLACK &&
          at <= schedule.now() - kvTtl - isolateTtl &&
          (digest?.versions.get(userId) ?? 0) < version,
      )
      if (missed.length > 0) violate('a digest that is gone by lists who changed', { issuedAt, digest, missed })
      return digest
    }
    return { refresh, covering: coveringAll }
  }

  /** The request arrives, is answered, and the answer arrives: each at a point of the schedule. */
  function send(client: Client, errand: Errand): void {
    const { what, isolate, body = {} } = errand
    const now = schedule.nowMs()
    const request = createRequest(headersOf(client, now), body)
    const sessionId = sessionIdOf(client, now)
    const waiting = { what, until: now + PATIENCE_MS }
    client.waiting.add(waiting)
    const label = `${client.name}: ${what}`
    function receive(told: Told): void {
      client.waiting.delete(waiting)
      keepAll(client, told, schedule.nowMs())
    }
    schedule.happen(label, LAG_MS, () => {
      const flow = createFlow(isolate, request, sessionId, client.isThief)
      void answer(client, errand, flow).then((told) => schedule.deliver(`answer for ${label}`, () => receive(told)))
    })
  }

  async function answer(client: Client, errand: Errand, flow: Flow): Promise<Told> {
    try {
      const told = await errand.run(flow)
      judgeAnswer(errand, flow, told)
      return told
    } catch (error) {
      judgeRefusal(client, errand, flow, error)
      return { body: {}, cookies: error instanceof Denial ? (error.details.cookies ?? []) : [] }
    }
  }

  function judgeAnswer({ what, given }: Errand, { wasOver, logged, raised }: Flow, told: Told): void {
    if (wasOver && what !== 'sign in' && givesAway(told)) violate('what has ended never comes back', { what })
    if (given === undefined) return
    given(told)
    if (logged.some(({ event }) => event === 'publication')) return
    for (const { userId, tokenVersion } of raised) {
      const isReached = kv.history(markerKey(userId)).some((version) => Number(version) >= tokenVersion)
      if (!isReached) violate('what an answer calls ended or changed has been published', { what, userId })
    }
  }

  /** Nobody is signed out whose session is alive, and nothing fails but what was made to fail. */
  function judgeRefusal({ name, isThief }: Client, { what, body }: Errand, flow: Flow, error: unknown): void {
    const code = error instanceof Denial ? error.code : 'fault'
    const isOvertaken = what === 'sign in' && code === 'unavailable'
    if (code === 'invalid_sign_in' || isOvertaken) return
    if (code === 'unavailable' || code === 'fault') {
      if (!schedule.isDisturbed()) violate('nothing fails by itself', { what, error: String(error) })
      return
    }
    if (isThief || flow.sessionId === null || !reference.isAlive(flow.sessionId)) return
    if (wasReplaced(reference, flow.sessionId, flow.exchange.request, body)) return
    if (carriesGood(flow.exchange.request, schedule.now())) {
      violate('nobody is signed out whose session is alive', { name, what, code })
    }
  }

  /** Of a run of the cron. */
  function createTicker(runtime: Runtime): Ticker {
    return { ...runtime, db: createDatabase(d1.promptly), sleepUntil: schedule.sleepUntil, log: () => undefined }
  }

  return {
    createIsolate,
    createFlow,
    createTicker,
    send,
    isThief: (through: object) => byThief.has(through),
    raised: (through: object, users: readonly RaisedVersion[]) => {
      seen.raises += users.length
      raisedBy.get(through)?.push(...users)
    },
    /** What has to be known before D1 and KV are compared. */
    seen,
  }
}

/** What works beside an answer logs its own failures. */
function waitUntil(work: Promise<unknown>): void {
  work.catch(() => undefined)
}

function givesAway({ body, cookies }: Told): boolean {
  return typeof body['access_token'] === 'string' || cookies.some((line) => !/Max-Age=0\b/.test(line))
}

/** True where a request carries a credential that was replaced on purpose since: its client may not have the new one yet. */
function wasReplaced(reference: Reference, sessionId: string, request: Request, body: Errand['body']): boolean {
  const { replaced } = reference.sessions.get(sessionId) ?? { replaced: null }
  if (replaced === null) return false
  const texts = [request.headers.get('Cookie') ?? '', body?.['refresh_token'] ?? '']
  const generations = texts.flatMap((text) => /ses_[A-Za-z0-9_-]{22}\.(\d+)\./.exec(text)?.[1] ?? [])
  if (generations.length > 0) return generations.some((generation) => Number(generation) <= replaced.generation)
  const [, token] = request.headers.get('Authorization')?.split(' ') ?? []
  return (minted.get(token ?? '')?.version ?? 0) < replaced.version
}

/** A browser's cookies are renewed; an API client has to refresh by itself before its access token expires. */
function carriesGood(request: Request, now: number): boolean {
  const [, token] = request.headers.get('Authorization')?.split(' ') ?? []
  return request.headers.has('Cookie') || (minted.get(token ?? '')?.expiresAt ?? 0) > now
}
