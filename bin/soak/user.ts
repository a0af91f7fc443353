// A user's days: devices that sign in, renew, are ended and are robbed, in an order left to chance; what must hold is kept beside.
import type { Device, Kind, Reply } from './client.ts'
import {
  endOther,
  generationOf,
  open,
  refresh,
  say,
  sessionOf,
  showAccess,
  signIn,
  signOut,
  signOutEverywhere,
  tryEverything,
  visit,
} from './client.ts'
import type { Gateway } from './gateway.ts'

/** How often what was done, acknowledged by an answer. */
export type Tally = Map<string, number>

export interface User {
  readonly id: string
  readonly email: string
  readonly password: string
  /** By session; what the owner of each holds now. */
  readonly living: Map<string, Device>
  /** What was ended, in every form that its owner, or a thief, still holds. */
  readonly dead: Device[]
}

/** How many ends were asked for, and how many of them were acknowledged. */
export interface Ends {
  asked: number
  acknowledged: number
}

export interface Scene {
  readonly gateway: Gateway
  readonly tally: Tally
  readonly ends: Ends
  /** What must not be, in words. */
  readonly violations: string[]
}

/** Devices that a user has at most. */
const DEVICES = 4
/** Seconds that pass between two requests of a device: a moment, more than `reuse_grace`, more than `rotate_after`. */
const PAUSES = [0, 0, 31, 3601]

type Step = (scene: Scene, user: User, device: Device) => Promise<void>

/** What a user with a living device does next, each as likely as its number says. */
const STEPS: readonly (readonly [weight: number, step: Step])[] = [
  [30, renew],
  [12, look],
  [14, openOne],
  [6, endHere],
  [6, endThere],
  [3, replace],
  [2, endEverywhere],
  [2, endByUpstream],
  [3, beRobbed],
  [5, change],
  [8, tryDead],
]

/** The last step: something of the user's is ended, and he is not seen again. */
export async function retire(scene: Scene, user: User): Promise<void> {
  const device = pick([...user.living.values()])
  if (device === undefined) return
  await (pick([endHere, endEverywhere, endByUpstream]) ?? endHere)(scene, user, device)
}

/** One step. */
export async function liveOn(scene: Scene, user: User): Promise<void> {
  const device = pick([...user.living.values()])
  if (device === undefined) return openOne(scene, user)
  const step = pick(STEPS.flatMap(([weight, each]) => Array.from({ length: weight }, () => each))) ?? renew
  await step(scene, user, device)
}

/** Every device that lives is let in, and none that is dead. */
export async function lookBack(scene: Scene, user: User): Promise<void> {
  for (const device of user.dead) await expectDead(scene, user, device)
  for (const device of user.living.values()) {
    await renew(scene, user, device)
    const statuses = await tryEverything(scene.gateway, user.living.get(sessionOf(device)) ?? device)
    if (!statuses.every((status) => status === 200))
      scene.violations.push(`${user.id}: alive, refused: ${statuses.join()}`)
  }
}

/** No access token of the dead passes where the marker alone is looked at. */
export async function lookAtMarkers(scene: Scene, user: User): Promise<void> {
  for (const device of user.dead) {
    const status = await showAccess(scene.gateway, device, '/orders')
    if (status !== 401) scene.violations.push(`${user.id}: ended and published, answered ${status}`)
  }
}

async function openOne(scene: Scene, user: User): Promise<void> {
  if (user.living.size >= DEVICES) return
  const kind = pick<Kind>(['token', 'browser']) ?? 'token'
  const device = chance(0.1)
    ? await signIn(scene.gateway, user.email, user.password, kind)
    : await open(scene.gateway, user.id, kind)
  if (device !== null) begin(scene, user, device)
}

/** Another session in the same browser takes the place of the one that was there. */
async function replace(scene: Scene, user: User, device: Device): Promise<void> {
  if (device.kind !== 'browser') return
  const successor = await open(scene.gateway, user.id, 'browser', device)
  if (successor === null) return
  end(scene, user, device, 'replaced')
  begin(scene, user, successor)
}

/** Once or three times at the same moment, after a pause; the newest answer is kept. */
async function renew(scene: Scene, user: User, device: Device): Promise<void> {
  await pause(scene, device)
  const inLine = device.kind === 'browser' && chance(0.5)
  // Some repeat at once what was lost, and some when the window of their token is over.
  const whenLost = chance(0.5) ? () => pass(scene, device, 31) : undefined
  const ask = () =>
    inLine ? visit(scene.gateway, device, '/strict', whenLost) : refresh(scene.gateway, device, whenLost)
  const replies = await Promise.all(Array.from({ length: chance(0.3) ? 3 : 1 }, ask))
  keep(scene, user, device, replies)
}

async function look(scene: Scene, user: User, device: Device): Promise<void> {
  keep(scene, user, device, [await visit(scene.gateway, device, pick(['/strict', '/orders']) ?? '/')])
}

async function endHere(scene: Scene, user: User, device: Device): Promise<void> {
  scene.ends.asked += 1
  const status = await signOut(scene.gateway, device)
  expectStatus(scene, user, 'sign-out', status, [200])
  end(scene, user, device, 'signed out')
}

async function endThere(scene: Scene, user: User, device: Device): Promise<void> {
  const other = [...user.living.values()].find((each) => sessionOf(each) !== sessionOf(device))
  if (other === undefined) return
  scene.ends.asked += 1
  const status = await endOther(scene.gateway, device, other)
  expectStatus(scene, user, 'ending another', status, [200])
  end(scene, user, other, 'ended from another device')
}

/** Where the answer is lost, the repetition is refused: the session that asks has ended with the others. */
async function endEverywhere(scene: Scene, user: User, device: Device): Promise<void> {
  scene.ends.asked += 1
  const status = await signOutEverywhere(scene.gateway, device)
  expectStatus(scene, user, 'sign-out everywhere', status, [200, 401])
  for (const each of user.living.values()) end(scene, user, each, 'signed out everywhere')
}

async function endByUpstream(scene: Scene, user: User): Promise<void> {
  scene.ends.asked += 1
  const status = await say(scene.gateway, `end-all;sub="${user.id}"`)
  expectStatus(scene, user, 'end-all', status, [200])
  for (const each of user.living.values()) end(scene, user, each, 'ended by the upstream')
}

/** A thief presents what the owner has left behind: both lose the session. */
async function beRobbed(scene: Scene, user: User, device: Device): Promise<void> {
  await pass(scene, device, 3601)
  const second = await refresh(scene.gateway, device)
  const third = await refresh(scene.gateway, second.device)
  keep(scene, user, device, [second, third])
  await pass(scene, device, 31)
  const { status } = await refresh(scene.gateway, device)
  expectStatus(scene, user, 'a stolen token', status, [401])
  user.dead.push(device)
  end(scene, user, third.device, 'ended by reuse')
}

async function change(scene: Scene, user: User): Promise<void> {
  const status = await say(scene.gateway, `change;sub="${user.id}";roles="role-${Math.floor(Math.random() * 1000)}"`)
  expectStatus(scene, user, 'change', status, [200])
  count(scene.tally, 'changed')
}

async function tryDead(scene: Scene, user: User): Promise<void> {
  const device = pick(user.dead)
  if (device !== undefined) await expectDead(scene, user, device)
}

async function expectDead(scene: Scene, user: User, device: Device): Promise<void> {
  const statuses = await tryEverything(scene.gateway, device)
  count(scene.tally, 'dead tried')
  if (!statuses.every((status) => status === 401)) {
    scene.violations.push(`${user.id}: ended, let in: ${statuses.join()}`)
  }
}

function begin(scene: Scene, user: User, device: Device): void {
  user.living.set(sessionOf(device), device)
  count(scene.tally, 'opened')
}

function end(scene: Scene, user: User, device: Device, how: string): void {
  scene.ends.acknowledged += 1
  user.living.delete(sessionOf(device))
  user.dead.push(device)
  count(scene.tally, how)
}

/** What a living device was answered: it must never be refused, and goes on with the newest. */
function keep(scene: Scene, user: User, device: Device, replies: readonly Reply[]): void {
  for (const { status } of replies) {
    if (status !== 200) scene.violations.push(`${user.id}: a living ${device.kind} was answered ${status}`)
  }
  const newest = replies
    .map((reply) => reply.device)
    .toSorted((one, other) => generationOf(other) - generationOf(one))[0]
  if (newest === undefined) return
  user.living.set(sessionOf(device), newest)
  count(scene.tally, generationOf(newest) > generationOf(device) ? 'rotated' : 'kept')
}

function expectStatus(scene: Scene, user: User, what: string, status: number, good: readonly number[]): void {
  if (!good.includes(status)) scene.violations.push(`${user.id}: ${what} was answered ${status}`)
}

async function pause(scene: Scene, device: Device): Promise<void> {
  const seconds = pick(PAUSES) ?? 0
  if (seconds > 0) await pass(scene, device, seconds)
}

/** D1's clock cannot be moved, so the row is: as if `seconds` had passed since its rotation. */
async function pass({ gateway }: Scene, device: Device, seconds: number): Promise<void> {
  await gateway.query('UPDATE sessions SET rotated_at = rotated_at - ?1 WHERE id = ?2', seconds, sessionOf(device))
}

function count(tally: Tally, what: string): void {
  tally.set(what, (tally.get(what) ?? 0) + 1)
}

export function pick<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)]
}

export function chance(share: number): boolean {
  return Math.random() < share
}
