// Figures over time: what is counted, what that costs, and the page that shows them.
import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'

import { insertAudit } from '../../src/audit/store.ts'
import { recordHour } from '../../src/figures/hourly.ts'
import { selectSessionSample } from '../../src/figures/store.ts'
import { newSessionId } from '../../src/sessions/session-token.ts'
import { createConsoleWorld, operate } from '../support/console.ts'
import { pageProblems } from '../support/html.ts'
import { read } from '../support/visitor.ts'
import { createWorld, user } from '../support/world.ts'

interface Row {
  readonly figure: string
  readonly count: number
}

async function figures(): Promise<readonly Row[]> {
  return (await env.DB.prepare('SELECT figure, count FROM figures ORDER BY hour, figure').all<Row>()).results
}

/** The middle of the hour that is over, and of the one that is not. */
const AN_HOUR_AGO = 'unixepoch() / 3600 * 3600 - 1800'
const NOW = 'unixepoch() / 3600 * 3600'

async function signInAt(...times: readonly string[]): Promise<void> {
  const event = { actor: user.id, action: 'sign_in', target: user.id, requestId: null, details: {} } as const
  for (const at of times) {
    await insertAudit(env.DB, { ...event, outcome: 'success' }).run()
    await env.DB.prepare(`UPDATE audit_events SET at = ${at} WHERE id = (SELECT max(id) FROM audit_events)`).run()
  }
}

async function seeSessions(count: number, at: string): Promise<void> {
  const ids = JSON.stringify(Array.from({ length: count }, newSessionId))
  const sql = `INSERT INTO sessions (id, user_id, session_epoch, rotated_at, created_at, last_seen_at, expires_at, auth_time)
    SELECT value, ?2, 0, 0, 0, ${at}, 0, 0 FROM json_each(?1)`
  await env.DB.prepare(sql).bind(ids, user.id).run()
}

/** What looking at 500 sessions costs. */
async function rowsRead(): Promise<number> {
  return (await selectSessionSample(env.DB, 500, 3600).run()).meta.rows_read
}

const WHENEVER = { looks: 20_000, within: 3600 }

describe('denials by code', () => {
  it('are counted in memory, and added by a later request, at most once a minute', async () => {
    const world = await createConsoleWorld()
    vi.spyOn(Date, 'now').mockReturnValue(2_000_000_000_000)
    await world.send('/orders')
    await world.send('/a%2Fb')
    expect(await figures()).toEqual([{ figure: 'denial:credential_required', count: 1 }])
    vi.spyOn(Date, 'now').mockReturnValue(2_000_000_059_000)
    await world.send('/orders')
    expect(await figures()).toHaveLength(1)
    vi.spyOn(Date, 'now').mockReturnValue(2_000_000_060_000)
    await world.send('/orders')
    expect(await figures()).toEqual([
      { figure: 'denial:ambiguous_path', count: 1 },
      { figure: 'denial:credential_required', count: 2 },
    ])
  })

  it('of several isolates add up', async () => {
    const world = await createConsoleWorld()
    const isolates = [{ ...world.env }, { ...world.env }]
    for (const isolate of isolates) for (let at = 0; at < 2; at += 1) await world.sendIn(isolate, '/orders')
    expect(await figures()).toEqual([{ figure: 'denial:credential_required', count: 2 }])
  })

  it('cost a request that is let in nothing', async () => {
    const world = await createConsoleWorld()
    const { access } = await world.signInForTokens()
    for (let at = 0; at < 3; at += 1) await world.bearer(access, '/orders')
    world.count()
    expect((await world.bearer(access, '/orders')).status).toBe(200)
    expect(world.count()).toEqual({ roundTrips: 0, gets: 0, puts: 0 })
  })

  it('that cannot be written down change no answer', async () => {
    const world = await createConsoleWorld()
    await env.DB.prepare('DROP TABLE figures').run()
    const statuses = [await world.send('/orders'), await world.send('/orders')].map(({ status }) => status)
    expect(statuses).toEqual([401, 401])
    expect(world.logged).toContainEqual(expect.objectContaining({ event: 'fault', reason: 'figures' }))
  })
})

it('without a console nothing is counted', async () => {
  const world = await createWorld()
  await signInAt(AN_HOUR_AGO)
  await world.send('/orders')
  await world.send('/orders')
  await world.runCron()
  expect(await figures()).toEqual([])
})

describe('the hour that is over', () => {
  it('has its sign-ins written down once, by the cron', async () => {
    const world = await createConsoleWorld()
    await signInAt(AN_HOUR_AGO, AN_HOUR_AGO, NOW, `${AN_HOUR_AGO} - 3600`)
    await world.runCron()
    await signInAt(AN_HOUR_AGO)
    await world.runCron()
    expect((await figures()).filter(({ figure }) => figure === 'sign_ins')).toEqual([{ figure: 'sign_ins', count: 2 }])
  })

  it('has the sessions that were seen since it began', async () => {
    await createConsoleWorld()
    await seeSessions(3, AN_HOUR_AGO)
    await seeSessions(4, `${AN_HOUR_AGO} - 3600`)
    await recordHour(env.DB, WHENEVER)
    await seeSessions(3, AN_HOUR_AGO)
    await recordHour(env.DB, WHENEVER)
    expect(await figures()).toContainEqual({ figure: 'sessions', count: 3 })
  })

  it('leaves its sessions unknown where it is over for too long', async () => {
    await createConsoleWorld()
    await recordHour(env.DB, { looks: 20_000, within: 0 })
    expect((await figures()).map(({ figure }) => figure)).toEqual(['sign_ins'])
  })

  it('has an estimate where there are more sessions than are looked at', async () => {
    await createConsoleWorld()
    await seeSessions(3000, AN_HOUR_AGO)
    await seeSessions(3000, `${AN_HOUR_AGO} - 3600`)
    await recordHour(env.DB, { looks: 2000, within: 3600 })
    const seen = (await figures()).find(({ figure }) => figure === 'sessions')?.count ?? 0
    expect(Math.abs(seen - 3000)).toBeLessThan(450)
  })

  it('costs no more rows than it may look at, and next to none once it is written down', async () => {
    await createConsoleWorld()
    await seeSessions(3000, AN_HOUR_AGO)
    expect(await rowsRead()).toBeLessThanOrEqual(2 * 500 + 5)
    await recordHour(env.DB, WHENEVER)
    expect(await rowsRead()).toBeLessThanOrEqual(5)
  })
})

it('figures are forgotten after ninety days', async () => {
  const world = await createConsoleWorld()
  const sql = `INSERT INTO figures VALUES (unixepoch() - 91 * 86400, 'sign_ins', 1), (unixepoch() - 89 * 86400, 'sign_ins', 2)`
  await env.DB.prepare(sql).run()
  await world.runCron()
  expect((await figures()).map(({ count }) => count)).not.toContain(1)
  expect((await figures()).map(({ count }) => count)).toContain(2)
})

describe('the overview', () => {
  it.each(['day', 'week', 'quarter', 'nonsense'])(
    'shows what was counted, as bars and as a table: %s',
    async (range) => {
      const world = await createConsoleWorld()
      const { see } = await operate(world)
      await env.DB.prepare('DELETE FROM audit_events').run()
      await signInAt(NOW, NOW)
      await env.DB.prepare(
        `INSERT INTO figures VALUES (${AN_HOUR_AGO} - 1800, 'sign_ins', 40), (${AN_HOUR_AGO} - 1800, 'sessions', 17),
         (${AN_HOUR_AGO} - 1800, 'denial:invalid_token', 5), (unixepoch() - 100 * 86400, 'denial:no_route', 9)`,
      ).run()
      const answer = await see(`/?range=${range}`)
      const { text, html, elements } = await read(answer)
      expect(pageProblems(html, [])).toEqual([])
      for (const words of [
        'Sign-ins: 42 in all, at most 4',
        'Active sessions: at most 17',
        'invalid_token: 5 in all',
      ]) {
        expect(text).toContain(words)
      }
      expect(text).not.toContain('no_route')
      expect(elements.filter(({ name }) => name === 'rect').length).toBeGreaterThanOrEqual(3)
      expect(elements.filter(({ name, text: cell }) => name === 'td' && /^(?:17|5)$/.test(cell)).length).toBe(2)
    },
  )

  it('has the administrator’s own sign-in, and says that nothing is known where nothing was counted', async () => {
    const { see } = await operate(await createConsoleWorld())
    const { text } = await read(await see('/'))
    expect(text).toContain('Sign-ins: 1 in all')
    expect(text).toContain('Active sessions: not known yet')
    expect(text).toContain('Nothing was denied.')
  })
})
