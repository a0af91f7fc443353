// One step of a schedule: what somebody, or time, does next.

import type { Client } from './clients.ts'
import { NAMES, rob } from './clients.ts'
import { changePassword, endAnother, endEverywhere, endOwn, refreshTimes, signInAgain, use } from './errands.ts'
import { control, operate, runCron } from './operators.ts'
import type { Isolate } from './scene.ts'
import { LAG_MS } from './schedule.ts'
import type { World } from './scheduled-world.ts'

/** Milliseconds: `isolate_ttl`, and how long after a tick its digest is asked for. */
const TICK_MS = 5000
const ASKED_AFTER_MS = 2000

/** `who` and `other` are clients, `at` an isolate. */
export type Step =
  | {
      readonly do: 'use'
      readonly who: number
      readonly at: number
      readonly on: 'marker' | 'session' | 'expiry'
      /** A browser whose access cookie has gone. */
      readonly isBare: boolean
    }
  | { readonly do: 'refresh'; readonly who: number; readonly at: number; readonly times: number }
  | {
      readonly do: 'go on' | 'ask again' | 'cross a tick' | 'sign in' | 'sign out'
      readonly who: number
      readonly at: number
    }
  | { readonly do: 'sign out everywhere' | 'change password'; readonly who: number; readonly at: number }
  | { readonly do: 'end another'; readonly who: number; readonly other: number; readonly at: number }
  | { readonly do: 'change roles'; readonly user: number; readonly role: string; readonly at: number }
  | { readonly do: 'end all of' | 'disable' | 'enable'; readonly user: number; readonly at: number }
  | { readonly do: 'steal'; readonly who: number }
  /** What was stolen of somebody is used, at first what he held in the beginning. */
  | { readonly do: 'spend'; readonly who: number; readonly at: number; readonly on: 'refresh' | 'marker' }
  | { readonly do: 'cron' }
  | { readonly do: 'pass'; readonly ms: number }

/** Begins a step; nothing but time is waited for. */
export async function begin(world: World, step: Step): Promise<void> {
  const isolate = world.isolates['at' in step ? step.at : 0] ?? world.cronIsolate
  const client = world.clients['who' in step ? step.who : 0] ?? world.nobody
  const userId = world.users['user' in step ? step.user : 0] ?? ''
  switch (step.do) {
    case 'use':
      if (step.isBare && client.isBrowser) client.jar.delete(NAMES.access)
      return use(world, client, isolate, step.on)
    case 'refresh':
      return refreshTimes(world, client, isolate, step.times)
    case 'go on':
      await world.schedule.pass(61_000)
      refreshTimes(world, client, isolate, 1)
      return world.schedule.pass(12_000)
    case 'ask again':
      return askAgain(world, client, isolate)
    case 'cross a tick':
      return crossTick(world, client, isolate)
    case 'sign in':
      return signInAgain(world, client, isolate)
    case 'sign out':
      return endOwn(world, client, isolate)
    case 'sign out everywhere':
      return endEverywhere(world, client, isolate)
    case 'change password':
      return changePassword(world, client, isolate)
    case 'end another':
      return endAnother(world, client, world.clients[step.other] ?? world.nobody, isolate)
    case 'change roles':
      return control(world, isolate, `change;sub="${userId}";roles="${step.role}"`)
    case 'end all of':
      return control(world, isolate, `end-all;sub="${userId}"`)
    case 'disable':
    case 'enable':
      return operate(world, isolate, step.do, userId)
    case 'steal':
      world.thieves[step.who] = rob(client)
      return
    case 'spend': {
      const thief = world.thieves[step.who] ?? world.nobody
      return step.on === 'refresh' ? refreshTimes(world, thief, isolate, 1) : use(world, thief, isolate, step.on)
    }
    case 'cron':
      return runCron(world)
    case 'pass':
      return world.schedule.pass(step.ms)
  }
}

/** Whoever dies before he has kept an answer asks again, in parallel, and near the end of the window. */
async function askAgain(world: World, client: Client, isolate: Isolate): Promise<void> {
  await world.schedule.pass(61_000)
  const before = [...client.jar]
  refreshTimes(world, client, isolate, 1)
  await world.schedule.pass(32_000)
  for (const [name, kept] of before) client.jar.set(name, kept)
  return refreshTimes(world, client, isolate, 2)
}

/** One request before the isolate asks for another digest, one right after: the answers may come in any order. */
async function crossTick(world: World, client: Client, isolate: Isolate): Promise<void> {
  const { schedule } = world
  const from = schedule.nowMs() + LAG_MS + 100
  const next = Math.ceil((from - ASKED_AFTER_MS) / TICK_MS) * TICK_MS + ASKED_AFTER_MS
  await schedule.pass(next - from)
  use(world, client, isolate, 'marker')
  await schedule.pass(150)
  use(world, client, isolate, 'marker')
  return schedule.pass(LAG_MS)
}
