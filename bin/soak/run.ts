// The soak: users live on while the gateway is killed again and again, and at the end everything acknowledged still holds.
import { setTimeout as sleep } from 'node:timers/promises'

import { hashPassword } from '../../src/accounts/passwords.ts'
import { isObject } from '../../src/json.ts'
import type { Gateway, Traffic } from './gateway.ts'
import { startGateway } from './gateway.ts'
import type { Scene, Tally, User } from './user.ts'
import { chance, liveOn, lookAtMarkers, lookBack, pick, retire } from './user.ts'

export interface Report {
  readonly kills: number
  readonly ticks: number
  readonly users: number
  readonly traffic: Traffic
  readonly tally: Tally
  /** Empty where all is well. */
  readonly violations: readonly string[]
}

export interface Plan {
  readonly kills: number
  /** Users who are there at the same time. */
  readonly clients: number
  /** Told after each kill. */
  readonly onKill?: (kills: number) => void
}

const PASSWORD = 'correct horse battery'
/** Answers that a gateway gives before it is killed, at most. */
const ANSWERS = 24
/** Steps of one user, at most. */
const STEPS = 20
/** One life of the gateway in so many sees a tick of the cron. */
const LIVES_PER_TICK = 4

interface State {
  readonly users: User[]
  isOver: boolean
  ticks: number
}

export async function soak(plan: Plan): Promise<Report> {
  const gateway = await startGateway()
  try {
    return await soakOn(gateway, plan)
  } finally {
    await gateway.stop()
  }
}

async function soakOn(gateway: Gateway, plan: Plan): Promise<Report> {
  const scene: Scene = { gateway, tally: new Map(), ends: { asked: 0, acknowledged: 0 }, violations: [] }
  const state: State = { users: [], isOver: false, ticks: 0 }
  const hash = await hashPassword(PASSWORD)
  const clients = Array.from({ length: plan.clients }, () => succeedOneAnother(scene, state, hash))
  await Promise.all([killAgainAndAgain(scene, state, plan), ...clients])
  await Promise.all(state.users.map((user) => lookBack(scene, user)))
  await expectPublished(scene)
  // What an isolate remembers must not stand in for what was published.
  await gateway.kill()
  await Promise.all(state.users.map((user) => lookAtMarkers(scene, user)))
  const { tally, violations } = scene
  return {
    kills: plan.kills,
    ticks: state.ticks,
    users: state.users.length,
    traffic: gateway.traffic(),
    tally,
    violations,
  }
}

/** The last kill finds everybody in his last step. */
async function killAgainAndAgain(scene: Scene, state: State, { kills, onKill }: Plan): Promise<void> {
  for (let kill = 1; kill <= kills && !state.isOver; kill += 1) {
    if (kill % LIVES_PER_TICK === 0) void countTick(scene.gateway, state)
    if (kill === kills) state.isOver = true
    await untilDeath(scene)
    await scene.gateway.kill()
    onKill?.(kill)
  }
}

/** One user after another, each for some steps: what is lost of a last step nobody but the cron puts right. */
async function succeedOneAnother(scene: Scene, state: State, hash: string): Promise<void> {
  try {
    while (!state.isOver) await liveThrough(scene, state, hash)
  } finally {
    state.isOver = true
  }
}

async function liveThrough(scene: Scene, state: State, hash: string): Promise<void> {
  const user = describeUser(`user-${state.users.length}`)
  state.users.push(user)
  await insertUser(scene.gateway, user, hash)
  const steps = Math.ceil(Math.random() * STEPS)
  for (let step = 0; step < steps && !state.isOver; step += 1) await liveOn(scene, user)
  if (chance(0.7)) await retire(scene, user)
}

/** After some answers; often a little later, while an end is on its way or as soon as one is acknowledged. */
async function untilDeath({ gateway, ends }: Scene): Promise<void> {
  const begun = gateway.traffic().answered
  const goal = begun + Math.ceil(Math.random() * ANSWERS)
  await until(() => gateway.traffic().answered >= goal)
  const { asked, acknowledged } = ends
  const isTime = pick([() => true, () => ends.asked > asked, () => ends.acknowledged > acknowledged])
  await until(() => isTime?.() === true || gateway.traffic().answered >= goal + ANSWERS)
  await sleep(Math.random() * 15)
}

async function until(isTime: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!isTime() && Date.now() < deadline) await sleep(1)
}

async function countTick(gateway: Gateway, state: State): Promise<void> {
  if (await gateway.tick()) state.ticks += 1
}

function describeUser(id: string): User {
  return { id, email: `${id}@example.com`, password: PASSWORD, living: new Map(), dead: [] }
}

async function insertUser(gateway: Gateway, { id, email }: User, hash: string): Promise<void> {
  await gateway.query(
    `INSERT INTO users (id, email, password_hash, token_version, created_at, changed_at)
     VALUES (?1, ?2, ?3, 1, unixepoch(), unixepoch()) ON CONFLICT DO NOTHING`,
    id,
    email,
    hash,
  )
}

/** Who has never signed in has no tokens, and no marker. */
const SIGNED_IN = `SELECT id, token_version, published_version FROM users
  WHERE EXISTS (SELECT 1 FROM sessions WHERE user_id = users.id) ORDER BY id`

/** After two ticks KV says what D1 says. */
async function expectPublished({ gateway, violations }: Scene): Promise<void> {
  for (const tick of [1, 2]) {
    if (!(await gateway.tick())) violations.push(`tick ${tick} failed`)
  }
  const rows = await gateway.query(SIGNED_IN)
  const ids = rows.map((row) => (isObject(row) ? String(row['id']) : ''))
  const markers = await gateway.readMarkers(ids)
  for (const [at, row] of rows.entries()) {
    if (!isObject(row)) continue
    const { token_version: version, published_version: published } = row
    if (markers[at] !== String(version))
      violations.push(`${ids[at]}: KV says ${String(markers[at])}, D1 ${String(version)}`)
    if (published !== version) violations.push(`${ids[at]}: never confirmed`)
  }
}
