// A user as his account has him, with the ways in that he has.

import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import type { UserRow } from './store.ts'
import { parseProviderId, parseUser, selectProvidersOf, selectUserById } from './store.ts'

export interface Account {
  /** `null` where there is no such user. */
  readonly user: UserRow | null
  /** Ids of the providers that are linked to him, those that are not configured any more among them. */
  readonly providers: readonly string[]
}

/** One round trip. */
export async function findAccount(db: Database, userId: string): Promise<Account> {
  const [users, providers = []] = await runBatch(db, [selectUserById(db, userId), selectProvidersOf(db, userId)])
  return { user: parseUser(users?.[0]), providers: providers.map(parseProviderId).filter((id) => id !== null) }
}
