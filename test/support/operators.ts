// What comes from beside the clients: an upstream's control header, an operator at the database, the cron.

import { createControl } from '../../src/auth/control.ts'
import { tidy } from '../../src/auth/cron.ts'
import { settleControl } from '../../src/auth/upstream-control.ts'
import { publish } from '../../src/sessions/publish.ts'
import { parseRaised } from '../../src/sessions/store.ts'
import { tellRecent } from '../../src/sessions/ticks.ts'
import { createRequest } from './plain.ts'
import type { Told } from './plain.ts'
import type { Flow, Isolate } from './scene.ts'
import type { World } from './scheduled-world.ts'

const RULES = { subjectPrefix: '', administrators: false }

/** An upstream answers with one member of `Gatehouse-Session`. */
export function control({ scene, nobody }: World, isolate: Isolate, member: string): void {
  async function run({ exchange }: Flow): Promise<Told> {
    const expected = createControl(exchange, exchange.runtime.config.issuerHost, 'https://origin.test', RULES)
    const header = `${member};control="${expected.value}"`
    const { cookies } = await settleControl(exchange, expected, null, { header, status: 200 })
    return { body: {}, cookies }
  }
  scene.send(nobody, { what: member, isolate, run, given: () => undefined })
}

const SQL = {
  disable: `UPDATE users SET disabled_at = unixepoch(), session_epoch = session_epoch + 1, changed_at = unixepoch(),
    token_version = max(token_version + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER))
    WHERE id = ?1 RETURNING id, token_version`,
  enable: 'UPDATE users SET disabled_at = NULL WHERE id = ?1 RETURNING id, token_version',
}

/** Who was disabled may come back, his sessions may not. */
export function operate(world: World, isolate: Isolate, action: 'disable' | 'enable', userId: string): void {
  const { scene, nobody, d1, reference } = world
  async function run({ exchange }: Flow): Promise<Told> {
    const { db } = exchange.runtime
    const committed = () => void reference[action](userId)
    const [result] = await d1.watch({ name: action, committed }, () => db.batch([db.prepare(SQL[action]).bind(userId)]))
    const raised = parseRaised(result?.results[0])
    if (raised !== null) await publish(exchange.runtime, raised)
    return { body: {}, cookies: [] }
  }
  scene.send(nobody, { what: `${action} ${userId}`, isolate, run })
}

/** A run that comes too late for digests of its own: here they are told beside it, each at a moment. */
const LONG_AGO = 0

/** A tick, which may fail like anything else. */
export function runCron({ scene, schedule, cronIsolate, digestCap }: World): void {
  scene.seen.ticks += 1
  const { exchange } = scene.createFlow(cronIsolate, createRequest(new Headers(), {}), null)
  schedule.happen('cron', 0, () => {
    void tidy(exchange.runtime, LONG_AGO).catch(() => undefined)
    void tellRecent(scene.createTicker(exchange.runtime), schedule.now(), digestCap)
  })
}
