// What must hold when all is quiet again: D1 as the reference has it, KV as D1, and every token worth what D1 says.

import { Denial } from '../../src/denial.ts'
import { authenticate } from '../../src/gateway/authenticate.ts'
import type { Exchange } from '../../src/runtime.ts'
import { markerKey } from '../../src/sessions/markers.ts'
import type { AccessClaims } from '../../src/tokens/mint.ts'
import { KV_LAG_MS } from './fake-kv.ts'
import { runCron } from './operators.ts'
import { createRequest, minted } from './plain.ts'
import type { Isolate } from './scene.ts'
import type { World } from './scheduled-world.ts'

const DEMAND = { access: 'required', acceptsSelf: true, issuers: [], revocation: 'marker', onOutage: 'deny' } as const

/** The last crash is over. The first tick after it may be overtaken by whatever is still on its way. */
export function beginRepair(world: World): void {
  world.schedule.calm()
  runCron(world)
}

/** The second tick. */
export async function tickInPeace(world: World): Promise<void> {
  const { schedule } = world
  await schedule.pass(1000)
  await schedule.instantly(async () => runCron(world))
}

export function compareDatabase({ d1, reference, violate }: World): void {
  const users = [...reference.users.values()].map(({ id, epoch, version, passwordHash, roles }) => [
    id,
    epoch,
    version,
    passwordHash,
    JSON.stringify(roles),
  ])
  const sessions = [...reference.sessions.values()].map((session) => [
    session.id,
    session.epoch,
    session.generation,
    session.previous,
    Number(session.isPresented),
    session.rotatedAt,
    session.endReason,
  ])
  const rows = [...d1.query(USERS), ...d1.query(SESSIONS)].map((row) => JSON.stringify(Object.values(row)))
  const foretold = [...users, ...sessions].map((row) => JSON.stringify(row))
  if (rows.join('\n') !== foretold.join('\n')) violate('D1 holds what was answered', { rows, foretold })
}

const USERS = `SELECT id, session_epoch, token_version, password_hash, roles
  FROM users ORDER BY id`
const SESSIONS = `SELECT id, session_epoch, generation, previous_generation, successor_presented, rotated_at, end_reason
  FROM sessions ORDER BY rowid`

/** Whatever overtook what: where nothing failed, and nobody changed faster than a publication or a tick follows, KV is right. */
export function compareUndisturbed({ d1, kv, schedule, scene, violate }: World): void {
  const { failedPublications, raises, ticks } = scene.seen
  if (schedule.isDisturbed() || failedPublications > 0 || raises > (ticks > 0 ? 1 : 2)) return
  for (const { id, version } of d1.query(`SELECT id, token_version AS version FROM users WHERE ${PUBLISHED}`)) {
    const marker = kv.read(markerKey(String(id)))
    if (marker !== String(version))
      violate('where nothing fails KV equals D1 without the cron', { id, version, marker })
  }
}

const PUBLISHED = 'published_version > 0 OR token_version > created_at * 1000'

/** Two ticks after the last crash. */
export function compareMarkers({ d1, kv, violate }: World): void {
  for (const { id, version } of d1.query('SELECT id, token_version AS version FROM users')) {
    const marker = kv.read(markerKey(String(id)))
    if (marker !== String(version)) violate('two ticks after the last crash KV equals D1', { id, version, marker })
  }
}

export function compareConfirmed({ d1, violate }: World): void {
  const unconfirmed = d1.query('SELECT id FROM users WHERE published_version IS NOT token_version')
  if (unconfirmed.length > 0) violate('what was published is confirmed', unconfirmed)
}

/** Opening a session races with a change of the password, and never survives it. */
export function compareProofs({ d1, reference, violate }: World): void {
  for (const { id, hash } of d1.query(LIVING)) {
    if (reference.sessions.get(String(id))?.proof === hash) continue
    violate('no session outlives the password that it was opened by', { id })
  }
}

const LIVING = `SELECT s.id, u.password_hash AS hash FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.ended_at IS NULL AND s.session_epoch = u.session_epoch AND u.disabled_at IS NULL`

/** Everybody who ever held a token tries it, once nothing that is older than D1 may be remembered anywhere. */
export async function tryEveryToken(world: World): Promise<void> {
  const { schedule, kv, scene, isolates, outage } = world
  await schedule.pass(KV_LAG_MS + 35_000)
  const held = findHeld(schedule.now())
  const places = [
    ...isolates.map((isolate) => ({ isolate, mode: 'good' }) as const),
    ...(['good', outage] as const).map((mode) => ({ isolate: scene.createIsolate(), mode })),
  ]
  await schedule.instantly(async () => {
    for (const { isolate, mode } of places) {
      kv.setMode(mode)
      for (const token of held.keys()) await tryToken(world, isolate, token, mode)
    }
  })
}

/** Of each session and version the last token, if it has not expired. */
function findHeld(now: number): ReadonlyMap<string, AccessClaims> {
  const held = [...minted].filter(([, { expiresAt }]) => expiresAt > now)
  const last = new Map(held.map((entry) => [`${entry[1].session} ${entry[1].version}`, entry]))
  return new Map(last.values())
}

async function tryToken(world: World, isolate: Isolate, token: string, mode: string): Promise<void> {
  const { scene, reference, violate } = world
  const claims = minted.get(token)
  const sessionId = claims?.session ?? ''
  const { exchange } = scene.createFlow(isolate, createRequest(new Headers(), {}), sessionId)
  const worth = await worthOf(exchange, token)
  const current = reference.users.get(claims?.subject ?? '')?.version
  const expected = reference.isAlive(sessionId) ? current : 'invalid_token'
  if (worth !== expected) violate('in the end a token is worth what D1 says', { claims, mode, worth, expected })
}

/** The version that a token stands for now, or the code of its refusal. */
async function worthOf(exchange: Exchange, token: string): Promise<unknown> {
  try {
    return (await authenticate(exchange, { kind: 'bearer', token }, DEMAND)).identity?.version
  } catch (error) {
    return error instanceof Denial ? error.code : String(error)
  }
}
