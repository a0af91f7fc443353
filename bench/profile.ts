// Where a Worker's time goes: a CPU profile by the inspector protocol of workerd, and the functions at its top.

import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { RawData } from 'ws'
import { WebSocket } from 'ws'

import { isObject } from '../src/json.ts'
import { ROOT } from './bundles.ts'

/** The profile of what happens in the Worker while `work` runs: the form that browsers' tools open. */
export async function profileWhile(inspectorPort: number, work: () => Promise<unknown>): Promise<Profile> {
  const socket = new WebSocket(`ws://127.0.0.1:${inspectorPort}/worker`)
  await once(socket, 'open')
  const ask = createAsker(socket)
  await ask('Profiler.enable')
  await ask('Profiler.setSamplingInterval', { interval: SAMPLING_INTERVAL_MICROS })
  await ask('Profiler.start')
  await work()
  const profile = parseProfile(profileIn(await ask('Profiler.stop')))
  socket.close()
  return profile
}

/** Writes it where nothing is checked in. Gives the path. */
export function saveProfile(profile: Profile, name: string): string {
  const folder = join(ROOT, 'dist/bench')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${name}.cpuprofile`)
  writeFileSync(path, JSON.stringify(profile))
  return path
}

const SAMPLING_INTERVAL_MICROS = 100

/** As `Profiler.stop` gives it; what is not read here stays in it. */
export interface Profile {
  readonly nodes: readonly ProfileNode[]
  /** Ids of the nodes that were on top, and the microseconds from the look before to each. */
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

type Ask = (method: string, params?: unknown) => Promise<unknown>

function createAsker(socket: WebSocket): Ask {
  const waiting = new Map<number, (result: unknown) => void>()
  socket.on('message', (data) => {
    const message: unknown = JSON.parse(textOf(data))
    if (isObject(message) && typeof message['id'] === 'number') waiting.get(message['id'])?.(message['result'])
  })
  return (method, params = {}) =>
    new Promise((resolve) => {
      const id = waiting.size + 1
      waiting.set(id, resolve)
      socket.send(JSON.stringify({ id, method, params }))
    })
}

function textOf(data: RawData): string {
  return Buffer.concat([data].flat().map((part) => Buffer.from(part))).toString()
}

function profileIn(result: unknown): unknown {
  return isObject(result) ? result['profile'] : null
}

/** @throws TypeError for what is no profile */
export function parseProfile(value: unknown): Profile {
  if (!isProfile(value)) throw new TypeError('not a CPU profile')
  return value
}

function isProfile(value: unknown): value is Profile {
  return isObject(value) && ['nodes', 'samples', 'timeDeltas'].every((member) => Array.isArray(value[member]))
}
