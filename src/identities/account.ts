// A user's account, with the ways in that it has at providers.

import type { UserRow } from '../accounts/store.ts'
import { parseUser, selectUserById } from '../accounts/store.ts'
import type { Database } from '../database.ts'
import { runBatch } from '../database.ts'
import type { Identity } from './store.ts'
import { parseIdentity, selectIdentities } from './store.ts'

export interface Account {
  /** `null` where there is no such user. */
  readonly user: UserRow | null
  /** Those of providers that are not configured any more among them. */
  readonly identities: readonly Identity[]
}

/** One round trip. */
export async function findAccount(db: Database, userId: string): Promise<Account> {
  const [users, identities = []] = await runBatch(db, [selectUserById(db, userId), selectIdentities(db, userId)])
  return { user: parseUser(users?.[0]), identities: identities.map(parseIdentity).filter((each) => each !== null) }
}
