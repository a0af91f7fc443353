// What is looked at in a deployment, a finding a line: well, to be looked into, or bad, and then what to do.
import type { Config } from '../../src/config/config.ts'
import { secretNames } from '../../src/config/secrets.ts'
import type { Fetch } from '../../src/outbound.ts'
import { findMetadata } from '../../src/providers/discovery.ts'
import { readInteger, readText } from '../../src/rows.ts'
import { markerKey } from '../../src/sessions/markers.ts'
import { createSignedText } from '../../src/signed-text.ts'
import { fetchJwks } from '../../src/tokens/jwks-source.ts'
import { planMarkers } from '../markers/plan.ts'
import type { Deployment } from './deployment.ts'
import type { Schema } from './schema.ts'
import { listingSql } from './schema.ts'

export interface Finding {
  readonly verdict: 'ok' | 'warn' | 'bad'
  readonly what: string
  /** What to do; `null` where all is well. */
  readonly todo: string | null
}

export interface Patient {
  readonly config: Config
  readonly deployment: Deployment
  readonly schema: Schema
  readonly fetch: Fetch
  /** Unix seconds of this machine. */
  readonly now: () => number
  /** How to name the deployment to wrangler: `--remote --config wrangler.toml`. */
  readonly place: string
}

export interface Check {
  readonly name: string
  readonly look: (patient: Patient) => Promise<Finding>
}

/** In the order in which they are reported; none depends on another. */
export const CHECKS: readonly Check[] = [
  { name: 'secrets', look: lookAtSecrets },
  { name: 'health', look: lookAtHealth },
  { name: 'clock', look: lookAtClock },
  { name: 'schema', look: lookAtSchema },
  { name: 'cron', look: lookAtCron },
  { name: 'publication', look: lookAtPublication },
  { name: 'markers', look: lookAtMarkers },
  { name: 'issuers', look: lookAtIssuers },
  { name: 'providers', look: lookAtProviders },
]

/** Seconds after which something that the cron does every minute is late. */
const LATE = 180
/** Users whose markers are compared. */
const SAMPLE = 100
const LIMIT_MS = 10_000

function ok(what: string): Finding {
  return { verdict: 'ok', what, todo: null }
}

function bad(what: string, todo: string): Finding {
  return { verdict: 'bad', what, todo }
}

function warn(what: string, todo: string): Finding {
  return { verdict: 'warn', what, todo }
}

async function lookAtSecrets({ config, deployment }: Patient): Promise<Finding> {
  const set = new Set(await deployment.listSecrets())
  const missing = secretNames(config).filter((name) => !set.has(name))
  if (missing.length === 0) return ok(`set: ${secretNames(config).join(', ')}`)
  return bad(`missing: ${missing.join(', ')}`, 'npm run keys makes the keys, "wrangler secret bulk" sets them')
}

async function lookAtHealth(patient: Patient): Promise<Finding> {
  const { status, text } = await askHealth(patient)
  if (status === 200) return ok(healthUrl(patient))
  if (text.includes('"misconfigured"'))
    return bad('the gateway is misconfigured', 'the log names each problem; npm run check')
  return bad(
    `${healthUrl(patient)} answers ${status}`,
    'D1 or KV does not answer it, or something else answers in its place',
  )
}

/** Tokens of a clock that is ahead of another's are refused there, beyond `clock_skew`. */
async function lookAtClock(patient: Patient): Promise<Finding> {
  const { config, deployment, now } = patient
  const { date } = await askHealth(patient)
  const [before, [row], after] = [now(), await deployment.query('SELECT unixepoch() AS now'), now()]
  const ofDatabase = readInteger(row?.['now'])
  const offBy = [
    distance(ofDatabase, before, after),
    ...(date === null ? [] : [distance(date.at, date.before, date.after)]),
  ]
  const most = Math.max(...offBy)
  const says = `this machine, the gateway and D1 differ by ${most} s at most`
  return most <= config.tokens.clockSkew + 1
    ? ok(says)
    : warn(says, "set this machine's clock, or look at which of them is off")
}

async function lookAtSchema({ deployment, schema, place }: Patient): Promise<Finding> {
  const rows = await deployment.query(listingSql(schema.tables))
  const present = new Set(rows.map(({ part }) => readText(part)))
  const missing = schema.parts.filter((part) => !present.has(part))
  if (missing.length === 0) return ok('D1 has every table, column and index of schema.sql')
  const named = `${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}`
  return bad(`D1 lacks ${named}`, `npx wrangler d1 migrations apply DB ${place}`)
}

/** Each digest of recent changes is a sign of life that the cron leaves in KV anyway. */
async function lookAtCron({ config, deployment, now }: Patient): Promise<Finding> {
  if (config.revocation.isolateTtl === 0) return ok('isolate_ttl is 0: it leaves no digests to be seen by')
  const ticks = (await deployment.listKeys('recent:')).map((name) => Number(name.slice('recent:'.length)))
  const latest = Math.max(0, ...ticks.filter((tick) => Number.isSafeInteger(tick)))
  const age = now() - latest
  if (age <= LATE) return ok(`it has told of recent changes ${Math.max(0, age)} s ago`)
  const since = latest === 0 ? 'it has told of no recent changes' : `it has last told of recent changes ${age} s ago`
  return bad(since, 'triggers = { crons = ["* * * * *"] }; its log lines have "event":"cron"')
}

async function lookAtPublication({ deployment }: Patient): Promise<Finding> {
  const [row] = await deployment.query(
    `SELECT count(*) AS overdue FROM users WHERE published_version < token_version AND changed_at < unixepoch() - ${LATE}`,
  )
  const overdue = readInteger(row?.['overdue'])
  if (overdue === 0) return ok('no change of a user is still to be told to KV')
  return bad(
    `${overdue} changes are still to be told to KV`,
    'look for "event":"publication" in the log; does the cron run?',
  )
}

/** Of those who have changed last, but for the moments in which a change is being told. */
async function lookAtMarkers({ deployment, place }: Patient): Promise<Finding> {
  const rows = await deployment.query(
    `SELECT id, token_version FROM users WHERE published_version >= token_version AND changed_at < unixepoch() - ${LATE}
     ORDER BY changed_at DESC LIMIT ${SAMPLE}`,
  )
  const users = rows.map((row) => ({ userId: readText(row['id']), tokenVersion: readInteger(row['token_version']) }))
  if (users.length === 0) return ok('nobody has a marker yet')
  const { tally } = planMarkers(users, await deployment.readMarkers(users.map(({ userId }) => markerKey(userId))))
  const { written: missing, raised: lower, higher } = tally
  const says = `of ${users.length} users ${missing} have no marker, ${lower} a lower and ${higher} a higher one than D1 has`
  if (missing + lower > 0) return bad(says, `npm run markers -- rebuild ${place}`)
  return higher > 0 ? warn(says, 'was D1 restored? docs/runbook.md') : ok(`of ${users.length} users all agree with D1`)
}

async function lookAtIssuers({ config, fetch }: Patient): Promise<Finding> {
  const remote = config.issuers.filter(({ secret }) => secret === null)
  const failed = await namesOfFailed(remote, async (issuer) => {
    const { keys } = await fetchJwks(fetch, issuer)
    if (!Array.isArray(keys) || keys.length === 0) throw new Error('no keys')
  })
  if (failed.length === 0) return ok(`${remote.length} to be reached, and reached`)
  return bad(`not reached from here: ${failed.join(', ')}`, 'their tokens are 503 where the gateway has no keys either')
}

async function lookAtProviders({ config, fetch, now }: Patient): Promise<Finding> {
  const failed = await namesOfFailed(config.providers, async (provider) => {
    const signed = createSignedText({ keys: [], now, log: () => undefined })
    await findMetadata({ fetch, now, log: () => undefined, memory: new Map(), signed, waitUntil: forget }, provider)
  })
  if (failed.length === 0) return ok(`${config.providers.length} to be reached, and reached`)
  return bad(
    `not reached from here: ${failed.join(', ')}`,
    'nobody can sign in by them where the gateway does not reach them either',
  )
}

/** There is no cache of a location here, and that it cannot be written to is no finding. */
function forget(work: Promise<unknown>): void {
  work.catch(() => undefined)
}

async function namesOfFailed<T extends { readonly issuer: string }>(
  all: readonly T[],
  ask: (one: T) => Promise<void>,
): Promise<readonly string[]> {
  const tried = await Promise.allSettled(all.map(ask))
  return all.filter((_, at) => tried[at]?.status === 'rejected').map(({ issuer }) => issuer)
}

function healthUrl({ config }: Patient): string {
  return `${config.issuer}${config.authPath}/health`
}

interface Health {
  readonly status: number
  readonly text: string
  /** What its `Date` says, and this machine's clock around it. */
  readonly date: { readonly at: number; readonly before: number; readonly after: number } | null
}

async function askHealth(patient: Patient): Promise<Health> {
  const before = patient.now()
  const init = { cache: 'no-store', redirect: 'manual', signal: AbortSignal.timeout(LIMIT_MS) } as const
  const response = await patient.fetch(healthUrl(patient), init)
  const at = Date.parse(response.headers.get('Date') ?? '') / 1000
  const date = Number.isFinite(at) ? { at, before, after: patient.now() } : null
  return { status: response.status, text: await response.text(), date }
}

/** Seconds by which a clock is outside of what it may have been when it was read. */
function distance(at: number, before: number, after: number): number {
  return Math.max(0, before - at, at - after)
}
