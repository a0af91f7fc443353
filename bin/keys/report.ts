// What `npm run keys` says of rings and rotations: ids, states and times, and no key.
import type { Deployed } from './deployed.ts'
import type { Key, Ring, Wait } from './ring.ts'
import { dueAt, isRotating, isUnconfirmed } from './ring.ts'
import type { Rings } from './rings.ts'
import type { Rotated } from './rotate.ts'

export interface Surroundings {
  readonly path: string
  readonly config: string
  readonly issuer: string
  /** Unix seconds. */
  readonly now: number
}

/** A line a key. */
export function describeRings({ signing, session }: Rings): string {
  const rows = [
    ['KEY', 'ID', 'STATE', 'DEPLOYED', 'NEXT'],
    ...rowsOf('signing', signing),
    ...rowsOf('session', session),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0))) ?? []
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function rowsOf(kind: string, ring: Ring): readonly (readonly string[])[] {
  return ring.map((key) => [kind, key.id, key.state, since(key), next(key)])
}

function since({ state, deployedAt }: Key): string {
  if (deployedAt !== null) return `since ${dateOf(deployedAt)}`
  return state === 'active' ? '-' : 'not known to be'
}

function next(key: Key): string {
  const due = dueAt(key)
  if (due === null) return '-'
  return key.state === 'standby' ? `may sign from ${dateAfter(due)}` : `may be dropped from ${dateAfter(due)}`
}

export function describeOutcome(rotated: Rotated, surroundings: Surroundings): string {
  if (rotated.outcome === 'undeployed') return describeUndeployed(rotated.deployed, surroundings)
  if (rotated.outcome === 'waiting') return describeWaits(rotated.waits, surroundings)
  return [...rotated.did, '', describeNext(rotated.rings, surroundings)].join('\n')
}

function describeUndeployed(deployed: Deployed, surroundings: Surroundings): string {
  const { path, issuer } = surroundings
  const why =
    deployed === 'no'
      ? `${issuer} does not run with ${path} yet.`
      : `It cannot be told whether ${issuer} runs with ${path}: its JWK set cannot be had, or says nothing of what has changed.`
  return `${why} Nothing was changed.
Deploy first: ${deployCommand(surroundings)}
If you are sure that it is deployed, say so by --deployed.`
}

/** `npm start` reads `.dev.vars` when it starts. */
function deployCommand({ path, config, issuer }: Surroundings): string {
  return issuer.startsWith('http:') ? 'npm start' : `npx wrangler secret bulk ${path} --config ${config}`
}

function describeWaits(waits: readonly Wait[], { now }: Surroundings): string {
  const lines = waits.map(({ id, text, until }) => `  ${id} ${text} ${dateAfter(until)}, in ${minutes(until - now)}`)
  return ['Nothing may be done yet:', ...lines].join('\n')
}

function describeNext(rings: Rings, surroundings: Surroundings): string {
  const deploy = `Deploy now: ${deployCommand(surroundings)}`
  const isOver = !isRotating(rings.signing, true) && !isUnconfirmed(rings.signing) && !isRotating(rings.session, false)
  if (!isOver) return `${deploy}\nThen run this again.`
  return `${deploy}\nThis rotation is over${rings.session.length > 1 ? '; retiring session keys go with the next ones' : ''}.`
}

function minutes(seconds: number): string {
  const count = Math.max(1, Math.ceil(seconds / 60))
  return `${count} ${count === 1 ? 'minute' : 'minutes'}`
}

/** The first minute that is not before. */
function dateAfter(unixSeconds: number): string {
  return dateOf(Math.ceil(unixSeconds / 60) * 60)
}

function dateOf(unixSeconds: number): string {
  return `${new Date(unixSeconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
