// The rebuild of KV from D1, a page of users at a time; it only raises, and D1 alone is the truth (DESIGN §7).
import { markerKey } from '../../src/sessions/markers.ts'
import type { RaisedVersion } from '../../src/sessions/store.ts'
import type { Entry, Tally } from './plan.ts'
import { addTally, entryOf, NOTHING, planMarkers } from './plan.ts'

/** D1 and KV as they are seen from outside of the Worker. */
export interface Storage {
  /** Names of all markers. */
  readonly listMarkers: () => Promise<readonly string[]>
  /** Values by name; `null` where there is none. */
  readonly readMarkers: (keys: readonly string[]) => Promise<ReadonlyMap<string, string | null>>
  readonly putMarkers: (entries: readonly Entry[]) => Promise<void>
  /** The users whose ids come after this one, in the order of their ids. */
  readonly readUsers: (after: string, limit: number) => Promise<readonly RaisedVersion[]>
}

/** Users of one page: few enough that little changes between reading D1 and writing KV. */
const PAGE = 5000
/** Times that a page is looked at again; who changes more often is left to the cron. */
const ATTEMPTS = 3

/** Gives every user in D1 his marker. Puts nothing where `dryRun`, and only counts. Writes nothing to D1. */
export async function rebuild(storage: Storage, dryRun: boolean, page = PAGE): Promise<Tally> {
  const names = new Set(await storage.listMarkers())
  return rebuildAfter('', NOTHING)

  async function rebuildAfter(after: string, before: Tally): Promise<Tally> {
    const users = await storage.readUsers(after, page)
    const last = users.at(-1)
    if (last === undefined) return before
    const present = users.map(({ userId }) => markerKey(userId)).filter((name) => names.has(name))
    const { entries, tally } = planMarkers(users, await storage.readMarkers(present))
    if (!dryRun && entries.length > 0) await putLatest(storage, after, users, entries, ATTEMPTS)
    const sum = addTally(before, tally)
    return users.length < page ? sum : rebuildAfter(last.userId, sum)
  }
}

/** Puts, and puts again whom D1 raised meanwhile: the Worker's own, newer marker may just have been overwritten. */
async function putLatest(
  storage: Storage,
  after: string,
  users: readonly RaisedVersion[],
  entries: readonly Entry[],
  attempts: number,
): Promise<void> {
  await storage.putMarkers(entries)
  const known = new Map(users.map(({ userId, tokenVersion }) => [userId, tokenVersion]))
  const current = await storage.readUsers(after, users.length)
  const newer = current.filter(({ userId, tokenVersion }) => tokenVersion > (known.get(userId) ?? 0))
  if (newer.length > 0 && attempts > 1) await putLatest(storage, after, current, newer.map(entryOf), attempts - 1)
}
